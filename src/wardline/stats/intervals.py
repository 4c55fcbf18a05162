"""Confidence intervals of shares and of smooth functions of means."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from wardline.stats.moments import Moments

LEVEL = 0.95


def normal_quantile(level: float) -> float:
    """Return how many standard errors a two-sided interval of this level reaches each way.

    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    return NormalDist().inv_cdf(0.5 + level / 2.0)


def wilson(successes: float, rows: float, level: float = LEVEL) -> tuple[float, float]:
    """Return Wilson's (1927) interval of a proportion: honest near 0 and 1 and at small n.

    >>> [round(bound, 4) for bound in wilson(0, 10)]
    [0.0, 0.2775]
    """
    if rows <= 0:
        return 0.0, 1.0
    z = normal_quantile(level)
    share = successes / rows
    center = share + z * z / (2 * rows)
    half = z * math.sqrt(share * (1.0 - share) / rows + z * z / (4 * rows * rows))
    scale = 1.0 + z * z / rows
    return max(0.0, (center - half) / scale), min(1.0, (center + half) / scale)


def delta(
    moments: Moments, gradient: NDArray[np.float64], value: float, level: float = LEVEL
) -> tuple[float, float]:
    """Return the interval of a smooth function of the means, by the delta method.

    `gradient` is the function's, at the means. It needs only what a stream can keep, at any number of
    rows; choose `bootstrap` where the rows are few and at hand.
    """
    variance = float(gradient @ moments.covariance @ gradient) / max(1, moments.count - 1)
    half = normal_quantile(level) * math.sqrt(max(0.0, variance))
    return value - half, value + half


def bootstrap(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    values: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    level: float = LEVEL,
    draws: int = 1000,
) -> tuple[float, float]:
    """Return the percentile-bootstrap interval of any statistic of rows, values (n, ...).

    `statistic` takes resampled values of shape (draws, n, ...) and returns (draws,): one call, no loop.
    """
    picks = rng.integers(0, len(values), size=(draws, len(values)))
    found = statistic(values[picks])
    low, high = np.quantile(found, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
