"""Rates in sequence: the likelihood ratios by which an e-detector sees a share of rows rise or fall."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wardline.stats.intervals import wilson

Floats = NDArray[np.float64]

_ODDS = (1.5, 3.0, 10.0, 100.0)
"""How many times the odds, up and down: what is looked for."""

_CERTAIN = 0.9545  # confidence of the bounds of a rate that a reference showed
_LEAST = 1e-9  # a rate that near to 0 or 1 is one of them
_BLOCKS = 24  # blocks from which a variance is believed


class Rate(NamedTuple):
    """What a reference says of a rate: between `low` and `high`, `effect` rows worth one independent row."""

    low: float
    high: float
    effect: float

    @classmethod
    def learn(cls, hits: Floats, rows: Floats, slack: float = 0.0) -> Self | None:
        """Learn from counts of hits among rows, block by block, shape (n,); None where there is no row.

        Rates that differ by no more than `slack` are no change.
        """
        total, many = float(hits.sum()), float(rows.sum())
        if many <= 0:
            return None
        effect = _effect(hits, rows)
        low, high = wilson(total / effect, many / effect, _CERTAIN)
        return cls(max(0.0, low - slack), min(1.0, high + slack), effect)

    def log_ratios(self, hits: Floats, rows: Floats) -> Floats:
        """Logarithms of the likelihood ratios of higher and lower rates, shape (n,) to (n, alternatives).

        Against any rate within the bounds their expectation is at most one: the bound nearer to the
        alternative stands for all of them (Wald's 1947 composite null). Dependent rows count less.
        """
        told = [_ratio(hits, rows, self.high, _times(self.high, odds)) for odds in _ODDS]
        told += [_ratio(hits, rows, self.low, _times(self.low, 1.0 / odds)) for odds in _ODDS]
        return np.stack(told, axis=1) / self.effect


def _times(rate: float, odds: float) -> float:
    return rate * odds / (1.0 - rate + rate * odds)


def _ratio(hits: Floats, rows: Floats, null: float, other: float) -> Floats:
    """An impossible rate (0 or 1 exactly) has no alternative: it says nothing."""
    if not _LEAST < null < 1.0 - _LEAST:
        return np.zeros(len(hits))
    gain, loss = math.log(other / null), math.log((1.0 - other) / (1.0 - null))
    ratio: Floats = hits * gain + (rows - hits) * loss
    return ratio


def _effect(hits: Floats, rows: Floats) -> float:
    """Design effect: the variance of rates over blocks of growing size, as a multiple of the binomial's."""
    rate = hits.sum() / rows.sum()
    if not 0.0 < rate < 1.0:
        return 1.0
    worst, size = 1.0, 1
    while len(hits) // size >= _BLOCKS:
        kept = len(hits) // size * size
        h, n = hits[:kept].reshape(-1, size).sum(axis=1), rows[:kept].reshape(-1, size).sum(axis=1)
        h, n = h[n > 0], n[n > 0]
        if n.sum() * min(rate, 1 - rate) >= _BLOCKS and len(n) >= _BLOCKS:
            ratio = float((((h - n * rate) ** 2) / (n * rate * (1 - rate))).mean())
            worst = max(worst, ratio * (1.0 - math.sqrt(2.0 / len(n))))
        size *= 2
    return worst
