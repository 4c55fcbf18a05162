"""OutputRange: an answer that no answer may be, or that the model never gave on the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from wardline.guard import judge
from wardline.guards._scores import WORST, Span, any_of, ordered, span
from wardline.inference import Batch, Inference, Screened
from wardline.reference import Reference
from wardline.verdict import Finding, Stage

_SUM_TO = 1e-3  # float32 softmaxes of a thousand classes are off by less


@dataclass(frozen=True, slots=True)
class OutputRange:
    """An answer that is not finite, not a distribution, not a class, or far outside the rung's answers.

    Choose it always: models extrapolate without a word. For numbers the score is the distance to the
    range of the same rung's predictions on the reference, in widths (P99 - P1). What can be no answer at
    all has the largest score: NaN, probabilities outside [0, 1] or not summing to 1, a class that is none.

    >>> from wardline.testing import example_batch, example_reference
    >>> reference = example_reference({"x": [1.0, 2.0]}, rungs={"model": [10.0, 20.0, 30.0]})
    >>> finding = OutputRange().prepare(reference).check(
    ...     example_batch({"x": [1.5]}, rung="model", values=[-90.0]).inference(0))
    >>> finding.severity.value, finding.reason, finding.observed, finding.expected
    ('block', 'output.outside', -90.0, '10..30')
    """

    warn: float | None = 0.1
    block: float | None = 1.0
    name: str = "output_range"
    stage: ClassVar[Stage] = Stage.OUTPUT
    _spans: Mapping[str, Span] = field(default_factory=dict, repr=False, compare=False)
    _classes: int = field(default=0, repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered(self.name, self.warn, self.block)

    def prepare(self, reference: Reference) -> Self:
        """Take the range of each rung's predictions, or the number of classes."""
        rungs = {} if reference.classes else reference.rungs
        spans = {name: found for name, rung in rungs.items() if (found := span(rung.predictions))}
        return replace(self, _spans=spans, _classes=len(reference.classes))

    def check(self, inference: Inference) -> Finding:
        """Judge the answer itself."""
        value, probabilities = inference.value, inference.probabilities
        if value is None or value - value != 0.0:
            return self._judge("output.not_finite", WORST, None if value is None else str(value), "a number")
        if probabilities is not None:
            if _distribution(probabilities):
                return self._judge("output.outside", 0.0)
            observed = f"sum {sum(probabilities):g}"
            return self._judge("output.not_probabilities", WORST, observed, "sum 1, each in 0..1")
        if self._classes:
            if 0 <= value < self._classes and value == int(value):
                return self._judge("output.outside", 0.0)
            return self._judge("output.no_class", WORST, value, f"0..{self._classes - 1}")
        known = self._spans.get(inference.rung)
        if known is None:
            return self._judge("output.no_reference", 0.0)
        score = known.beyond(value)
        if score == 0.0:
            return self._judge("output.outside", 0.0)
        return self._judge("output.outside", score, value, str(known))

    def screen(self, batch: Batch) -> Screened:
        """Clear the rows whose answer is sound and within the reference's range."""
        outputs = batch.outputs
        if outputs is None:
            return Screened(np.ones(len(batch), dtype=np.bool_))
        values, fine = outputs.values, np.isfinite(outputs.values)
        if outputs.probabilities is not None:
            fine &= _distributions(outputs.probabilities)
        elif self._classes:
            fine &= (values >= 0) & (values < self._classes) & (values == np.floor(values))
        elif (known := self._spans.get(batch.rung)) is not None:
            fine &= (values >= known.low) & (values <= known.high)
        return Screened(~fine)

    def _judge(
        self, reason: str, score: float, observed: float | str | None = None, expected: str = ""
    ) -> Finding:
        return judge(
            self,
            score,
            warn=self.warn,
            block=self.block,
            reason=reason,
            observed=observed,
            expected=expected,
        )


def _distribution(probabilities: Sequence[float]) -> bool:
    total = 0.0
    for p in probabilities:
        if not 0.0 <= p <= 1.0:
            return False
        total += p
    return abs(total - 1.0) <= _SUM_TO


def _distributions(P: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which rows of P (n, k) are distributions, a little more strictly than for one row."""
    with np.errstate(all="ignore"):  # sums of infinities: not inside anyway
        sums: NDArray[np.bool_] = np.abs(P.sum(axis=1) - 1.0) <= _SUM_TO - 1e-9
    return sums & ~any_of(~((P >= 0.0) & (P <= 1.0)))
