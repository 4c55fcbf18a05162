"""What scores and thresholds of the built-in guards have in common."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.errors import DeclarationError
from wardline.reference import Profile

WORST = 1e9
"""The largest score. Infinity and whatever is beyond measure get it, so that every score is finite."""


def ordered(name: str, warn: float | None, block: float | None) -> None:
    """Refuse thresholds that could never be met, or that would block before they warn."""
    for threshold in (warn, block):
        if threshold is not None and not 0.0 < threshold <= WORST:
            raise DeclarationError(
                f"{name}: a threshold of {threshold} on the score is not in (0, {WORST:g}]; "
                "use None to switch one off"
            )
    if warn is not None and block is not None and block < warn:
        raise DeclarationError(f"{name}: it would block (at {block}) before it warns (at {warn}); swap them")


def below(name: str, warn: float | None, block: float | None) -> tuple[float | None, float | None]:
    """Turn least probabilities into thresholds on the score 1 - p; refuse those that could never be met."""
    limits = None if warn is None else 1.0 - warn, None if block is None else 1.0 - block
    ordered(name, *limits)
    return limits


class Span(NamedTuple):
    """Where the reference's finite values lie: from `low` to `high`, most of them `width` wide."""

    low: float
    high: float
    width: float

    def beyond(self, value: float) -> float:
        """Return how far outside a value lies, in widths: 0 inside, at most WORST, NaN for NaN.

        >>> Span(0.0, 10.0, 8.0).beyond(14.0), Span(0.0, 10.0, 8.0).beyond(float("-inf"))
        (0.5, 1000000000.0)
        """
        if self.low <= value <= self.high:
            return 0.0
        gap = self.low - value if value < self.low else value - self.high
        return gap if gap != gap else min(gap / self.width, WORST)

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


def span(profile: Profile) -> Span | None:
    """Return the span of a continuous column; `None` where the reference has no finite value of it.

    The width is P99 - P1, which one wild row cannot stretch; where that is 0, the standard deviation; where
    the column never varied, 1.
    """
    if profile.rows <= profile.nulls + profile.nonfinite or len(profile.percentiles) != 101:
        return None
    width = float(profile.percentiles[99] - profile.percentiles[1]) or profile.std or 1.0
    return Span(profile.minimum, profile.maximum, width)


def readable(value: float) -> float | str:
    """Return a number as a finding shows it: infinities as text, for JSON has none."""
    return value if value - value == 0.0 else str(value)


def any_of(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say for each row of flags (n, k) whether any is set; their product is twice as fast as `any`."""
    found: NDArray[np.bool_] = flags @ np.ones(flags.shape[1], dtype=np.bool_)
    return found
