"""Traces of processing: the 8x8 grid of a JPEG, a grid out of place, and the period of a rescaling."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wardline.stats.image.sample import Sample, by_tile, difference, median

_TINY = 0.05  # DN; below this a mean step is rounding


class Blocks(NamedTuple):
    """Traces on and off the grid; the units are those of `Statistics`."""

    blockiness: float
    blockiness_off: float
    resampled: float


def blocks(sampled: Sample) -> Blocks:
    """Average the steps between neighbours by their phase on the 8x8 grid, and look for other periods.

    Compression steps at the grid's own phase (Wang, Sheikh & Bovik 2002); a picture cropped or moved after
    compression steps at another one. Interpolation to another size makes the second difference periodic
    (Gallagher 2005), which the mean spectrum over tiles shows as a peak. Edges are cut
    down for it, or they would be all it sees; a period that divides the grid's hides behind it.
    """
    side = sampled.side
    across, down = np.abs(sampled.across), np.abs(sampled.down)
    columns = np.full(len(across), 1 / len(across), dtype=np.float32) @ across
    rows = by_tile(down @ np.full(side, 1 / side, dtype=np.float32), side, 1).mean(axis=0)
    on, off = zip(*(_phases(steps) for steps in (columns, rows)), strict=True)
    bent = np.abs(difference(sampled.across[:, 1:], sampled.across[:, :-1]))
    bent = np.asarray(np.minimum(bent, np.float32(cv2.mean(bent)[0])), np.float32).reshape(-1, side, side - 2)
    mean = np.full(side, 1 / side, dtype=np.float32) @ bent
    return Blocks(sum(on) / 2, sum(off) / 2, _period(mean, side))


def _phases(steps: NDArray[np.float32]) -> tuple[float, float]:
    """Return the log excess of the grid's phase, and of the strongest other, over the median phase."""
    whole = len(steps) // 8 * 8
    mean = steps[:whole].reshape(-1, 8).mean(axis=0) + _TINY  # phase 7: from one block into the next
    usual = math.log(median(mean))
    return math.log(float(mean[7])) - usual, math.log(float(mean[:7].max())) - usual


def _period(bent: NDArray[Any], side: int) -> float:
    """Return the log of the strongest line over the median of the mean spectrum, grid harmonics left out."""
    length = side // 8 * 8 - 8  # whole blocks: the grid's harmonics fall on single lines
    rows = bent[:, 3 : 3 + length]
    power = (np.abs(np.fft.rfft(rows - rows.mean(axis=1, keepdims=True), axis=1)) ** 2).mean(axis=0)
    lines = np.arange(len(power))
    kept = power[(lines * 8 > length) & (lines * 8 % length != 0)]
    if len(kept) < 3:
        return math.nan
    return math.log((float(kept.max()) + _TINY**2) / (median(kept) + _TINY**2))
