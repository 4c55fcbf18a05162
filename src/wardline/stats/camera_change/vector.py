"""A camera's statistics as a vector fit for comparison: logarithms where steps multiply, light put aside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wardline.stats.image import Statistics

Array = NDArray[np.float64]

_LIGHT = ("exposure", "contrast")
_LOGS = {
    "clipped_dark": 1e-3, "clipped_bright": 1e-3, "noise": 0.1, "noise_dark": 0.1, "noise_mid": 0.1,
    "noise_bright": 0.1, "hot_pixels": 20.0, "edge_width": 0.1,
}  # fmt: skip
"""Statistics that are compared by their logarithm, and what is added first."""

NAMES = tuple(name for name in Statistics._fields if name not in _LIGHT)
"""The statistics a camera's change is looked for in, in the order of every vector here."""

_PLACES = [Statistics._fields.index(name) for name in NAMES]
_LIT = [Statistics._fields.index(name) for name in _LIGHT]
_WHERE = [NAMES.index(name) for name in _LOGS]
_ADDED = np.array(list(_LOGS.values()))
_LIGHT_UNIT = np.array([20.0, 40.0])  # DN


def vectors(rows: NDArray[np.floating]) -> tuple[Array, Array]:
    """Part (n, statistics) into what is compared, (n, F), and the light it was taken in, (n, 2).

    >>> compared, light = vectors(np.ones((2, len(Statistics._fields))))
    >>> compared.shape == (2, len(NAMES)), light.shape
    (True, (2, 2))
    """
    table = np.asarray(rows, np.float64)
    compared = table[:, _PLACES]
    compared[:, _WHERE] = np.log(np.maximum(compared[:, _WHERE], 0.0) + _ADDED)
    return compared, table[:, _LIT] / _LIGHT_UNIT


def unlit(compared: Array, light: Array, slopes: Array) -> Array:
    """Take away what light explains; `slopes` are (2, F)."""
    return np.asarray(compared - light @ slopes, np.float64)


def slopes_of(compared: Array, light: Array, prior: Array, weight: float = 12.0) -> Array:
    """Fit how each statistic follows light, from steps between neighbours, drawn to the fleet's `prior`.

    Steps do not see a change of level, so a change among the frames is not taken for light. Ridge
    regression towards the prior (Hoerl & Kennard 1970), worth `weight` steps of typical size.
    """
    dy, dx = np.diff(compared, axis=0), np.diff(light, axis=0)
    bound = 4 * spread(dy)
    dy = np.clip(np.nan_to_num(dy - dx @ prior), -bound, bound)
    typical = np.maximum(np.mean(dx**2, axis=0), 1e-4) if len(dx) else np.ones(dx.shape[1])
    normal = dx.T @ dx + np.diag(weight * typical)
    fitted: Array = prior + np.linalg.solve(normal, dx.T @ dy)
    return fitted


def scales_of(residual: Array, floor: Array) -> Array:
    """Return each statistic's own unrest: the robust spread of steps between neighbours, over root two."""
    own: Array = np.maximum(spread(np.diff(residual, axis=0)) / np.sqrt(2.0), floor)
    return own


def calm(scale: Array, usual: Array) -> float:
    """Return how small slow nuisance is in units of this camera's unrest, 1 or less.

    Where every frame shows another scene units are wide, and weather moves less in them.
    """
    return float(np.clip(np.sqrt(np.median(usual / scale)), 0.3, 1.0))


def spread(steps: Array) -> Array:
    """Return 1.4826 times the median absolute value of each column, 0 where nothing is there."""
    if not len(steps):
        return np.zeros(steps.shape[1])
    ordered = np.sort(np.abs(steps), axis=0)  # nan sorts last
    counts = np.isfinite(steps).sum(axis=0)
    middle = ordered[np.maximum(counts - 1, 0) // 2, np.arange(steps.shape[1])]
    return np.asarray(np.where(counts > 0, 1.4826 * np.nan_to_num(middle), 0.0), np.float64)


def furthest(difference: Array, names: Sequence[str], most: int) -> list[tuple[str, float]]:
    """Name the places of a difference that lie furthest off, and by how much."""
    order = np.argsort(-np.abs(difference))[:most]
    return [(names[place], float(difference[place])) for place in order]
