"""Traces of processing: the 8x8 grid of a JPEG, a grid out of place, and the period of a rescaling."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from wardline.stats.image.sample import LAGS, Matrix

_TINY = 0.05  # DN; below this a mean step is rounding


class Blocks(NamedTuple):
    """Traces on and off the grid; the units are those of `Statistics`."""

    blockiness: float
    blockiness_off: float
    resampled: float


def blocks(sizes: Matrix, tall: int) -> Blocks:
    """Average the steps between neighbours by their phase on the 8x8 grid, and look for other periods.

    Compression steps at the grid's own phase (Wang, Sheikh & Bovik 2002); a picture cropped or moved after
    compression steps at another one. Interpolation to another size makes the second difference
    periodic (Gallagher 2005), which the mean spectrum over tiles shows as a peak. Edges are cut
    down for it, or they would be all it sees; a period that divides the grid's hides behind it.
    `sizes` (3, rows, side) are the middle three of `sample.steps_of`, without their signs.
    """
    _, rows, side = sizes.shape
    bent, across = _ones(rows) @ sizes[1:]
    along = _ones(side)
    on, off = _phases((across @ _phase(side, side, rows)).tolist())
    on_too, off_too = _phases((sizes[0] @ along @ _phase(rows, tall, side)).tolist())
    most = float(bent @ along) / (rows * (side - LAGS))
    low = np.minimum(sizes[1], np.float32(most)).reshape(-1, tall, side)
    return Blocks((on + on_too) / 2, (off + off_too) / 2, _period(_ones(tall) @ low, tall))


def _phases(steps: list[float]) -> tuple[float, float]:
    """Return the log excess of the grid's phase, and of the strongest other, over the median phase."""
    *others, grid = steps  # phase 7: from one block into the next
    ordered = sorted(steps)
    usual = math.log((ordered[3] + ordered[4]) / 2 + _TINY)
    return math.log(grid + _TINY) - usual, math.log(max(others) + _TINY) - usual


def _period(bent: Matrix, tall: int) -> float:
    """Return the log of the strongest line over the median of the mean spectrum, grid harmonics left out."""
    waves = bent @ _waves(bent.shape[1])
    halves = np.vecdot(waves.T, waves.T) / (len(waves) * tall * tall)
    power = sorted((halves[::2] + halves[1::2]).tolist())
    if len(power) < 3:
        return math.nan
    middle = (power[(len(power) - 1) // 2] + power[len(power) // 2]) / 2
    return math.log((power[-1] + _TINY**2) / (middle + _TINY**2))


@lru_cache(16)
def _ones(count: int) -> Matrix:
    return np.ones(count, np.float32)


@lru_cache(16)
def _phase(count: int, length: int, each: int) -> Matrix:
    """Return what averages lines, sums of `each`, by their phase: (count, 8); a tile lacks its last steps."""
    phase = np.tile(np.eye(8, dtype=np.float32), (count // 8, 1)).reshape(-1, length, 8)
    phase[:, length - LAGS :] = 0.0
    averages: Matrix = (phase / (each * phase.sum(axis=(0, 1)))).reshape(count, 8)
    return averages


@lru_cache(8)
def _waves(side: int) -> Matrix:
    """Return the cosine and sine of each line of the spectrum under eight pixels that is not the grid's.

    Of (side, 2 x lines) only whole blocks count: the grid's harmonics then fall on single lines.
    """
    length = side - 8
    lines = [line for line in range(length // 2 + 1) if line * 8 > length and line * 8 % length]
    angles = 2 * np.pi * np.outer(np.arange(length), lines) / length
    waves = np.zeros((side, len(lines), 2), np.float32)
    waves[3 : 3 + length] = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return waves.reshape(side, -1)
