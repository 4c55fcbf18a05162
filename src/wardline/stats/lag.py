"""How late labels come, judged by those that came so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_AT_RISK = 20  # labels without which a step of the estimate says more of luck than of lag


def lag_quantile(lags: Floats, ages: Floats, share: float) -> float:
    """Return the lag within which `share` of all labels come; NaN where there are too few to say.

    `lags` are those of the labels that came, `ages` how long each of their answers has existed. What is
    seen is truncated: of young answers only the quick labels came, and a plain quantile is too small. The
    product-limit estimate under right truncation (Lynden-Bell 1971; Lagakos et al. 1988) corrects it, up
    to the greatest age there is. Choose it over a plain quantile whenever labels are still coming.

    >>> lags = np.array([1.0, 2.0, 3.0, 4.0])
    >>> lag_quantile(lags, np.full(4, 100.0), 0.75)
    3.0
    """
    known = np.isfinite(lags) & np.isfinite(ages)
    lags, ages = np.maximum(lags[known], 0.0), ages[known]
    ages = np.maximum(ages, lags)
    if not len(lags):
        return float("nan")
    values, counts = np.unique(lags, return_counts=True)
    # Those at risk at y: labels with lag <= y of answers at least as old as y.
    sooner = np.searchsorted(np.sort(lags), values, side="right")
    younger = np.searchsorted(np.sort(ages), values, side="left")
    risk = sooner - younger
    stay = 1.0 - counts / np.maximum(risk, counts)
    stay[np.flatnonzero(risk >= min(_AT_RISK, risk.max()))[-1] + 1 :] = 1.0
    # F just below y is the product over lags >= y; F at y leaves y itself out.
    below = np.cumprod(stay[::-1])[::-1]
    reached = np.append(below[1:], 1.0)
    return float(values[np.flatnonzero(reached >= share)[0]])
