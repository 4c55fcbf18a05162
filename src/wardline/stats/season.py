"""Seasons: what of a column is the time of day, of the week, or of the year, learned on a reference."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY = 86_400.0
PERIODS = {"day": DAY, "week": 7 * DAY, "year": 365.2425 * DAY}
"""Seconds of a cycle."""

_HARMONICS = {"day": 6, "week": 28, "year": 4}  # the week's hold the day's at every seventh
_ROWS_EACH = 5  # reference values for each number that is fitted
_CYCLES = 2.0
_ROBUST = 5.0
_SPREAD_HARMONICS = 2


class Season(NamedTuple):
    """A cycle's mean and spread as sums of harmonics of `period` seconds, `moved` its coefficients."""

    period: float
    mean: Floats
    spread: Floats

    @classmethod
    def learn(cls, name: str, times: Floats, values: Floats) -> Self | None:
        """Learn a season by name from times in seconds and values, shape (n,); NaN passed over.

        None where the times do not span two cycles or there are too few values: a season seen once is a
        change as much as a season.
        """
        period = PERIODS[name]
        seen = np.isfinite(values)
        times, values = times[seen], values[seen]
        if not len(times) or times[-1] - times[0] < _CYCLES * period * 0.99:
            return None
        many = min(_HARMONICS[name], (len(values) // _ROWS_EACH - 1) // 2)
        if many < 1:
            return None
        low, middle, high = np.percentile(values, [25, 50, 75])
        reach = _ROBUST * max(float(high - low), 1e-12 * abs(float(middle)), 1e-300)
        held = np.clip(values, middle - reach, middle + reach)
        mean = _fit(_waves(times, period, many), held)
        left = np.abs(held - _waves(times, period, many) @ mean)
        floor = max(float(np.median(left)), 1e-12 * reach) * 0.05
        step = name == "week" and many >= 7
        fewer = 7 * _SPREAD_HARMONICS if step else min(many, _SPREAD_HARMONICS)
        spread = _fit(_waves(times, period, fewer), np.log(np.maximum(left, floor)))
        return cls(period, mean, spread)

    def without(self, times: Floats, values: Floats) -> Floats:
        """Return the values less the season's mean, over the season's spread (of mean one)."""
        mean = _waves(times, self.period, len(self.mean) // 2) @ self.mean
        waves = _waves(times, self.period, len(self.spread) // 2)
        spread = np.exp(np.clip(waves[:, 1:] @ self.spread[1:], -3.0, 3.0))
        gone: Floats = (values - mean) / spread
        return gone


def helps(name: str, times: Floats, values: Floats, least: float = 0.05) -> bool:
    """Say whether a season learned on the first half of a reference explains the second half at all."""
    middle = len(times) // 2
    learned = Season.learn(name, times[:middle], values[:middle])
    if learned is None:
        return False
    rest = values[middle:]
    rest = rest[np.isfinite(rest)]
    if len(rest) < 2 or rest.std() == 0:
        return False
    mean = _waves(times[middle:], learned.period, len(learned.mean) // 2) @ learned.mean
    left = (values[middle:] - mean)[np.isfinite(values[middle:])]
    return bool(left.var() < (1.0 - least) * rest.var())


def _waves(times: Floats, period: float, many: int) -> Floats:
    angle = 2.0 * np.pi * (times / period % 1.0)[:, None] * np.arange(1, many + 1)
    return np.hstack([np.ones((len(times), 1)), np.cos(angle), np.sin(angle)])


def _fit(design: Floats, target: Floats) -> Floats:
    found: Floats = np.linalg.lstsq(design, target, rcond=1e-9)[0].astype(np.float64)
    return found
