"""Margin: two classes are nearly as probable as each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from wardline.guard import judge
from wardline.guards._scores import any_of, below
from wardline.inference import Batch, Inference, Screened
from wardline.verdict import Finding, Stage


@dataclass(frozen=True, slots=True)
class Margin:
    """The top class is hardly more probable than the second.

    Choose it beside `Confidence` where there are many classes: a top probability of 0.45 is sure with the
    rest spread thin, and a coin toss with 0.44 beside it. `warn` and `block` are differences of
    probability: at or below them the guard speaks. The score is 1 - (first - second).

    >>> from wardline.testing import example_batch
    >>> batch = example_batch({"x": [1.0]}, rung="model", probabilities=[[0.45, 0.44, 0.11]])
    >>> finding = Margin(warn=0.05).check(batch.inference(0))
    >>> finding.severity.value, finding.reason, round(finding.observed, 2)
    ('warn', 'margin.narrow', 0.01)
    """

    warn: float | None = 0.05
    block: float | None = None
    name: str = "margin"
    stage: ClassVar[Stage] = Stage.OUTPUT

    _limits: tuple[float | None, float | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        limits = below(self.name, self.warn, self.block)
        object.__setattr__(self, "_limits", limits)  # the thresholds on the score

    def check(self, inference: Inference) -> Finding:
        """Judge the two highest probabilities."""
        warn, block = self._limits
        probabilities = inference.probabilities
        if not probabilities or len(probabilities) < 2:
            return judge(self, 0.0, warn=warn, block=block, reason="margin.no_probabilities")
        ranked = sorted(probabilities)
        total = sum(ranked)  # NaN has no rank, but spoils the sum
        if not (ranked[0] >= 0.0 and ranked[-1] <= 1.0 and total == total):
            return judge(self, 1.0, warn=warn, block=block, reason="margin.not_probability")
        margin = ranked[-1] - ranked[-2]
        return judge(self, 1.0 - margin, warn=warn, block=block, reason="margin.narrow", observed=margin)

    def screen(self, batch: Batch) -> Screened:
        """Clear the rows whose top class stands apart."""
        P = None if batch.outputs is None else batch.outputs.probabilities
        if P is None or P.shape[1] < 2:
            return Screened(np.zeros(len(batch), dtype=np.bool_))
        limit = min((each for each in self._limits if each is not None), default=2.0)
        usable = ~any_of(~((P >= 0.0) & (P <= 1.0)))
        top = np.partition(np.where(usable[:, None], P, 0.0), -2, axis=1)[:, -2:]
        return Screened(~(usable & (1.0 - (top[:, 1] - top[:, 0]) < limit)))
