"""Exposure, tone curve, black level, vignetting, channel gains and saturation, from the thumbnail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wardline.stats.image.sample import Sample, planes

_LEVELS = np.arange(256)
_SHARES = np.array([0.005, 0.1, 0.5, 0.9, 0.995])
_END = 2  # DN from either end of the scale that count as clipped
_LEAST = 0.01  # share of the picture under which bright or dark pixels say nothing of colour


class Tone(NamedTuple):
    """Luma's distribution; the units are those of `Statistics`."""

    exposure: float
    black: float
    white: float
    tone_dark: float
    tone_mid: float
    tone_bright: float
    contrast: float
    clipped_dark: float
    clipped_bright: float
    vignetting: float


class Colour(NamedTuple):
    """The channels against each other; the units are those of `Statistics`."""

    gain_red: float
    gain_blue: float
    bright_red: float
    bright_blue: float
    dark_red: float
    dark_blue: float
    saturation: float
    chroma: float
    channel_correlation: float


def histogram(sampled: Sample) -> NDArray[np.int64]:
    """Count the thumbnail's luma, (256,)."""
    counted = cv2.calcHist([sampled.luma], [0], None, [256], [0, 256])
    return np.asarray(counted, np.float32).ravel().astype(np.int64)


def tone(sampled: Sample, counts: NDArray[np.int64]) -> Tone:
    """Measure exposure and the shape of the tone curve.

    Black and white are the outer 0.5 %; between them the deciles and the median are placed on a logit
    scale, where a gamma moves all three alike, a contrast curve moves the outer two apart, and a plain
    gain or offset moves none.
    """
    luma = sampled.luma
    black, dark, middle, bright, white = _quantiles(counts)
    total = luma.size
    return Tone(
        float(counts @ _LEVELS) / total,
        black,
        white,
        _between(dark, black, white),
        _between(middle, black, white),
        _between(bright, black, white),
        bright - dark,
        float(counts[: _END + 1].sum()) / total,
        float(counts[255 - _END :].sum()) / total,
        _vignetting(luma),
    )


def colour(sampled: Sample, counts: NDArray[np.int64]) -> Colour:
    """Measure the channel gains in all, among bright and among dark pixels, and how colourful it is.

    A white balance multiplies (bright and dark move in one ratio), a black level adds (only dark moves):
    hence both. Bright is the brightest fifth below clipping, dark the darkest fifth.
    """
    luma = sampled.luma
    channels = planes(sampled.thumbnail)
    blue, green, red, _ = cv2.mean(sampled.thumbnail)
    moments = _moments(channels, (blue, green, red))
    count = luma.size
    order = counts.cumsum()
    low, high = (int(np.searchsorted(order, share * count)) for share in (0.2, 0.8))
    bright_blue, bright_green, bright_red = _mean(sampled, cv2.inRange(luma, high, 249))
    dark_blue, dark_green, dark_red = _mean(sampled, cv2.inRange(luma, 0, low))
    most = np.asarray(cv2.max(cv2.max(channels[0], channels[1]), channels[2]))
    least = cv2.min(cv2.min(channels[0], channels[1]), channels[2])
    apart = moments[2, 2] + moments[0, 0] + 2 * moments[1, 1] - 2 * moments[1, 2] - 2 * moments[0, 1]
    both = moments[0, 0] * moments[2, 2]
    return Colour(
        math.log((red + 1) / (green + 1)),
        math.log((blue + 1) / (green + 1)),
        math.log((bright_red + 1) / (bright_green + 1)),
        math.log((bright_blue + 1) / (bright_green + 1)),
        dark_red - dark_green,
        dark_blue - dark_green,
        cv2.mean(cv2.divide(cv2.subtract(most, least), most + np.float32(1)))[0],
        math.sqrt(max(0.0, apart)),
        moments[0, 2] / math.sqrt(both) if both > 1e-6 else 1.0,
    )


def _moments(channels: Sequence[NDArray[np.float32]], means: Sequence[float]) -> dict[tuple[int, int], float]:
    """Return the covariance of each two channels."""
    flat = [channel.ravel() for channel in channels]
    return {
        (i, j): float(flat[i] @ flat[j]) / flat[i].size - means[i] * means[j]
        for i in range(3) for j in range(i, 3)
    }  # fmt: skip


def _quantiles(counts: NDArray[np.int64]) -> list[float]:
    """Place the five shares inside their bins, so that they move smoothly."""
    cumulative = counts.cumsum()
    wanted = _SHARES * cumulative[-1]
    bins = np.minimum(np.searchsorted(cumulative, wanted), 255)
    inside = (wanted - (cumulative[bins] - counts[bins])) / np.maximum(counts[bins], 1)
    placed: list[float] = (bins - 0.5 + inside).tolist()
    return placed


def _between(value: float, black: float, white: float) -> float:
    """Place a level between two others on the logit scale; half a DN keeps it finite."""
    above, below = max(value - black, 0.5), max(white - value, 0.5)
    return math.log(above / below)


def _vignetting(luma: NDArray[np.uint8]) -> float:
    """Compare the four corners with the centre: a lens darkens all four at once."""
    height, width = luma.shape
    y, x = max(1, height // 6), max(1, width // 6)
    ends = (slice(0, y), slice(height - y, None)), (slice(0, x), slice(width - x, None))
    corners = sum(cv2.mean(luma[rows, columns])[0] for rows in ends[0] for columns in ends[1]) / 4
    centre = cv2.mean(luma[height // 2 - y : height // 2 + y, width // 2 - x : width // 2 + x])[0]
    return math.log((corners + 1) / (centre + 1))


def _mean(sampled: Sample, chosen: Any) -> tuple[float, float, float]:
    """Average the chosen pixels; too few are not a number."""
    if cv2.countNonZero(chosen) < _LEAST * sampled.luma.size:
        return math.nan, math.nan, math.nan
    blue, green, red, _ = cv2.mean(sampled.thumbnail, mask=chosen)
    return blue, green, red
