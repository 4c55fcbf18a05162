"""Focus, sharpening and denoising: energy by scale, and the profile of the sharpest edges."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.image.sample import CHROMA, LAGS, Matrix, Sample, inner_means

_FLAT = 1.5  # DN² of neighbour differences under which a tile holds hardly any structure
_REACH = 6  # pixels to either side of an edge
_EVERY, _SHARE = 2, 3  # of so many rows one is looked at; one in so many of these gives its edge
_LEAST = 8  # edges under which their shape says nothing
_FEW, _ONE = 3, 0.8  # of more tiles than so few, the share of edges in one of them that is too much
_STEP = 16.0  # DN from one side to the other that make an edge
_TINY = 1e-3  # DN²; keeps the logarithm finite where nothing moves
_REACHED = np.arange(1 - _REACH, _REACH + 2)[:, None]
_ENDS = np.zeros((2, len(_REACHED)), np.float32)
_ENDS[0, :2] = _ENDS[1, -2:] = 0.5  # the levels on either side of an edge
_COLOURED = 0.25  # DN²; below this chroma is rounding


# What is asked of the logs of energy both ways at lags 4, 2 and 1, of the second difference, across and down
# at 1, of chroma at 1 and 2, and of the mean size of steps across at 1.
_RATIOS = np.array(
    [
        [0, 0, 1, 0, 0, 0, 0, 0, 0],
        [0, -1, 1, 0, 0, 0, 0, 0, 0],
        [-1, 1, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, -1, 0, 0, 0],
        [0, 0, 0, 1, -1, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0, 0, -2],
        [0, 0, -1, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1, -1, 0],
    ],
    np.float32,
)


class Detail(NamedTuple):
    """Structure by scale; the units are those of `Statistics`."""

    detail: float
    detail_fine: float
    detail_mid: float
    detail_axis: float
    detail_bend: float
    detail_tail: float
    detail_chroma: float
    detail_chroma_fine: float
    flat: float
    edge_width: float
    overshoot: float


def detail(sampled: Sample, steps: Matrix, sizes: Matrix) -> Detail:
    """Measure energy at three lags, the median over tiles, and the edges.

    The ratios are those of the structure function: natural pictures keep them (their spectrum falls as one
    power of the frequency) while blur, sharpening, denoising and rescaling bend them. Tiles without
    structure are left out: there only noise would speak. `steps` are those of `sample.steps_of`, `sizes` the
    first three of them without their signs.
    """
    rows, side, tall = len(sampled.grey), sampled.side, sampled.tall
    tiles = rows // tall
    luma, colour = steps[:, :rows].reshape(7, tiles, -1), steps[4:6, rows:].reshape(2, tiles, -1)
    means = sizes[2].reshape(tiles, -1) @ _ones(tall * side)
    energies = np.vecdot(luma, luma)
    both = energies[:3] + energies[:3:-1]
    each = np.concatenate([both, energies[3:5], energies[2:3], np.vecdot(colour, colour), means[None]])
    each /= _counts(tall, side)
    structured = each[2] > _FLAT
    count = int(np.count_nonzero(structured))
    mono = max(each[6].tolist()) < _COLOURED
    if 0 < count < tiles:
        each = each[:, structured]
    level, fine, mid, axis, bend, tail, chroma, chroma_fine = inner_means(_RATIOS @ np.log(each + _TINY))
    if mono:  # there is no chroma to have detail
        chroma = chroma_fine = math.nan
    return Detail(
        level,
        fine,
        mid,
        axis,
        bend,
        tail,
        chroma,
        chroma_fine,
        1.0 - count / tiles,
        *_edges(sampled, steps[5]),
    )


@lru_cache(8)
def _ones(count: int) -> Matrix:
    return np.ones(count, np.float32)


@lru_cache(8)
def _counts(tall: int, side: int) -> Matrix:
    """Return how many steps each sum of a tile is of."""
    across, down = tall * (side - LAGS), (tall - LAGS) * side
    both = across + down
    counts = both, both, both, across, across, down, across // CHROMA, across // CHROMA, across
    return np.array(counts, np.float32)[:, None]


def _edges(sampled: Sample, steps: Matrix) -> tuple[float, float]:
    """Average the profiles of the steepest edges along rows: their 10-90 % width and their overshoot.

    Each row offers its steepest place by `steps` over two pixels; the steepest of those are turned to rise,
    and scaled by the levels six pixels off on either side. The median over edges keeps textures, which are
    no edges, from speaking. Where nearly all lie in one tile, one thing's shape would speak: NaN.
    """
    wide, side, rows = sampled.wide, sampled.side, len(sampled.grey)
    inner = np.abs(steps[:rows:_EVERY, _REACH - 1 : side - _REACH - 1])
    places = _starts(rows, side) + inner.argmax(axis=1)  # of the pixel before the edge's middle one
    height = steps.reshape(-1)[places]
    count = len(height) // _SHARE
    steepest = np.abs(height).argpartition(-count)[-count:]
    places, height = places[steepest], height[steepest]
    profiles = wide.reshape(-1)[places + _REACHED] * np.sign(height)
    low, high = _ENDS @ profiles
    step = high - low
    real = step > _STEP
    count, tiles = int(np.count_nonzero(real)), rows // sampled.tall
    if count < _LEAST:
        return math.nan, math.nan
    if count < len(step):
        places, profiles, low, step = places[real], profiles[:, real], low[real], step[real]
    if tiles > _FEW and int(np.bincount(places // (sampled.tall * side)).max()) > _ONE * count:
        return math.nan, math.nan
    scaled = (profiles - low) / step
    beyond = (scaled[_REACH + 1 : -2].max(axis=0) - 1.0).tolist()
    before = (-scaled[2:_REACH].min(axis=0)).tolist()
    scaled.sort(axis=1)
    over = sorted(beyond + before)
    return _width(scaled[:, count // 2].tolist()), (over[count - 1] + over[count]) / 2


@lru_cache(8)
def _starts(rows: int, side: int) -> NDArray[np.intp]:
    return np.arange(0, rows, _EVERY) * side + _REACH - 1


def _width(shape: list[float]) -> float:
    """Find where the mean edge passes 10 and 90 %, walking outwards from its middle, by interpolation."""
    last = len(shape) - 1
    middle = max(range(last), key=lambda i: shape[i + 1] - shape[i])
    high = next((i for i in range(middle + 1, last + 1) if shape[i] >= 0.9), last)
    low = next((i for i in range(middle, -1, -1) if shape[i] <= 0.1), 0)
    end = high - _part(shape[high] - 0.9, shape[high] - shape[high - 1])
    begin = low + _part(0.1 - shape[low], shape[min(low + 1, last)] - shape[low])
    return end - begin


def _part(above: float, step: float) -> float:
    """Return which part of one pixel's step lies beyond the level."""
    return min(1.0, max(0.0, above / step)) if step > 1e-6 else 0.0
