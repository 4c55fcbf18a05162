"""What a change in a stream is named by: where it lies among the changes a camera can make."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wardline.stats.camera_change.contrast import Fleet, likeliest

Array = NDArray[np.float64]

_STEP = 8.0
"""Usual steps beyond which one statistic says no more about the cause."""


def signs(differences: Array, usual: Array, together: Array, frames: float, known: Fleet) -> Array:
    """Describe differences (P, F), in the fleet's steps, for the network that names them: (P, inputs).

    How far each statistic moved; the same with what this camera's scene moves together taken out (whitened
    by `together`, in its `usual` steps, Kessy et al. 2018); how loud each known change is in that, and what
    share of the whole it explains; and how many frames there were. What the weather does is the first thing
    that two cameras do not share, so a cause is looked for across it.
    """
    steps = np.clip(differences / usual, -_STEP, _STEP)
    values, axes = np.linalg.eigh(together)
    root = (axes / np.sqrt(values)) @ axes.T
    white = steps @ root
    moves = (known.moves / usual) @ root
    along = white @ (moves / np.maximum(np.linalg.norm(moves, axis=1), 1e-9)[:, None]).T
    whole = np.linalg.norm(white, axis=1)[:, None]
    length = np.full((len(differences), 1), np.log(frames))
    given = (
        np.arcsinh(differences), np.arcsinh(white), np.arcsinh(along), np.arcsinh(whole),
        along / np.maximum(whole, 1e-6), length,
    )  # fmt: skip
    return np.hstack(given)


def causes(
    difference: Array, usual: Array, together: Array, frames: float, known: Fleet
) -> list[tuple[str, float]]:
    """Name the causes of one difference (F,) by their probability, the likeliest first."""
    given = signs(difference[None], usual, together, frames, known)[0]
    return likeliest(given, known.classes, known.stream_hidden, known.stream_output)
