"""Focus, sharpening and denoising: energy by scale, and the profile of the sharpest edges."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.image.sample import LAGS, Matrix, Sample, middles

_FLAT = 1.5  # DN² of neighbour differences under which a tile holds hardly any structure
_REACH = 6  # pixels to either side of an edge
_SHARE = 6  # one row in this many gives the edge it is best at
_ROWS = 288  # looked at, about
_LEAST = 8  # edges under which their shape says nothing
_FEW, _ONE = 3, 0.8  # of more tiles than so few, the share of edges in one of them that is too much
_STEP = 16.0  # DN from one side to the other that make an edge
_TINY = 1e-3  # DN²; keeps the logarithm finite where nothing moves
_REACHED = np.arange(1 - _REACH, _REACH + 2)[:, None]
_COLOURED = 0.25  # DN²; below this chroma is rounding


# What is asked of the logs of: both ways at lags 1, 2 and 4, across and down at 1, chroma at 1 and 2.
_RATIOS = np.array(
    [
        [1, 0, 0, 0, 0, 0, 0],
        [1, -1, 0, 0, 0, 0, 0],
        [0, 1, -1, 0, 0, 0, 0],
        [0, 0, 0, 1, -1, 0, 0],
        [-1, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1, -1],
    ],
    np.float32,
)


class Detail(NamedTuple):
    """Structure by scale; the units are those of `Statistics`."""

    detail: float
    detail_fine: float
    detail_mid: float
    detail_axis: float
    detail_chroma: float
    detail_chroma_fine: float
    flat: float
    edge_width: float
    overshoot: float


def detail(sampled: Sample, steps: Matrix) -> Detail:
    """Measure energy at three lags, the median over tiles, and the edges.

    The ratios are those of the structure function: natural pictures keep them (their spectrum falls as one
    power of the frequency) while blur, sharpening, denoising and rescaling bend them. Tiles without
    structure are left out: there only noise would speak. `steps` are those of `sample.steps_of`.
    """
    side = sampled.side
    whole = steps[1:].reshape(6, -1, side * side)
    energies = np.vecdot(whole, whole) / np.float32(side * (side - LAGS))
    both = energies[::2] + energies[1::2]
    chroma = _chroma(sampled)
    structured = both[0] > 2 * _FLAT
    count = int(np.count_nonzero(structured))
    every = np.concatenate([both, energies[:2], chroma])
    if 0 < count < len(structured):
        every = every[:, structured]
    level, fine, mid, axis, colour, colour_fine = middles(_RATIOS @ np.log(every + _TINY))
    if chroma[1].max() < _COLOURED:  # mono: there is no chroma to have detail
        colour = colour_fine = math.nan
    return Detail(
        level,
        fine,
        mid,
        axis,
        colour,
        colour_fine,
        1.0 - count / len(structured),
        *_edges(sampled.wide, steps[3]),
    )


def _chroma(sampled: Sample) -> Matrix:
    """Return the energy of red minus blue at lags 1 and 2, (2, tiles); along every second row is plenty."""
    side = sampled.side
    half = sampled.colour[::2].astype(np.float32).reshape(-1)
    between = half[2::3] - half[::3]
    steps = np.empty((2, len(between)), np.float32)
    np.subtract(between[1:], between[:-1], out=steps[0, :-1])
    np.subtract(between[2:], between[:-2], out=steps[1, :-2])
    steps.reshape(2, -1, side)[:, :, -2:] = 0.0
    squared = steps.reshape(2, -1, side // 2 * side)
    energies: Matrix = np.vecdot(squared, squared) / np.float32(side // 2 * (side - 2))
    return energies


def _edges(wide: Matrix, steps: Matrix) -> tuple[float, float]:
    """Average the profiles of the steepest edges along rows: their 10-90 % width and their overshoot.

    Each row offers its steepest place by `steps` over two pixels; the steepest of those are turned to rise,
    and scaled by the levels six pixels off on either side. The median over edges keeps textures, which are
    no edges, from speaking. Where nearly all lie in one tile, one thing's shape would speak: NaN.
    """
    rows, side = wide.shape
    every = max(1, rows // _ROWS)
    inner = np.abs(steps[::every, _REACH - 1 : side - _REACH - 1])
    places = _starts(rows, side, every) + inner.argmax(axis=1)  # of the pixel before the edge's middle one
    height = steps.reshape(-1)[places]
    steepest = (-np.abs(height)).argpartition(len(height) // _SHARE)[: len(height) // _SHARE]
    profiles = wide.reshape(-1)[places[steepest] + _REACHED] * np.sign(height[steepest])
    low = (profiles[0] + profiles[1]) / 2
    step = (profiles[-2] + profiles[-1]) / 2 - low
    real = step > _STEP
    count, tiles = int(np.count_nonzero(real)), rows // side
    if count < _LEAST:
        return math.nan, math.nan
    fullest = int(np.bincount(places[steepest[real]] // (side * side)).max())
    if tiles > _FEW and fullest > _ONE * count:
        return math.nan, math.nan
    scaled = (profiles[:, real] - low[real]) / step[real]
    beyond = scaled[_REACH + 1 : -2].max(axis=0) - 1.0
    before = -scaled[2:_REACH].min(axis=0)
    scaled.sort(axis=1)
    return _width(scaled[:, count // 2].tolist()), middles(np.concatenate([beyond, before])[None])[0]


@lru_cache(8)
def _starts(rows: int, side: int, every: int) -> NDArray[np.intp]:
    return np.arange(0, rows, every) * side + _REACH - 1


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
