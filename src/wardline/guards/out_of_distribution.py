"""OutOfDistribution: a row unlike the training rows, though each of its features may be in range."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wardline.errors import DeclarationError, OpeningError
from wardline.features import Kind
from wardline.guard import judge
from wardline.inference import Batch, Inference, Screened
from wardline.reference import Reference
from wardline.stats import conformal, ood
from wardline.verdict import Finding, Measured, Stage

_TIES = 1 - 1e-9  # one row and a batch may round a distance differently: ties stay ties


class _Learned(NamedTuple):
    """The reference's space: its names among all features, its whitening, its distances for rows and row."""

    all: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    columns: NDArray[np.intp] | slice = slice(None)
    center: NDArray[np.float64] = np.zeros(0)
    whitening: NDArray[np.float64] = np.zeros((0, 0))
    distances: NDArray[np.float64] = np.zeros(0)
    ranks: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class OutOfDistribution:
    """How rarely a reference row is as far from the middle of the training data as this one: a p-value.

    Choose it for what no single feature shows: a combination that training never had. The distance is
    Mahalanobis' under a shrunken covariance, the p-value its rank among reference rows that did not shape
    it, so on rows like the reference it fires at its declared rate: `warn` and `block` are shares of healthy
    rows. The score is -log10(p). With fewer reference rows than 1 / `block` no p-value can be that small,
    and the guard says so with `ood.insufficient_reference`. Missing values add no distance.

    >>> from wardline.testing import example_batch, example_reference
    >>> values = [float(i % 97) for i in range(2000)]
    >>> reference = example_reference({"load": values, "heat": [2 * v for v in values]})
    >>> guard = OutOfDistribution(warn=0.01, block=0.002).prepare(reference)
    >>> [guard.check(example_batch({"load": [50.0], "heat": [heat]}).inference(0)).severity.value
    ...  for heat in (100.0, 0.0)]
    ['ok', 'block']
    """

    warn: float = 0.002
    block: float | None = 0.0002
    name: str = "out_of_distribution"
    stage: ClassVar[Stage] = Stage.INPUT
    _learned: _Learned = field(default=_Learned(), repr=False, compare=False)
    _limits: tuple[float, float | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.warn < 1.0 or (self.block is not None and not 0.0 < self.block <= self.warn):
            raise DeclarationError(
                f"{self.name}: p-values must be 0 < block <= warn < 1, "
                f"not block={self.block} and warn={self.warn}"
            )
        limits = -math.log10(self.warn), None if self.block is None else -math.log10(self.block)
        object.__setattr__(self, "_limits", limits)  # the thresholds on the score

    def prepare(self, reference: Reference) -> Self:
        """Take the whitening and the reference distances; OpeningError where the reference has none."""
        space = reference.ood
        numeric = [name for name, each in reference.features.items() if each.kind is not Kind.TEXT]
        if space is None or not set(space.names) <= set(numeric):
            raise OpeningError(
                f"{self.name}: the reference holds no distances of its numeric features; build it again, or "
                "take the guard out of the gate"
            )
        columns: NDArray[np.intp] | slice = np.array([numeric.index(name) for name in space.names], np.intp)
        if list(space.names) == numeric:
            columns = slice(None)  # the whole vector, without a copy
        learned = _Learned(
            tuple(reference.features),
            space.names,
            columns,
            space.center,
            space.whitening,
            space.distances,
            space.distances.tolist(),
        )
        return replace(self, _learned=learned)

    def check(self, inference: Inference) -> Finding:
        """Rank the row among the reference rows."""
        ranks = self._learned.ranks
        count = len(ranks)
        far = self._distance(inference) * _TIES if count else 0.0
        p = (1 + count - bisect_left(ranks, far)) / (count + 1)
        fine = p > self.warn
        short = self.block is not None and (count + 1) * self.block < 1.0
        warn, block = self._limits
        return judge(
            self,
            -math.log10(p) if p < 1.0 else 0.0,
            warn=warn,
            block=block,
            reason="ood.insufficient_reference" if fine and short else "ood.unlike_reference",
            observed=None if fine else p,
            expected="" if fine else f"p above {self.warn:g}",
            measured=Measured(ood_p=p) if count else None,
        )

    def screen(self, batch: Batch) -> Screened:
        """Rank all rows at once; clear those whose p-value is above the threshold."""
        learned = self._learned
        if not len(learned.distances):
            return Screened(np.zeros(len(batch), dtype=np.bool_))
        if batch.block.schema.names != learned.all:
            return Screened(np.ones(len(batch), dtype=np.bool_))
        numbers = batch.block.matrix[:, learned.columns]
        far = ood.distances(numbers, learned.center, learned.whitening)
        p = conformal.p_value(learned.distances, far * _TIES)
        return Screened(p <= self.warn, {"ood_p": p})

    def _distance(self, inference: Inference) -> float:
        learned = self._learned
        if inference.names == learned.all:
            x = inference.vector[learned.columns]
        else:
            x = np.array([inference.feature(name) for name in learned.names], dtype=np.float64)
        return ood.distance(x, learned.center, learned.whitening)
