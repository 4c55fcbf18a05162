"""Sensor noise: its level against intensity, between the channels, and hot pixels, from flat blocks."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wardline.stats.image.sample import Sample

_SCALE = math.sqrt(math.pi / 2) / 6  # from the mean absolute response to sigma (Immerkær 1996)
_FLAT = 0.15  # quantile of the blocks' levels taken for noise: the flattest, for texture only adds
_LEAST = 24  # blocks in a band of intensity, under which nothing is said of it
_DARK, _BRIGHT = 64, 160  # DN: where the bands of intensity meet
_CHOSEN = 48  # blocks the channels are compared on
_HOT = 48  # DN above the brightest neighbour


class Noise(NamedTuple):
    """The noise of one frame; the units are those of `Statistics`."""

    noise: float
    noise_dark: float
    noise_mid: float
    noise_bright: float
    noise_chroma: float
    noise_correlation: float
    hot_pixels: float


def noise(sampled: Sample) -> Noise:
    """Measure noise in the 8x8 blocks with the least structure (Immerkær 1996, blockwise and robust)."""
    level, luma = _blocks(sampled)
    order = np.argsort(level)
    bands = (luma < _DARK, (luma >= _DARK) & (luma < _BRIGHT), luma >= _BRIGHT)
    dark, mid, bright = (_low(level[band]) for band in bands)
    chroma, correlation = _channels(sampled, order[:_CHOSEN])
    return Noise(_low(level), dark, mid, bright, chroma, correlation, _hot(sampled.grey))


def _blocks(sampled: Sample) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the noise level and the mean luma of every 8x8 block that touches no tile's border."""
    response = cv2.Sobel(sampled.grey, cv2.CV_16S, 2, 2, ksize=3)  # [1 -2 1] both ways
    level = _means(np.abs(np.asarray(response)).astype(np.float32), sampled.side)
    return _SCALE * level, _means(sampled.wide, sampled.side)


def _means(picture: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Average 8x8 blocks, those at the tiles' borders left out."""
    size = side // 8, len(picture) // 8
    means = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
    blocks = means.reshape(-1, side // 8, side // 8)
    return (blocks[:, 1:-1, 1:-1] if side >= 32 else blocks).ravel()


def _hot(grey: NDArray[np.uint8]) -> float:
    """Count pixels far brighter than all four neighbours, a million."""
    beside = cv2.max(grey[1:-1, 2:], grey[1:-1, :-2])
    over = cv2.max(grey[2:, 1:-1], grey[:-2, 1:-1])
    above = cv2.subtract(grey[1:-1, 1:-1], cv2.max(beside, over))
    return 1e6 * cv2.countNonZero(cv2.inRange(above, _HOT, 255)) / grey.size


def _low(level: NDArray[np.float32]) -> float:
    """Take the low quantile of the blocks' levels."""
    if len(level) < _LEAST:
        return math.nan
    place = int(_FLAT * len(level))
    return float(np.partition(level, place)[place])


def _channels(sampled: Sample, chosen: NDArray[np.intp]) -> tuple[float, float]:
    """Compare the channels' noise in the flattest blocks, by second differences along the rows.

    Independent channels correlate at 0; interpolating one channel from the others, or averaging chroma,
    makes them one. A picture without colour has no noise between channels: 1, and NaN for its level.
    """
    across = sampled.side // 8
    inner = across - 2 if sampled.side >= 32 else across
    offset = 1 if sampled.side >= 32 else 0
    tile, place = np.divmod(chosen, inner * inner)
    row, column = np.divmod(place, inner)
    parted = sampled.colour.reshape(-1, across, 8, across, 8, 3)
    blocks = parted[tile, row + offset, :, column + offset].astype(np.float32)
    residual = (2 * blocks[:, :, 1:-1] - blocks[:, :, :-2] - blocks[:, :, 2:]).reshape(-1, 3)
    moments = residual.T @ residual / np.float32(len(residual))
    blue, green, red = (float(moments[i, i]) for i in range(3))
    between = float(moments[2, 2] + moments[0, 0] - 2 * moments[0, 2])
    if min(blue, green, red) <= 1e-3:
        return math.nan, math.nan
    level = 0.5 * math.log(between / green) if between > 1e-3 else math.nan
    pairs = ((0, 1, blue * green), (1, 2, green * red), (0, 2, blue * red))
    return level, sum(float(moments[i, j]) / math.sqrt(product) for i, j, product in pairs) / 3
