"""Whitening: from a column as it comes to a stream of normal noise, learned on a reference."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST = 50
"""Reference values below which nothing can be learned."""

_ORDER = 8  # longest memory that is looked for, in observations
_KNOTS = 2001  # quantiles that stand for the reference's distribution
_ROBUST = 6.0  # robust standard deviations where values stop pulling at the fit
_BLOCKS = 24  # blocks from which a variance of block means is believed
_NORMAL = NormalDist()


class Whitening(NamedTuple):
    """What makes a stream white: an autoregression, then normal scores of what it does not explain.

    `center` and `scale` standardise, `lags` are the autoregression's coefficients, nearest first; `knots`
    and `scores` map an innovation to its normal score by its rank in the reference. `stretch` is the
    standard deviation that is left over many observations (1 where the autoregression explains all
    dependence), and `slack` the uncertainty of the mean, for the detector.
    """

    center: float
    scale: float
    lags: Floats
    knots: Floats
    scores: Floats
    stretch: float
    slack: float

    @classmethod
    def learn(cls, values: Floats, *, order: int = _ORDER) -> Self | None:
        """Learn from a stretch without change, shape (n,), NaN passed over; None where there is too little.

        The order is chosen by Schwarz's criterion. Single wild values do not pull: they are drawn in to six
        robust standard deviations for the fit. Long-run variance beyond the autoregression is taken from
        means of blocks (prewhitening after Andrews & Monahan 1992).
        """
        seen = values[np.isfinite(values)]
        if len(seen) < FEWEST or seen.min() == seen.max():
            return None
        center, scale = _location(seen)
        standard = np.clip((seen - center) / scale, -_ROBUST, _ROBUST)
        center += scale * float(standard.mean())
        standard -= standard.mean()
        lags = _autoregression(standard, order)
        innovations = _innovations((seen - center) / scale, lags)[len(lags) :]
        knots, scores = _ranks(innovations)
        stretch = math.sqrt(_long_run(np.interp(innovations, knots, scores)))
        return cls(center, scale, lags, knots, scores, stretch, 2.0 / math.sqrt(len(innovations)))

    def innovations(self, values: Floats, past: Floats | None = None) -> Floats:
        """What the past does not explain of each value, in standard deviations; NaN where nothing was seen.

        `past` holds values before the first, as many as there are lags; without it the first few are NaN.
        """
        told = np.full(len(values), np.nan)
        here = np.isfinite(values)
        before = np.zeros(0) if past is None else past[np.isfinite(past)]
        seen = (np.concatenate([before, values[here]]) - self.center) / self.scale
        left = _innovations(seen, self.lags)
        left[: len(self.lags)] = np.nan
        told[here] = left[len(before) :]
        return told

    def white(self, values: Floats, past: Floats | None = None) -> Floats:
        """Return the values as a white stream, shape (n,), for the e-detector."""
        return self.score(self.innovations(values, past))

    def score(self, innovations: Floats) -> Floats:
        """Return normal scores of innovations; beyond the reference's extremes none says more."""
        scores: Floats = np.interp(innovations, self.knots, self.scores) / self.stretch
        return np.where(np.isfinite(innovations), scores, np.nan)


def block_means(values: Floats, size: int) -> Floats:
    """Mean of every `size` values in sequence, NaN passed over; an unfinished last block is left out.

    Means of blocks are nearer to normal and depend less on each other: the plain way to whiten where there
    are many rows.

    >>> block_means(np.array([1.0, 3.0, np.nan, 4.0, 9.0]), 2).tolist()
    [2.0, 4.0]
    """
    blocks = values[: len(values) // size * size].reshape(-1, size)
    seen = np.isfinite(blocks)
    many = seen.sum(axis=1)
    sums = np.where(seen, blocks, 0.0).sum(axis=1)
    return np.where(many > 0, sums / np.maximum(many, 1), np.nan)


def _location(seen: Floats) -> tuple[float, float]:
    """Median, and the spread of the middle half, or the standard deviation where that half is one value."""
    low, middle, high = np.percentile(seen, [25, 50, 75])
    spread = (high - low) / 1.349
    return float(middle), float(spread if spread > 0 else seen.std())


def _autoregression(standard: Floats, order: int) -> Floats:
    """Least squares on the lags, the order by Schwarz's criterion, held stationary."""
    order = min(order, len(standard) // 10)
    rows = len(standard) - order
    lagged = np.stack([standard[order - k : order - k + rows] for k in range(1, order + 1)], axis=1)
    target = standard[order:]
    chosen: Floats = np.zeros(0)
    best = rows * math.log(max(float(target @ target) / rows, 1e-300))
    for k in range(1, order + 1):
        design = lagged[:, :k]
        found: Floats = np.linalg.lstsq(design, target, rcond=None)[0].astype(np.float64)
        left = target - design @ found
        criterion = rows * math.log(max(float(left @ left) / rows, 1e-300)) + k * math.log(rows)
        if criterion < best:
            best, chosen = criterion, found
    return chosen


def _innovations(standard: Floats, lags: Floats) -> Floats:
    left = standard.copy()
    for k, weight in enumerate(lags, 1):
        left[k:] -= weight * standard[:-k]
    return left


def _ranks(values: Floats) -> tuple[Floats, Floats]:
    """Map values to normal scores of their middle rank; ties share theirs, so that the mean stays zero."""
    unique, counts = np.unique(values, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2.0) / len(values)
    if len(unique) > _KNOTS:
        kept = np.unique(np.linspace(0, len(unique) - 1, _KNOTS).astype(np.intp))
        unique, ranks = unique[kept], ranks[kept]
    scores = np.array([_NORMAL.inv_cdf(rank) for rank in ranks.tolist()])
    mapped = np.interp(values, unique, scores)
    spread = float(mapped.std())
    return unique, (scores - mapped.mean()) / (spread if spread > 0 else 1.0)


def _long_run(z: Floats) -> float:
    """Long-run variance of a stream of variance one: the largest over block sizes, less a standard error."""
    worst, size = 1.0, 2
    while len(z) // size >= _BLOCKS:
        means = block_means(z, size)
        worst = max(worst, size * float(means.var()) * (1.0 - math.sqrt(2.0 / len(means))))
        size *= 2
    return worst
