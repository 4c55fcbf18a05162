"""Focus, sharpening and denoising: energy by scale, and the profile of the sharpest edges."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.image.sample import Sample, by_tile, difference, median

_FLAT = 1.5  # DN² of neighbour differences under which a tile holds hardly any structure
_REACH = 6  # pixels to either side of an edge
_SHARE = 6  # one row in this many gives the edge it is best at
_LEAST = 8  # edges under which their shape says nothing
_STEP = 16.0  # DN from one side to the other that make an edge
_TINY = 1e-3  # DN²; keeps the logarithm finite where nothing moves


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


def detail(sampled: Sample) -> Detail:
    """Measure energy at three lags, the median over tiles, and the edges.

    The ratios are those of the structure function: natural pictures keep them (their spectrum falls as one
    power of the frequency) while blur, sharpening, denoising and rescaling bend them. Tiles without
    structure are left out: there only noise would speak.
    """
    wide, side = sampled.wide, sampled.side
    across = [_energy(sampled.across, side)]
    down = [_energy(sampled.down, side, 1)]
    for lag in (2, 4):
        across.append(_energy(difference(wide[:, lag:], wide[:, :-lag]), side))
        down.append(_energy(difference(wide[lag:], wide[:-lag]), side, lag))
    fine = across[0] + down[0]
    structured = fine > 2 * _FLAT
    chosen = structured if structured.any() else np.ones(len(fine), dtype=np.bool_)
    both = [_log(across[i] + down[i])[chosen] for i in range(3)]
    width, overshoot = _edges(sampled)
    chroma, chroma_fine = _chroma(sampled, chosen, both[0])
    return Detail(
        median(both[0]),
        median(both[0] - both[1]),
        median(both[1] - both[2]),
        median((_log(across[0]) - _log(down[0]))[chosen]),
        chroma,
        chroma_fine,
        1.0 - float(structured.mean()),
        width,
        overshoot,
    )


def _energy(steps: NDArray[np.float32], side: int, lag: int = 0) -> NDArray[np.float64]:
    """Average the squares of each tile; those of steps along its rows lie in one piece."""
    if not lag:
        whole = steps.reshape(-1, side * steps.shape[1])
        energy: NDArray[np.float64] = np.vecdot(whole, whole).astype(np.float64) / whole.shape[1]
        return energy
    rows = np.vecdot(steps, steps)
    mean: NDArray[np.float64] = by_tile(rows, side, lag).mean(axis=1, dtype=np.float64) / steps.shape[1]
    return mean


def _log(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(energy + _TINY)


def _chroma(sampled: Sample, chosen: NDArray[np.bool_], luma: NDArray[np.float64]) -> tuple[float, float]:
    """Compare red minus blue with luma at lag 1, and with itself at lag 2; along the rows only."""
    half = sampled.colour[::2]  # every second row is plenty
    between = difference(half[:, :, 2].astype(np.float32), half[:, :, 0].astype(np.float32))
    near = _energy(difference(between[:, 1:], between[:, :-1]), sampled.side // 2)
    far = _energy(difference(between[:, 2:], between[:, :-2]), sampled.side // 2)
    if far.max() < 0.25:  # mono: there is no chroma to have detail
        return math.nan, math.nan
    return (
        median(_log(near)[chosen] - luma),
        median((_log(near) - _log(far))[chosen]),
    )


def _edges(sampled: Sample) -> tuple[float, float]:
    """Average the profiles of the steepest edges along rows: their 10-90 % width and their overshoot.

    Each row offers its steepest place; the steepest of those are turned to rise, and scaled by the levels
    six pixels off on either side. The median over edges keeps textures, which are no edges, from speaking.
    """
    rows = sampled.wide
    steps = difference(rows[:, _REACH + 1 : -_REACH + 1], rows[:, _REACH - 1 : -_REACH - 1])
    at = np.abs(steps).argmax(axis=1)
    height = steps[np.arange(len(rows)), at]
    steepest = np.argpartition(-np.abs(height), len(rows) // _SHARE)[: len(rows) // _SHARE]
    reach = np.arange(-_REACH, _REACH + 1)
    profiles = rows[steepest[:, None], (at[steepest] + _REACH)[:, None] + reach]
    profiles = profiles * np.sign(height[steepest])[:, None]
    low = (profiles[:, 0] + profiles[:, 1]) / 2
    step = (profiles[:, -2] + profiles[:, -1]) / 2 - low
    real = step > _STEP
    if np.count_nonzero(real) < _LEAST:
        return math.nan, math.nan
    scaled = (profiles[real] - low[real, None]) / step[real, None]
    shape = np.sort(scaled, axis=0)[len(scaled) // 2]
    beyond = scaled[:, _REACH + 1 : -2].max(axis=1) - 1.0
    before = -scaled[:, 2:_REACH].min(axis=1)
    overshoot = median(np.concatenate([beyond, before]))
    return _width(shape), overshoot


def _width(shape: NDArray[np.float64]) -> float:
    """Find where the mean edge passes 10 and 90 %, walking outwards from its middle, by interpolation."""
    middle = int(np.argmax(np.diff(shape)))
    high = next((i for i in range(middle + 1, len(shape)) if shape[i] >= 0.9), len(shape) - 1)
    low = next((i for i in range(middle, -1, -1) if shape[i] <= 0.1), 0)
    end = high - _part(shape[high] - 0.9, shape[high] - shape[high - 1])
    begin = low + _part(0.1 - shape[low], shape[min(low + 1, len(shape) - 1)] - shape[low])
    return float(end - begin)


def _part(above: float, step: float) -> float:
    """Return which part of one pixel's step lies beyond the level."""
    return min(1.0, max(0.0, above / step)) if step > 1e-6 else 0.0
