"""The population stability index with what it usually lacks: its bias, a p-value, and whole counts."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.student import ratio

Counts = NDArray[np.int64] | NDArray[np.float64]

HALF = 0.5
"""Added to every bin on both sides. An epsilon in empty bins would make the index a measure of epsilon."""

THIN = 5.0
"""A bin with fewer rows than this on the scale of the smaller sample is pooled before it is tested."""


class Divergence(NamedTuple):
    """How far a window's counts lie from the reference's.

    `value` is the PSI and `contributions` its parts by bin; `bias` what a healthy window of this size
    shows on average, `debiased` the rest (not below zero). `p_value` is the chance of a healthy window
    looking at least this different; `degrees` its degrees of freedom.
    """

    value: float
    bias: float
    debiased: float
    p_value: float
    degrees: int
    contributions: NDArray[np.float64]


def psi(
    reference: NDArray[np.int64],
    window: NDArray[np.int64],
    *,
    reference_rows: float | None = None,
    window_rows: float | None = None,
    freedom: float = math.inf,
) -> Divergence:
    """Compare two counts over the same frozen bins, shape (bins,).

    Choose it for any column whose bins were frozen on the reference. Half a count is added to every bin
    that either side has seen; PSI / (1/n + 1/m) then follows chi-square with B - 1 degrees on healthy data
    (Yurdakul & Naranjo 2020, with Laplace-Jeffreys smoothing). For the p-value alone, thin bins are pooled
    first: in them the approximation fails. `reference_rows` and `window_rows` are effective sample sizes
    for dependent rows, `freedom` the degrees they were estimated with (`stats.dependence`): counts are
    scaled to them before they are smoothed and pooled, and the likelihood ratio counts where it is less, for
    the index is liberal of few rows. Without them rows count as independent. Either side empty: nothing can
    be said.

    The shares are 1/2, 1/2 against 0.5/4 and 3.5/4, so PSI = 3/8 ln 4 + 3/8 ln 7/4:

    >>> round(psi(np.array([1, 1]), np.array([0, 3])).value, 4)
    0.7297
    >>> psi(np.array([40, 60]), np.array([40, 60])).p_value
    1.0
    """
    n, m = int(reference.sum()), int(window.sum())
    parts = np.zeros(len(reference))
    if not n or not m:
        return Divergence(0.0, 0.0, 0.0, 1.0, 0, parts)
    seen = (reference + window) > 0
    parts[seen] = contributions(reference[seen], window[seen])
    value = float(parts.sum())
    one, two = reference_rows or float(n), window_rows or float(m)
    noise = 1.0 / one + 1.0 / two
    bias = (int(seen.sum()) - 1) * noise
    first, second = pool(np.multiply(reference[seen], one / n), np.multiply(window[seen], two / m))
    statistic = float(contributions(first, second).sum()) / noise
    if two < m:
        statistic = min(statistic, _likelihood(first, second))
    degrees = len(first) - 1
    p_value = ratio(statistic / max(1, degrees), degrees, freedom)
    return Divergence(value, bias, max(0.0, value - bias), p_value, degrees, parts)


def _likelihood(reference: NDArray[np.float64], window: NDArray[np.float64]) -> float:
    """Return twice the logarithm of the likelihood ratio of two shares against one, half a count added."""
    p, q = ((each + HALF) / (each.sum() + HALF * len(each)) for each in (reference, window))
    n, m = float(reference.sum()), float(window.sum())
    both = (n * p + m * q) / (n + m)
    return 2.0 * float(n * (p @ np.log(p / both)) + m * (q @ np.log(q / both)))


def contributions(reference: Counts, window: Counts) -> NDArray[np.float64]:
    """Return each bin's part (p - q) ln(p / q) of the PSI after half-count smoothing; none is negative."""
    bins = len(reference)
    p = (reference + HALF) / (reference.sum() + HALF * bins)
    q = (window + HALF) / (window.sum() + HALF * bins)
    parts: NDArray[np.float64] = (p - q) * np.log(p / q)
    return parts


def pool(
    reference: NDArray[np.float64], window: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pool into one bin all those that expect fewer than five rows in the smaller sample.

    What is expected comes from both sides together: pooling by what was merely observed would set lucky
    bins aside and find drift in them.
    """
    together = reference + window
    least = min(reference.sum(), window.sum())
    thin = together * (least / together.sum()) < THIN
    if thin.sum() < 2:
        return reference, window
    return (
        np.append(reference[~thin], reference[thin].sum()),
        np.append(window[~thin], window[thin].sum()),
    )
