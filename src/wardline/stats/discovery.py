"""False discoveries: how many of many small p-values may be believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def discoveries(p_values: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    """Say which of a family of tests are rejected at a false discovery rate (Benjamini & Hochberg 1995).

    Choose it where many columns are tested at once. Where nothing changed at all, the chance that anything
    is rejected is at most `level`; it holds for independent and for positively dependent tests.

    >>> discoveries(np.array([0.001, 0.2, 0.015, 0.9]), 0.05).tolist()
    [True, False, True, False]
    """
    count = len(p_values)
    if not count:
        return np.zeros(0, dtype=np.bool_)
    order = np.argsort(p_values)
    passed = p_values[order] <= level * np.arange(1, count + 1) / count
    if not passed.any():
        return np.zeros(count, dtype=np.bool_)
    rejected: NDArray[np.bool_] = p_values <= p_values[order][np.flatnonzero(passed)[-1]]
    return rejected
