"""Sensor noise: its level against intensity, between the channels, and hot pixels, from flat blocks."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wardline.stats.image.sample import LAGS, Matrix, Sample

_SCALE = math.sqrt(math.pi / 2) / 6  # from the mean absolute response to sigma (Immerkær 1996)
_FLAT = 0.15  # quantile of the blocks' levels taken for noise: the flattest, for texture only adds
_LEAST = 24  # blocks in a band of intensity, under which nothing is said of it
_DARK, _BRIGHT = 64, 160  # DN: where the bands of intensity meet
_CHOSEN = 24  # blocks the channels are compared on
_HOT = 48  # DN above the brightest neighbour
_LINE = np.dtype("V24")  # the eight pixels of one row of a block, in colour


class Noise(NamedTuple):
    """The noise of one frame; the units are those of `Statistics`."""

    noise: float
    noise_dark: float
    noise_mid: float
    noise_bright: float
    noise_grain: float
    noise_chroma: float
    noise_correlation: float
    hot_pixels: float


def noise(sampled: Sample, bent: Matrix) -> Noise:
    """Measure noise in the 8x8 blocks with the least structure (Immerkær 1996, blockwise and robust).

    `bent` (rows, side) is the second difference along rows, 0 in the last four columns. Its own second
    difference down the columns is the response; blocks are those that it fills.
    """
    side, tall, rows = sampled.side, sampled.tall, len(sampled.grey)
    lower = bent[1:] - bent[:-1]
    level = _means(np.abs(lower[1:] - lower[:-1]), tall)
    order = level.argsort()
    ordered, light = level[order], sampled.grey.reshape(-1)[_middles(rows, side, tall)[order]]
    dark, bright = light < _DARK, light >= _BRIGHT
    between = ordered[~(dark | bright)]
    grain, chroma, correlation = _channels(sampled, order[:_CHOSEN])
    return Noise(
        _low(ordered), _low(ordered[dark]), _low(between), _low(ordered[bright]), grain, chroma, correlation,
        _hot(sampled.grey, bent),
    )  # fmt: skip


def _means(response: Matrix, tall: int) -> Matrix:
    """Average 8x8 blocks, a tile's last row and column of them left out."""
    down, across = len(response) // 8, response.shape[1] // 8 - 1
    whole = response[: 8 * down, : 8 * across]
    means = np.asarray(cv2.resize(whole, (across, down), interpolation=cv2.INTER_AREA), np.float32)
    return means[_full(down, tall)].reshape(-1)


@lru_cache(8)
def _full(lines: int, tall: int) -> NDArray[np.intp]:
    """Return which lines of blocks do not reach into the next tile."""
    every = np.arange(lines)
    full: NDArray[np.intp] = every[every % (tall // 8) != tall // 8 - 1]
    return full


def _hot(grey: NDArray[np.uint8], bent: Matrix) -> float:
    """Count pixels far brighter than all four neighbours, a million; only where rows bend can some be.

    At a tile's edge one of them is another tile's: that hides or makes few.
    """
    (rows, side), flat = grey.shape, grey.reshape(-1)
    found = (bent.reshape(-1)[side : -2 * side] <= -2 * _HOT).nonzero()[0] + (side + 1)
    if not len(found):
        return 0.0
    beside = np.maximum(flat[found - 1], flat[found + 1])
    over = np.maximum(flat[found - side], flat[found + side])
    above = flat[found] - np.maximum(beside, over).astype(np.int16)
    count = float(np.count_nonzero(above >= _HOT))
    return float(1e6 * count / (rows * (side - LAGS)))


def _low(ordered: Matrix) -> float:
    """Take the low quantile of blocks' levels, in order."""
    return _SCALE * float(ordered[int(_FLAT * len(ordered))]) if len(ordered) >= _LEAST else math.nan


def _channels(sampled: Sample, chosen: NDArray[np.intp]) -> tuple[float, float, float]:
    """Compare the noise of green at two scales, and that of the channels, in the flattest blocks.

    By second differences along the rows; those of white noise have three times the energy of first ones.
    Independent channels correlate at 0; interpolating one channel from the others, or averaging chroma,
    makes them one. A picture without colour has no noise between channels: 1, and NaN for its level.
    """
    where = _lines(len(sampled.grey), sampled.side, sampled.tall)[chosen]
    pixels = sampled.colour.reshape(-1).view(_LINE)[where].view(np.uint8).reshape(-1, 24).astype(np.float32)
    residual = (_BENDS @ pixels.T).reshape(4, -1)
    moments = residual @ residual.copy().T  # a copy: of one matrix with itself BLAS is slower
    (blue, mixed, outer, _), (_, green, other, _), (_, _, red, _), (*_, rough) = moments.tolist()
    between = red + blue - 2 * outer
    nothing = 1e-3 * residual.shape[1]
    if min(blue, green, red, rough) <= nothing:
        return math.nan, math.nan, math.nan
    level = 0.5 * math.log(between / green) if between > nothing else math.nan
    pairs = (mixed, blue * green), (other, green * red), (outer, blue * red)
    return math.log(green / rough), level, sum(both / math.sqrt(product) for both, product in pairs) / 3


def _bends() -> Matrix:
    """Return what takes differences out of a line of eight pixels: (24, 24).

    The six second ones of each channel, then the first six first ones of green.
    """
    bends = np.zeros((4, 6, 8, 3), np.float32)
    for place in range(6):
        for channel in range(3):
            bends[channel, place, place : place + 3, channel] = 1, -2, 1
        bends[3, place, place : place + 2, 1] = -1, 1
    return bends.reshape(24, 24)


_BENDS = _bends()


@lru_cache(8)
def _middles(rows: int, side: int, tall: int) -> NDArray[np.intp]:
    """Return where a middle pixel of each block of `_means` lies: in flat blocks one is as bright as all."""
    return _lines(rows, side, tall)[:, 4] * 8 + 4


@lru_cache(8)
def _lines(rows: int, side: int, tall: int) -> NDArray[np.intp]:
    """Return where the lines of each block of `_means` lie among all lines of eight pixels: (blocks, 8)."""
    across = side // 8
    every = np.arange(rows * across).reshape(-1, tall // 8, 8, across).swapaxes(2, 3)
    return every[:, :-1, :-1].reshape(-1, 8)
