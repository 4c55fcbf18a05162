"""Range: a number outside everything the training data had."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.guard import judge
from wardline.guards._places import Places
from wardline.guards._scores import WORST, Span, any_of, ordered, readable, span
from wardline.inference import Batch, Inference, Screened
from wardline.reference import Reference
from wardline.verdict import Finding, Stage


class _Learned(NamedTuple):
    """The spans of the guarded features, and a bound for every column of the matrix."""

    places: Places = Places()
    spans: tuple[Span, ...] = ()
    lows: tuple[float, ...] = ()
    highs: tuple[float, ...] = ()
    floor: NDArray[np.float64] = np.zeros(0)
    ceiling: NDArray[np.float64] = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Range:
    """How far outside the reference's range a continuous feature lies, in widths of the reference.

    Choose it always: it is the cheapest sight of wrong units, broken sensors and lands never mapped. The
    score is the distance to [minimum, maximum] over P99 - P1 of the training data; 0 inside. Infinity has
    the largest score there is. The finding is about the worst feature. A missing value is `Missing`'s.

    >>> from wardline.testing import example_batch, example_reference
    >>> guard = Range().prepare(example_reference({"age": [20.0, 30.0, 40.0, 70.0]}))
    >>> finding = guard.check(example_batch({"age": [700.0]}).inference(0))
    >>> finding.severity.value, finding.subject, finding.observed, finding.expected
    ('block', 'age', 700.0, '20..70')
    """

    fields: tuple[str, ...] | None = None
    warn: float | None = 0.1
    block: float | None = 1.0
    name: str = "range"
    stage: ClassVar[Stage] = Stage.INPUT
    _learned: _Learned = field(default=_Learned(), repr=False, compare=False)
    _fine: Finding = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered(self.name, self.warn, self.block)
        fine = judge(self, 0.0, warn=self.warn, block=self.block, reason="range.outside")
        object.__setattr__(self, "_fine", fine)  # said of nearly every row, made once

    def prepare(self, reference: Reference) -> Self:
        """Take the range and the width of every feature; OpeningError where a field has none."""
        places = Places.of(
            self.name, reference, self.fields, {Kind.CONTINUOUS}, lambda profile: span(profile) is not None
        )
        spans = tuple(found for name in places.chosen if (found := span(reference.features[name])))
        # Beyond these a row may warn: slack for rounding, and unguarded columns have no bound at all.
        slack = min(limit for limit in (self.warn, self.block, WORST) if limit is not None) * (1 - 1e-9)
        numeric = sum(profile.kind is not Kind.TEXT for profile in reference.features.values())
        floor, ceiling = np.full(numeric, -np.inf), np.full(numeric, np.inf)
        for column, each in zip(places.columns(reference), spans, strict=True):
            floor[column] = each.low - slack * each.width
            ceiling[column] = each.high + slack * each.width
        lows, highs = tuple(each.low for each in spans), tuple(each.high for each in spans)
        return replace(self, _learned=_Learned(places, spans, lows, highs, floor, ceiling))

    def check(self, inference: Inference) -> Finding:
        """Judge the feature that is furthest outside."""
        places, spans, lows, highs, _, _ = self._learned
        values = places.values(inference)
        outside = [
            i
            for i, value, low, high in zip(range(len(values)), values, lows, highs, strict=True)
            if value is not None and not low <= value <= high and value == value
        ]
        if not outside:
            return self._fine
        score, worst = max((spans[i].beyond(values[i]), i) for i in outside)
        return judge(
            self,
            score,
            warn=self.warn,
            block=self.block,
            reason="range.outside",
            subject=places.chosen[worst],
            observed=readable(values[worst]),
            expected=str(spans[worst]),
        )

    def screen(self, batch: Batch) -> Screened:
        """Clear the rows with every feature within the bounds."""
        places, *_, floor, ceiling = self._learned
        if not places.fits(batch):
            return Screened(np.ones(len(batch), dtype=np.bool_))
        matrix = batch.block.matrix
        outside = (matrix < floor) | (matrix > ceiling)
        return Screened(any_of(outside))
