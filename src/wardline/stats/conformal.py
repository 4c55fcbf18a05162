"""Split-conformal prediction: how wide an answer must be to hold the truth as often as it says.

Everything here is exact on exchangeable data and only there; whether the data still is, is judged by
whoever watches drift and labels, not by these functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-9  # (n + 1) * level is a whole number on paper where floats put it an ulp above


def quantile(scores: NDArray[np.float64], level: float) -> float:
    """Return the ceil((n + 1) * level)-th smallest of the sorted calibration scores, shape (n,).

    A new score is at most this with probability >= `level` (Vovk et al. 2005; Angelopoulos & Bates 2021).
    Infinite where n is too small to promise the level at all: nine rows promise 0.9, eight do not.

    >>> quantile(np.arange(1.0, 10.0), 0.9), quantile(np.arange(1.0, 9.0), 0.9)
    (9.0, inf)
    """
    rank = max(1, math.ceil((len(scores) + 1) * level - _ROUNDING))
    return float(scores[rank - 1]) if rank <= len(scores) else math.inf


def bounded(scores: NDArray[np.float64], level: float) -> float:
    """Return the quantile at any level at all, for a level that is corrected as labels come.

    Above what n scores can promise it is the largest of them: sets stop growing there, and so does the
    promise of the correction. At 0 or below it is the smallest.

    >>> [bounded(np.arange(1.0, 10.0), level) for level in (0.9, 1.02, -0.5)]
    [9.0, 9.0, 1.0]
    """
    if not len(scores):
        return math.inf
    rank = math.ceil((len(scores) + 1) * level - _ROUNDING)
    return float(scores[min(max(1, rank), len(scores)) - 1])


def rows_needed(level: float) -> int:
    """Return the smallest number of calibration rows that can promise `level`.

    >>> rows_needed(0.9), rows_needed(0.99)
    (9, 99)
    """
    return math.ceil(level / (1.0 - level) - _ROUNDING)


def p_value(scores: NDArray[np.float64], score: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank a score, or an array of them, among the sorted calibration scores: (1 + #{cal >= s}) / (n + 1).

    Uniform or larger on exchangeable rows, never zero. NaN ranks as the strangest of all.

    >>> float(p_value(np.array([1.0, 2.0, 3.0]), 2.5))
    0.5
    """
    below = np.searchsorted(scores, score, side="left")
    return np.asarray((1 + len(scores) - below) / (len(scores) + 1), dtype=np.float64)


def thin(scores: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Keep `most` order statistics of n sorted scores, evenly, so that a bundle stays small.

    The j-th kept is the ceil(j (n + 1) / (most + 1))-th of all. Quantiles and p-values of what is kept
    hold the same promise as those of the whole: they err to the safe side, by less than 1 / (most + 1).

    >>> thin(np.arange(1.0, 100.0), 4).tolist()
    [20.0, 40.0, 60.0, 80.0]
    """
    n = len(scores)
    if n <= most:
        return scores
    ranks = -(-np.arange(1, most + 1) * (n + 1) // (most + 1))
    return scores[ranks - 1]


def true_class_scores(probabilities: NDArray[np.float64], classes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return 1 - probability of the true class: probabilities (n, k) and class numbers (n,) to (n,)."""
    scores: NDArray[np.float64] = 1.0 - probabilities[np.arange(len(classes)), classes]
    return scores


def thresholds(scores: Sequence[NDArray[np.float64]], level: float) -> NDArray[np.float64]:
    """Return one quantile for each array of sorted scores: a class, a band, or all rows together."""
    return np.array([quantile(each, level) for each in scores])


def sets(probabilities: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which classes are in each row's prediction set, shape (n, k): those with 1 - p <= limit.

    `limits` has one threshold for all classes (marginal coverage) or one a class (coverage within each
    true class, "Mondrian"). Least ambiguous classifier of Sadinle, Lei & Wasserman 2019; a set may be
    empty, which says that no class fits the row.

    >>> sets(np.array([[0.7, 0.3], [0.5, 0.5]]), np.array([0.6])).tolist()
    [[True, False], [True, True]]
    """
    members: NDArray[np.bool_] = 1.0 - probabilities <= limits
    return members


def band(edges: NDArray[np.float64], predictions: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the band of each prediction: band i holds edges[i - 1] <= prediction < edges[i]."""
    return np.searchsorted(edges, predictions, side="right")


def bands(
    predictions: NDArray[np.float64], calibration: NDArray[np.float64], *, most: int, least: int
) -> NDArray[np.float64]:
    """Cut inner edges between bands of the prediction, so that errors may differ by size of answer.

    Edges are quantiles of `predictions`, rows that are *not* calibrated on, or the promise within a band
    would bend; neighbours are merged until each band has `least` of the `calibration` predictions.
    """
    wanted = max(1, min(most, len(calibration) // max(1, least)))
    sample = np.sort(predictions[np.isfinite(predictions)])
    if not len(sample):
        return np.zeros(0)
    edges = np.unique(sample[np.arange(1, wanted) * len(sample) // wanted])
    while len(edges):
        counts = np.bincount(band(edges, calibration), minlength=len(edges) + 1)
        light = int(counts.argmin())
        if counts[light] >= least:
            break
        left = light == len(edges) or (light > 0 and counts[light - 1] < counts[light + 1])
        edges = np.delete(edges, light - 1 if left else light)
    return edges


def split(
    scores: NDArray[np.float64], groups: NDArray[np.intp], count: int
) -> tuple[NDArray[np.float64], ...]:
    """Sort scores, shape (n,), into one sorted array for each of `count` groups (bands or classes)."""
    return tuple(np.sort(scores[groups == group]) for group in range(count))


def intervals(
    predictions: NDArray[np.float64], limits: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return prediction -/+ the residual quantile of its band, shape (n, 2).

    >>> intervals(np.array([1.0, 9.0]), np.array([0.5, 2.0]), np.array([5.0])).tolist()
    [[0.5, 1.5], [7.0, 11.0]]
    """
    half = limits[band(edges, predictions)]
    return np.stack([predictions - half, predictions + half], axis=1)
