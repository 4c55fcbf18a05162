"""What another camera brings along: where it is known that the camera was swapped, which aspects differ."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.camera_change.contrast import Array, Fleet, fleet
from wardline.stats.camera_change.series import LEAST, standardised
from wardline.stats.camera_change.vector import NAMES

ASPECTS = {
    "optics.focus": ("edge_width", "detail_fine", "detail_mid", "overshoot"),
    "isp.white_balance": ("gain_red", "gain_blue", "bright_red", "bright_blue", "dark_red", "dark_blue"),
}
"""Cause to the statistics that speak for it: the lens and what sharpens after it, and the colours."""

_APART = 3.0  # units of unrest: less is how a scene wanders
_EVERY = 3  # frames are smoothed by threes: every third counts
_CLEAR = 0.8  # share of frames on their own side of the middle


class Part(NamedTuple):
    """One aspect that differs. `share` of the frames are told apart by its clearest statistic `names[0]`."""

    kind: str
    names: tuple[str, ...]
    differences: tuple[float, ...]
    share: float
    p_value: float


def parts(
    rows: NDArray[np.floating], start: int, stop: int, known: Fleet | None = None, *, level: float = 0.015
) -> list[Part]:
    """Compare frames `start` to `stop` of (n, statistics) with the rest, aspect by aspect.

    Choose it where headers name another camera: several things then differ at once, and a detector that
    names the one likeliest cause tells only the loudest. Light is taken away; each statistic is compared by
    the rank-sum test (Mann & Whitney 1947), at `level` over all of them, and must differ by three units of
    the camera's unrest. A place that changed with the camera is not told from the camera's own colours.
    """
    inside = np.zeros(len(rows), np.bool_)
    inside[start:stop] = True
    if min(inside.sum(), (~inside).sum()) < max(LEAST, 2 * _EVERY):
        return []
    values = standardised(rows, known or fleet())[0]
    tried = sum(map(len, ASPECTS.values()))
    found = []
    for kind, names in ASPECTS.items():
        told = []
        for name in names:
            column = values[:, NAMES.index(name)]
            here, there = column[inside], column[~inside]
            p_value = min(1.0, tried * _rank_sum(here[::_EVERY], there[::_EVERY]))
            apart, share = float(np.median(here) - np.median(there)), _told_apart(here, there)
            if p_value <= level and abs(apart) >= _APART and share >= _CLEAR:
                told.append((share, name, apart, p_value))
        if told:
            told.sort(reverse=True)
            shares, named, differences, p_values = zip(*told, strict=True)
            found.append(Part(kind, named, differences, shares[0], p_values[0]))
    return found


def _rank_sum(here: Array, there: Array) -> float:
    """Return the two-sided p-value of the rank-sum test, by its normal approximation."""
    n, m = len(here), len(there)
    more = np.sign(here[:, None] - there).sum() / 2  # U less its mean; ties count half
    return math.erfc(abs(float(more)) / math.sqrt(n * m * (n + m + 1) / 12) / math.sqrt(2))


def _told_apart(here: Array, there: Array) -> float:
    """Return the share of frames, either side alike, that lie on their own side of the middle."""
    middle = (np.median(here) + np.median(there)) / 2
    above = float((here > middle).mean()), float((there > middle).mean())
    return (1 + abs(above[0] - above[1])) / 2
