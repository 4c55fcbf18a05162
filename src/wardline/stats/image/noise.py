"""Sensor noise: its level against intensity, between the channels, and hot pixels, from flat blocks."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wardline.stats.image.sample import Matrix, Sample

_SCALE = math.sqrt(math.pi / 2) / 6  # from the mean absolute response to sigma (Immerkær 1996)
_FLAT = 0.15  # quantile of the blocks' levels taken for noise: the flattest, for texture only adds
_LEAST = 24  # blocks in a band of intensity, under which nothing is said of it
_DARK, _BRIGHT = 64, 160  # DN: where the bands of intensity meet
_CHOSEN = 48  # blocks the channels are compared on
_HOT = 48  # DN above the brightest neighbour
_LINE = np.dtype("V24")  # the eight pixels of one row of a block, in colour


class Noise(NamedTuple):
    """The noise of one frame; the units are those of `Statistics`."""

    noise: float
    noise_dark: float
    noise_mid: float
    noise_bright: float
    noise_chroma: float
    noise_correlation: float
    hot_pixels: float


def noise(sampled: Sample, bent: Matrix) -> Noise:
    """Measure noise in the 8x8 blocks with the least structure (Immerkær 1996, blockwise and robust).

    `bent` (rows, side) is the second difference along rows. Blocks at the tiles' borders are left out.
    """
    side = sampled.side
    flat, response = bent.reshape(-1), np.empty_like(bent)
    lower = flat[side:] - flat[:-side]
    inner = response.reshape(-1)[side + 1 : len(flat) + 1 - side]
    np.abs(lower[side:] - lower[:-side], out=inner)  # [1 -2 1] both ways, about its middle
    level, luma = _means(response, side), _means(sampled.grey, side)
    order = level.argsort()
    ordered, light = level[order], luma[order]
    dark, bright = light < _DARK, light >= _BRIGHT
    between = ordered[~(dark | bright)]
    chroma, correlation = _channels(sampled, order[:_CHOSEN])
    return Noise(
        _low(ordered), _low(ordered[dark]), _low(between), _low(ordered[bright]), chroma, correlation,
        _hot(sampled.grey, side),
    )  # fmt: skip


def _means(picture: Matrix | NDArray[np.uint8], side: int) -> NDArray[Any]:
    """Average 8x8 blocks, those at the tiles' borders left out."""
    size = side // 8 - 2, len(picture) // 8
    means = np.asarray(cv2.resize(picture[:, 8 : side - 8], size, interpolation=cv2.INTER_AREA))
    return means.reshape(-1, side // 8, size[0])[:, 1:-1].reshape(-1)


def _hot(grey: NDArray[np.uint8], side: int) -> float:
    """Count pixels far brighter than all four neighbours, a million.

    At a tile's edge one of them is another tile's: that hides or makes few.
    """
    flat = grey.reshape(-1)
    beside = np.maximum(flat[2:], flat[:-2])[side - 1 : 1 - side]
    over = np.maximum(flat[2 * side :], flat[: -2 * side])
    above = np.asarray(cv2.subtract(flat[side:-side], np.maximum(beside, over)))
    return 1e6 * np.count_nonzero(above >= _HOT) / grey.size


def _low(ordered: Matrix) -> float:
    """Take the low quantile of blocks' levels, in order."""
    return _SCALE * float(ordered[int(_FLAT * len(ordered))]) if len(ordered) >= _LEAST else math.nan


def _channels(sampled: Sample, chosen: NDArray[np.intp]) -> tuple[float, float]:
    """Compare the channels' noise in the flattest blocks, by second differences along the rows.

    Independent channels correlate at 0; interpolating one channel from the others, or averaging chroma,
    makes them one. A picture without colour has no noise between channels: 1, and NaN for its level.
    """
    lines = sampled.colour.reshape(-1).view(_LINE)[_lines(len(sampled.grey), sampled.side)[chosen]]
    pixels = lines.view(np.uint8).reshape(-1, 24).astype(np.float32)
    residual = (_BENDS @ pixels.T).reshape(3, -1)
    moments = residual @ residual.copy().T  # a copy: of one matrix with itself BLAS is slower
    moments /= residual.shape[1]
    (blue, mixed, outer), (_, green, other), (_, _, red) = moments.tolist()
    between = red + blue - 2 * outer
    if min(blue, green, red) <= 1e-3:
        return math.nan, math.nan
    level = 0.5 * math.log(between / green) if between > 1e-3 else math.nan
    pairs = (mixed, blue * green), (other, green * red), (outer, blue * red)
    return level, sum(both / math.sqrt(product) for both, product in pairs) / 3


def _bends() -> Matrix:
    """Return what takes the second differences of each channel out of a line of eight pixels: (18, 24)."""
    bends = np.zeros((3, 6, 8, 3), np.float32)
    for channel in range(3):
        for place in range(6):
            bends[channel, place, place : place + 3, channel] = 1, -2, 1
    return bends.reshape(18, 24)


_BENDS = _bends()


@lru_cache(8)
def _lines(rows: int, side: int) -> NDArray[np.intp]:
    """Return where the eight lines of each inner block lie among all lines of eight pixels: (blocks, 8)."""
    across = side // 8
    every = np.arange(rows * across).reshape(-1, across, 8, across).swapaxes(2, 3)
    return every[:, 1:-1, 1:-1].reshape(-1, 8)
