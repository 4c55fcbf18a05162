"""ConformalSet: which classes the answer may be, with a promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from wardline.errors import DeclarationError, OpeningError
from wardline.guard import judge
from wardline.health import Health
from wardline.inference import Batch, Inference, Screened
from wardline.reference import Calibration, Reference
from wardline.stats import conformal
from wardline.verdict import Coverage, Finding, Measured, Stage


@dataclass(frozen=True, slots=True)
class ConformalSet:
    """The set of classes that holds the true one with probability `level`, and whether it says anything.

    Choose it for every classifier that is calibrated in the reference: the promise needs no trust in the
    model's probabilities, only rows like the calibration's (the verdict's `coverage_status` says whether
    they still are). The score is the size of the set over the number of classes. It warns where the set is
    empty, for then no class fits, and where it holds more than `max_size` classes; left out, every size is
    fine, and the answer's `set` says what it says. With `per_class` the promise holds within each true
    class, and sets grow. Without a sound calibration of the rung there is no set. Least ambiguous sets
    of Sadinle, Lei & Wasserman 2019. Where the monitor adapts (`Labelling.adapt`) sets are made for the
    level that health says, so that the declared one is reached.

    >>> from wardline.testing import example_batch, example_reference
    >>> scores = [[0.9, 0.1]] * 19 + [[0.4, 0.6]]
    >>> reference = example_reference({"x": [1.0, 2.0]}, rungs={"model": scores}, targets=[0] * 20)
    >>> guard = ConformalSet(level=0.9).prepare(reference)
    >>> batch = example_batch({"x": [1.5]}, rung="model", probabilities=[[0.95, 0.05]])
    >>> guard.check(batch.inference(0)).measured.members
    (True, False)
    """

    level: float = 0.9
    max_size: int | None = None
    per_class: bool = False
    name: str = "conformal_set"
    stage: ClassVar[Stage] = Stage.OUTPUT
    _limits: Mapping[str, NDArray[np.float64]] = field(default_factory=dict, repr=False, compare=False)
    _plain: Mapping[str, tuple[float, ...]] = field(default_factory=dict, repr=False, compare=False)
    _scores: Mapping[str, tuple[NDArray[np.float64], ...]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise DeclarationError(f"{self.name}: level={self.level} is a probability, in (0, 1)")
        if self.max_size is not None and self.max_size < 1:
            raise DeclarationError(f"{self.name}: max_size={self.max_size} would warn of every set")

    def prepare(self, reference: Reference) -> Self:
        """Take one limit a class from each rung's calibration; OpeningError for a gate without classes."""
        if not reference.classes:
            raise OpeningError(f"{self.name}: this gate answers a number; use ConformalInterval")
        limits: dict[str, NDArray[np.float64]] = {}
        held: dict[str, tuple[NDArray[np.float64], ...]] = {}
        for name, rung in reference.rungs.items():
            if rung.calibration is None or rung.coverage is Coverage.VOID:
                continue
            scores = self._read(rung.calibration, name)
            found = np.broadcast_to(conformal.thresholds(scores, self.level), len(reference.classes)).copy()
            if np.isfinite(found).any():  # else too few rows to promise anything
                limits[name], held[name] = found, scores
        plain = {name: tuple(found.tolist()) for name, found in limits.items()}
        return replace(self, _limits=limits, _plain=plain, _scores=held)

    def _read(self, calibration: Calibration, rung: str) -> tuple[NDArray[np.float64], ...]:
        scores = calibration.scores
        if self.per_class and not calibration.per_class:
            raise OpeningError(
                f"{self.name}: rung {rung!r} is calibrated for all classes together; build the reference "
                "with per-class calibration, or drop per_class"
            )
        if not self.per_class:
            scores = (np.sort(np.concatenate(scores)),)
        return scores

    def _adapted(self, rung: str, health: Health | None, now: float) -> NDArray[np.float64] | None:
        """Return the limits at the level that the monitor says, where it says one."""
        level = None if health is None else health.level(rung, now)
        if level is None or rung not in self._scores:
            return None
        limits = np.array([conformal.bounded(each, level) for each in self._scores[rung]])
        return np.broadcast_to(limits, self._limits[rung].shape)

    def check(self, inference: Inference) -> Finding:
        """Make the set and judge its size."""
        limits, probabilities = self._plain.get(inference.rung), inference.probabilities
        if limits is None or probabilities is None or len(probabilities) != len(limits):
            return judge(self, 0.0, warn=1.0, block=None, reason="conformal.uncalibrated")
        adapted = self._adapted(inference.rung, inference.health, inference.now)
        if adapted is not None:
            limits = tuple(adapted.tolist())
        members = tuple([1.0 - p <= limit for p, limit in zip(probabilities, limits, strict=True)])
        size, classes = sum(members), len(limits)
        warn = self._warn_size(classes) / classes
        return judge(
            self,
            (size or classes + 1) / classes,  # no class fits: worse than all of them
            warn=warn,
            block=None,
            reason="conformal.wide" if size else "conformal.empty",
            observed=size,
            measured=Measured(members=members),
        )

    def screen(self, batch: Batch) -> Screened:
        """Make all sets at once; clear those that say something."""
        limits = self._limits.get(batch.rung)
        P = None if batch.outputs is None else batch.outputs.probabilities
        if limits is None or P is None or P.shape[1] != len(limits):
            return Screened(np.zeros(len(batch), dtype=np.bool_))
        adapted = self._adapted(batch.rung, batch.health, batch.now)
        members = conformal.sets(P, limits if adapted is None else adapted)
        sizes = members.sum(axis=1)
        return Screened((sizes == 0) | (sizes >= self._warn_size(len(limits))), {"members": members})

    def _warn_size(self, classes: int) -> int:
        """The smallest set that is too large; an empty one counts as one class more than there are."""
        return classes + 1 if self.max_size is None else min(classes, self.max_size) + 1
