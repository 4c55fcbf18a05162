"""Exposure, tone curve, black level, vignetting, channel gains and saturation, from the thumbnail."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wardline.stats.image.sample import Matrix, Sample

_MIDDLE = 128.0  # DN
_SHARES = 0.005, 0.1, 0.5, 0.9, 0.995
_TINY = 1e-9
_END = 2  # DN from either end of the scale that count as clipped
_LEAST = 0.01  # share of the picture under which bright or dark pixels say nothing of colour
_UNCLIPPED = 249
_LEVELS = np.arange(256, dtype=np.float32)


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


def tone(sampled: Sample) -> tuple[Tone, int, int]:
    """Measure exposure and the shape of the tone curve; return where the darkest fifth ends and the
    brightest begins too.

    Black and white are the outer 0.5 %; between them the deciles and the median are placed on a logit
    scale, where a gamma moves all three alike, a contrast curve moves the outer two apart, and a plain
    gain or offset moves none.
    """
    total = sampled.luma.size
    counted = np.asarray(cv2.calcHist([sampled.luma], [0], None, [256], [0, 256])).reshape(-1)
    order: list[float] = counted.cumsum().tolist()
    black, dark, middle, bright, white = (_quantile(order, share * total) for share in _SHARES)
    found = Tone(
        float(counted @ _LEVELS) / total,
        black,
        white,
        _between(dark, black, white),
        _between(middle, black, white),
        _between(bright, black, white),
        bright - dark,
        order[_END] / total,
        1.0 - order[254 - _END] / total,
        _vignetting(sampled.luma),
    )
    return found, bisect_left(order, 0.2 * total), bisect_left(order, 0.8 * total)


def _quantile(order: list[float], share: float) -> float:
    """Place a share inside its level, so that it moves smoothly."""
    level = min(bisect_left(order, share), 255)
    below = order[level - 1] if level else 0.0
    return level - 0.5 + (share - below) / max(order[level] - below, _TINY)


def colour(sampled: Sample, dark: int, bright: int) -> Colour:
    """Measure the channel gains in all, among bright and among dark pixels, and how colourful it is.

    A white balance multiplies (bright and dark move in one ratio), a black level adds (only dark moves):
    hence both. `dark` and `bright` bound their luma. Every third row is plenty for means.
    """
    luma, seen = sampled.luma[::3].reshape(-1), sampled.thumbnail[::3]
    rows = np.empty((7, luma.size), np.float32)
    rows[:3] = seen.reshape(-1, 3).T
    blue, green, red = rows[:3]
    most, least = np.maximum(blue, green), np.minimum(blue, green)
    np.maximum(most, red, out=most)
    np.subtract(most, np.minimum(least, red, out=least), out=least)
    most += 1.0
    np.divide(least, most, out=rows[6])  # saturation
    blue -= green
    red -= green
    green -= _MIDDLE
    rows[3] = 1.0
    np.less_equal(luma, dark, out=rows[5])
    np.less_equal(luma - np.uint8(bright), _UNCLIPPED - bright, out=rows[4])  # what is darker wraps round
    # Of products of each two, over all; of the first three over bright and dark pixels; of saturation.
    sums = (rows[:4] @ rows.T).tolist()
    count, fewest = luma.size, _LEAST * luma.size
    *_, lit, unlit, saturation = sums[3]
    dark_blue, _, dark_red = (each[5] / max(unlit, 1.0) for each in sums[:3])
    return Colour(
        *_ratios([each[3] for each in sums[:3]], count, 0),
        *_ratios([each[4] for each in sums[:3]], lit, fewest),
        dark_red if unlit > fewest else math.nan,
        dark_blue if unlit > fewest else math.nan,
        saturation / count,
        *_together(sums, count),
    )


def _ratios(sums: list[float], count: float, least: float) -> tuple[float, float]:
    """Return the logs of red's and blue's means over green's; too few pixels are not a number."""
    if count <= least:
        return math.nan, math.nan
    blue, green, red = sums
    green += (_MIDDLE + 1) * count
    return math.log((red + green) / green), math.log((blue + green) / green)


def _together(sums: list[list[float]], count: int) -> tuple[float, float]:
    """Return how far red and blue spread about green, and how red and blue go together."""
    blue, green, red = ([each / count for each in row[:4]] for row in sums[:3])
    (bb, bg, br, b), (_, gg, rg, g), (_, _, rr, r) = blue, green, red
    bb, gg, rr, bg, rg, br = bb - b * b, gg - g * g, rr - r * r, bg - b * g, rg - r * g, br - b * r
    both = max(0.0, rr + gg + 2 * rg) * max(0.0, bb + gg + 2 * bg)
    return math.sqrt(max(0.0, rr + bb)), (br + rg + bg + gg) / math.sqrt(both) if both > 1e-6 else 1.0


def _between(value: float, black: float, white: float) -> float:
    """Place a level between two others on the logit scale; half a DN keeps it finite."""
    above, below = max(value - black, 0.5), max(white - value, 0.5)
    return math.log(above / below)


def _vignetting(luma: NDArray[np.uint8]) -> float:
    """Compare the four corners with the centre: a lens darkens all four at once."""
    rows, columns = (_ends(length) for length in luma.shape)
    corners, centre = np.vecdot(rows @ luma.astype(np.float32), columns).tolist()
    return math.log((corners + 1) / (centre + 1))


@lru_cache(64)
def _ends(length: int) -> Matrix:
    """Return the weights, (2, length), that average the outer sixths and the inner third."""
    part = max(1, length // 6)
    weights = np.zeros((2, length), np.float32)
    weights[0, :part] = weights[0, length - part :] = 0.5 / part
    weights[1, length // 2 - part : length // 2 + part] = 0.5 / part
    return weights
