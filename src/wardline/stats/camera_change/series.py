"""Where in a series of frames did the camera change? The whole of it is at hand: for folders, not streams."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.camera_change.contrast import Array, Fleet, fleet, named, scores
from wardline.stats.camera_change.vector import NAMES, calm, scales_of, slopes_of, unlit, vectors

LEAST = 4
"""Frames under which a run is too short to be told from a passer-by."""

FEWEST = 12
"""Frames under which nothing is said about a series."""

_F = len(NAMES)
BOUND = 10.0
"""Units of unrest beyond which a value says no more: one odd statistic shall not outweigh all others."""

OUTDOORS = ("optics.dirt", "isp.tone", "isp.black_level", "geometry.view", "light.night", "scene.season")
"""Changes that weather and light imitate: they must be this much less likely by chance."""

WEATHER = 0.1

LEVEL = 0.015
"""The chance of any event in a folder of an unchanged camera."""

_LOCAL = 10  # frames on either side of a boundary: a step is seen there too, a season is not
_GRID = 48  # boundaries tried at first; the best is then moved frame by frame
_MOST = 8  # runs that are told


class Run(NamedTuple):
    """Frames `start` to `stop` (exclusive) that differ from the rest; the start lies in `within` (inclusive).

    `score` is in standard deviations along the best signature, `p_value` the share of clean series of this
    length with as high a score. `difference` is by statistic (`vector.NAMES`), in units of the camera's own
    unrest. `causes` are the likeliest first, with their probabilities.
    """

    start: int
    stop: int
    within: tuple[int, int]
    score: float
    p_value: float
    difference: Array
    causes: list[tuple[str, float]]


def runs(
    rows: NDArray[np.floating], first: int = 0, known: Fleet | None = None, *, level: float = LEVEL
) -> list[Run]:
    """Find the runs that differ: rows are (n, statistics); the first `first` of them are held to be normal.

    Without such a reference what most frames show is normal, and a run is at most half of them. Circular
    binary segmentation (Olshen et al. 2004) over matched filters; a run must stand out from all the rest and
    from its own neighbours. On clean series of a living scene at most a share `level` has any run. Too short
    a series has none: see `FEWEST`.
    """
    known = known or fleet()
    if len(rows) < FEWEST:
        return []
    values, slow = standardised(rows, known)
    left, found = np.arange(len(rows)), list[Run]()
    while len(found) < _MOST and len(left) >= FEWEST:
        best = _best(values[left], int(np.searchsorted(left, first)), known, slow)
        if best is None:
            break
        start, stop, score = best
        p_value = chance(score, len(rows), known)
        run = _told(values[left], left, (start, stop), (score, p_value), known)
        if p_value > (level * WEATHER if run.causes[0][0] in OUTDOORS else level):
            break
        found.append(run)
        left = np.delete(left, slice(start, stop))
    return sorted(found, key=lambda run: run.start)


def held(
    rows: NDArray[np.floating],
    start: int,
    stop: int,
    known: Fleet | None = None,
    *,
    level: float = LEVEL,
) -> Run | None:
    """Judge a run whose place is known already, from its frames' headers; `None`: pixels show nothing."""
    known = known or fleet()
    n = len(rows)
    if n < FEWEST or stop - start < LEAST or n - (stop - start) < LEAST:
        return None
    values, slow = standardised(rows, known)
    sums = np.vstack([np.zeros(values.shape[1]), values.cumsum(axis=0)])
    score = float(_scored(sums, np.array([[start, stop]]), n, known, slow)[0])
    p_value = chance(score, n, known)
    if p_value > level:
        return None
    told = _told(values, np.arange(n), (start, stop), (score, p_value), known)
    return told._replace(within=(start, start))


def standardised(rows: NDArray[np.floating], known: Fleet) -> tuple[Array, float]:
    """Take light away and divide by the camera's own unrest; single odd frames are smoothed away.

    The light itself stands in the last two columns. The second is `vector.calm` of this camera.
    """
    compared, light = vectors(rows)
    residual = unlit(compared, light, slopes_of(compared, light, known.slopes))
    scale = scales_of(residual, known.floor)
    middle = np.nanmedian(np.where(np.isfinite(residual).any(axis=0), residual, 0.0), axis=0)
    values = np.clip(np.nan_to_num((residual - middle) / scale), -BOUND, BOUND)
    values = np.hstack([values, np.nan_to_num(light)])
    before, after = np.vstack([values[:1], values[:-1]]), np.vstack([values[1:], values[-1:]])
    return np.asarray(np.median([before, values, after], axis=0)), calm(scale, known.usual)


def chance(score: float, frames: int, known: Fleet) -> float:
    """Return the share of clean series of so many frames whose highest score is at least this one."""
    limits, longer = known.limits, frames / 48.0
    at = limits["series_at"] + limits["series_by_log"] * math.log(longer)
    width = limits["series_width"] * longer ** limits["series_power"]
    return min(1.0, 0.5 * math.exp(-(score - at) / width))


def _best(values: Array, first: int, known: Fleet, slow: float) -> tuple[int, int, float] | None:
    """Find the run with the highest score: on a grid, then frame by frame around it."""
    n = len(values)
    sums = np.vstack([np.zeros(values.shape[1]), values.cumsum(axis=0)])
    grid = np.unique(np.linspace(first, n, min(n - first, _GRID) + 1).round().astype(int))
    pairs = _pairs(grid, grid, n, first)
    best = None
    step = max(1, math.ceil((n - first) / _GRID))
    for _ in range(3):
        if not len(pairs):
            return best
        found = _scored(sums, pairs, n, known, slow)
        place = int(found.argmax())
        start, stop = (int(each) for each in pairs[place])
        best = (start, stop, float(found[place]))
        around = np.arange(-step, step + 1)
        pairs = _pairs(np.clip(start + around, first, n), np.clip(stop + around, first, n), n, first)
    return best


def _pairs(starts: Array, stops: Array, n: int, first: int) -> NDArray[np.intp]:
    """List (start, stop) of the runs that may be told."""
    every = np.array(np.meshgrid(np.unique(starts), np.unique(stops))).reshape(2, -1).T.astype(np.intp)
    length = every[:, 1] - every[:, 0]
    longest = n - max(first, LEAST) if first else n // 2
    good = (length >= LEAST) & (length <= longest) & ((every[:, 0] > 0) | (2 * length < n) | (first > 0))
    good &= (every[:, 0] >= LEAST) | (every[:, 0] == 0) | (first > 0)
    good &= (every[:, 1] == n) | (n - every[:, 1] >= LEAST)
    return every[good]


def _scored(sums: Array, pairs: NDArray[np.intp], n: int, known: Fleet, slow: float) -> Array:
    """Score each run against the rest, and against its neighbours; the less of both counts."""
    start, stop = pairs.T
    inside, length = sums[stop] - sums[start], (stop - start).astype(float)
    whole = inside / length[:, None] - (sums[n] - inside) / (n - length)[:, None]
    far = scores(whole[:, :_F], n - length, length, whole[:, _F:], known, slow=slow)
    near = np.full_like(far, np.inf)
    for here, there in ((start, True), (stop, False)):
        edge = (here > 0) & (here < n)
        low, high = (
            np.maximum(here - _LOCAL, 0 if there else start),
            np.minimum(here + _LOCAL, stop if there else n),
        )
        first, second = np.maximum(here - low, 1), np.maximum(high - here, 1)
        step = (sums[high] - sums[here]) / second[:, None] - (sums[here] - sums[low]) / first[:, None]
        step = step if there else -step
        local = scores(
            step[:, :_F], first.astype(float), second.astype(float), step[:, _F:], known, slow=slow
        )
        near = np.where(edge[:, None], np.minimum(near, local), near)
    return np.asarray(np.minimum(far, near * known.limits["local"]).max(axis=1))


def _told(
    values: Array, places: NDArray[np.intp], run: tuple[int, int], how: tuple[float, float], known: Fleet
) -> Run:
    """Describe a run: where its start may lie, how it differs, and what that looks like."""
    (start, stop), values = run, values[:, :_F]
    rest = np.delete(values, slice(start, stop), axis=0)
    difference = values[start:stop].mean(axis=0) - rest.mean(axis=0)
    low, high = (int(places[place]) for place in _interval(values, start, stop, difference, known))
    causes = named(difference, float(min(stop - start, 96)), known)
    return Run(int(places[start]), int(places[stop - 1]) + 1, (low, high), *how, difference, causes)


def _interval(values: Array, start: int, stop: int, difference: Array, known: Fleet) -> tuple[int, int]:
    """Move the start while the frames passed over look halfway like either side: a likelihood interval."""
    towards = known.basis @ (known.basis.T @ difference)
    projected = values @ towards / max(float(difference @ towards), 1e-9)
    level = projected[start:stop].mean() - 0.5
    gain = projected - level
    strength = max(float(difference @ towards), 1e-9)
    low = start
    while (
        low > 0
        and abs(gain[low:start].sum() if low < start else 0.0) * strength < 2.0
        and start - low < _LOCAL
    ):
        low -= 1
    high = start
    while high < stop - 1 and abs(gain[start : high + 1].sum()) * strength < 2.0 and high - start < _LOCAL:
        high += 1
    return max(low, 0), min(high, stop - 1)
