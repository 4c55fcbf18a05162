"""The last frames of one camera's stream and those before them, in little memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wardline.stats.camera_change.vector import NAMES

Array = NDArray[np.float64]

AFTER, BEFORE = 10, 80
"""Frames now against frames before: their medians. What has just begun makes do with fewer before."""

WIDTH = len(NAMES) + 2  # the light is compared too: how the others follow it is one more correlation
_RECENT = 2 * AFTER


class Window:
    """`AFTER` frames and `BEFORE` before them: the twenty last as they were, older ones as means of two.

    Half precision: a step of one part in two thousand is far below how any statistic moves from frame to
    frame. `filled` frames count; those from before a `restart` do not.
    """

    __slots__ = ("filled", "leaving", "odd", "pairs", "rows")

    def __init__(self) -> None:
        self.rows = np.full((_RECENT, WIDTH), np.nan, np.float16)
        self.pairs = np.full(((BEFORE - _RECENT + AFTER) // 2, WIDTH), np.nan, np.float16)
        self.leaving = self.rows[0].copy()
        self.odd = False
        self.filled = 0

    def take(self, row: Array) -> None:
        """Keep one frame (WIDTH,)."""
        if self.odd:
            one, other = self.leaving, self.rows[0]
            both = np.where(np.isnan(one), other, np.where(np.isnan(other), one, (one + other) / 2))
            self.pairs = np.vstack([self.pairs[1:], both])
        self.leaving = self.rows[0].copy()
        self.odd = not self.odd
        self.rows = np.vstack([self.rows[1:], row.astype(np.float16)])
        self.filled = min(self.filled + 1, AFTER + BEFORE)

    def restart(self) -> None:
        """Start again with the last `AFTER` frames."""
        self.filled = AFTER

    def before(self) -> Array:
        """Return the middle of the frames before the last `AFTER`, NaN where nothing was measured."""
        recent = self.rows[max(0, _RECENT - self.filled) : -AFTER]
        pairs = max(0, self.filled - _RECENT - 1) // 2  # one pair may reach back to before a restart
        return middle(np.vstack([self.pairs[len(self.pairs) - pairs :], recent]))

    def last(self, frames: int) -> Array:
        """Return the middle of about so many last frames."""
        if frames <= _RECENT:
            return middle(self.rows[-frames:])
        return middle(np.vstack([self.pairs[-((frames - _RECENT) // 2 + 1) :], self.rows]))

    def step(self) -> Array:
        """Return the middle of the last `AFTER` frames less that of those before, 0 where one is missing."""
        return np.nan_to_num(self.last(AFTER) - self.before())


def middle(values: NDArray[np.floating]) -> Array:
    """Take the median of each column, NaN where nothing was measured; numpy's own is slow with NaN."""
    ordered = np.sort(values.astype(np.float64), axis=0)  # nan sorts last
    counts = np.isfinite(values).sum(axis=0)
    places = np.arange(values.shape[1])
    low, high = np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, len(values) - 1)
    return np.asarray((ordered[low, places] + ordered[high, places]) / 2, np.float64)
