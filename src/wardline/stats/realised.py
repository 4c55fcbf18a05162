"""Whether stated coverage is really reached, and how a level is corrected where it is not."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def misses_p_value(misses: int, rows: int, calibration: int, level: float) -> float:
    """Return the chance of so many misses or more, if rows are still like those of the calibration.

    Exact: a split-conformal threshold from `calibration` rows covers a share that is itself drawn from a
    beta distribution (Vovk 2012), so the misses among `rows` are beta-binomial. A plain binomial at 1 -
    `level` would blame healthy rows for the luck of the calibration. With no calibration it is that one.

    >>> round(misses_p_value(25, 100, 1000, 0.9), 6), misses_p_value(0, 100, 1000, 0.9)
    (3.7e-05, 1.0)
    """
    if misses <= 0 or rows <= 0:
        return 1.0
    if calibration <= 0:
        calibration = 10_000_000
    kept = min(calibration, max(1, math.ceil((calibration + 1) * level - 1e-9)))
    a, b = float(calibration + 1 - kept), float(kept)
    start = _log_beta(misses + a, rows - misses + b) - _log_beta(a, b)
    start += math.lgamma(rows + 1) - math.lgamma(misses + 1) - math.lgamma(rows - misses + 1)
    j = np.arange(misses, rows, dtype=np.float64)
    steps = np.log(rows - j) - np.log(j + 1) + np.log(j + a) - np.log(rows - j - 1 + b)
    terms = start + np.concatenate([[0.0], np.cumsum(steps)])
    top = float(terms.max())
    return min(1.0, math.exp(top) * float(np.exp(terms - top).sum()))


def adapt(alpha: float, missed: NDArray[np.bool_], target: float, step: float) -> float:
    """Return the miss rate to ask for next: raised after every hit, lowered after every miss.

    Adaptive conformal inference (Gibbs & Candès 2021, arXiv 2106.00170): `alpha` + `step` (`target` - miss),
    answer by answer in order of time. Whatever the data does, over T answers the share of misses is within
    (1 + step) / (T step) of `target`, as long as sets really grow without bound where `alpha` falls to 0.
    Choose it where labels come soon and the world drifts; it corrects the average, not each group.

    >>> round(adapt(0.1, np.array([True]), 0.1, 0.01), 4), round(adapt(0.1, np.array([False]), 0.1, 0.01), 4)
    (0.091, 0.101)
    """
    return float(alpha + step * (target * len(missed) - float(missed.sum())))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
