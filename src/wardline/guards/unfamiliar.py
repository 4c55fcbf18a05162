"""Unfamiliar: the model itself, by its own layers, has not seen the like of this row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from wardline.errors import DeclarationError
from wardline.guard import judge
from wardline.inference import Inference
from wardline.reference import Reference
from wardline.stats import conformal
from wardline.verdict import Finding, Measured, Stage


@dataclass(frozen=True, slots=True)
class Unfamiliar:
    """How rarely a held-out row scored as strange as this one by the answering model's own scores: a p-value.

    Choose it for models that export such scores (outputs named `score_...`): a feature-space distance and
    a logit score see different things. Each is ranked among held-out rows; the smallest rank times the
    number of scores (Bonferroni) is the p-value, so on rows like the reference it fires at most at its
    declared rate. The score is -log10(p).

    >>> from wardline.testing import example_batch
    >>> batch = example_batch({"x": [1.0]}, rung="model", probabilities=[[0.9, 0.1]])
    >>> Unfamiliar().check(batch.inference(0)).severity.value  # a model without scores
    'ok'
    """

    warn: float = 0.01
    block: float | None = None
    name: str = "unfamiliar"
    stage: ClassVar[Stage] = Stage.OUTPUT
    _ranks: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.warn < 1.0 or (self.block is not None and not 0.0 < self.block <= self.warn):
            raise DeclarationError(
                f"{self.name}: p-values must be 0 < block <= warn < 1, "
                f"not block={self.block} and warn={self.warn}"
            )

    def prepare(self, reference: Reference) -> Self:
        """Take each rung's held-out scores."""
        return replace(self, _ranks={name: rung.scores for name, rung in reference.rungs.items()})

    def check(self, inference: Inference) -> Finding:
        """Rank the row's scores."""
        ranks = self._ranks.get(inference.rung, {})
        found = {
            name: float(conformal.p_value(ranks[name], np.array([score]))[0]) if score == score else 0.0
            for name, score in inference.scores.items()
            if name in ranks and len(ranks[name])
        }
        subject = min(found, key=lambda name: found[name]) if found else ""
        p = min(1.0, found[subject] * len(found)) if found else 1.0
        fine = p > self.warn
        return judge(
            self,
            -math.log10(max(p, 1e-12)),
            warn=-math.log10(self.warn),
            block=None if self.block is None else -math.log10(self.block),
            reason="unfamiliar.score",
            subject="" if fine else subject,
            observed=None if fine else p,
            expected="" if fine else f"p above {self.warn:g}",
            measured=Measured(ood_p=p) if found else None,
        )
