"""Confidence: the model itself is not sure of its class."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from wardline.guard import judge
from wardline.guards._scores import below
from wardline.inference import Batch, Inference, Screened
from wardline.verdict import Finding, Measured, Stage


@dataclass(frozen=True, slots=True)
class Confidence:
    """The probability of the top class is low.

    Choose it as the plain reading of a classifier; it is only as good as the model's calibration, where
    `ConformalSet` holds its promise whatever the model says. `warn` and `block` are probabilities: at or
    below them the guard speaks. The score is 1 - confidence. A rung without probabilities is not judged.

    >>> from wardline.testing import example_batch
    >>> finding = Confidence(warn=0.6).check(
    ...     example_batch({"x": [1.0]}, rung="model", probabilities=[[0.55, 0.45]]).inference(0))
    >>> finding.severity.value, finding.observed, finding.measured.confidence
    ('warn', 0.55, 0.55)
    """

    warn: float | None = 0.5
    block: float | None = None
    name: str = "confidence"
    stage: ClassVar[Stage] = Stage.OUTPUT

    _limits: tuple[float | None, float | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        limits = below(self.name, self.warn, self.block)
        object.__setattr__(self, "_limits", limits)  # the thresholds on the score

    def check(self, inference: Inference) -> Finding:
        """Judge the highest probability."""
        warn, block = self._limits
        probabilities = inference.probabilities
        if not probabilities:
            return judge(self, 0.0, warn=warn, block=block, reason="confidence.no_probabilities")
        top = max(probabilities)
        if not 0.0 <= top <= 1.0 or math.isnan(sum(probabilities)):
            return judge(
                self, 1.0, warn=warn, block=block, reason="confidence.not_probability", observed=str(top)
            )
        score = 1.0 - top
        return judge(
            self,
            score,
            warn=warn,
            block=block,
            reason="confidence.low",
            observed=top,
            measured=Measured(confidence=top),
        )

    def screen(self, batch: Batch) -> Screened:
        """Clear the rows whose top class is probable enough."""
        P = None if batch.outputs is None else batch.outputs.probabilities
        if P is None or not P.shape[1]:
            return Screened(np.zeros(len(batch), dtype=np.bool_))
        top = P.max(axis=1)  # NaN where one probability is
        usable = (top >= 0.0) & (top <= 1.0)
        limit = min((each for each in self._limits if each is not None), default=2.0)
        confidence = top if usable.all() else np.where(usable, top, np.nan)
        return Screened(~(1.0 - confidence < limit), {"confidence": confidence})
