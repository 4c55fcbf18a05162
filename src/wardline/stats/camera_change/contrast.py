"""Two stretches of frames against each other: is that a camera's change, and which one looks like it?"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Fleet(NamedTuple):
    """What many simulated cameras taught: how living scenes move, what changes look like.

    `models/camera/build.py` makes it.
    Statistics are in units of a camera's own unrest. `basis` (F, F) turns them into directions in which
    one frame's nuisance has variance 1 and slow nuisance variance `slow`. `signatures` (K, F) are changes,
    `kinds` their K names. For streams, where the light's two statistics stand behind the others, `still`
    (F + 2,) is how far the medians of neighbouring windows usually lie apart, `together` how such steps hang
    together, `quick` (Q, F + 2) the steps that changes make, in these units, and `quick_kinds` their names.
    The rest names causes: small networks over `classes`, `hidden` and `output` for folders, `stream_hidden`
    and `stream_output` for streams, with the steps (M, F + 2) that all changes make there, `moves`.
    """

    slopes: Array
    floor: Array
    usual: Array
    basis: Array
    slow: Array
    kinds: tuple[str, ...]
    signatures: Array
    still: Array
    together: Array
    quick_kinds: tuple[str, ...]
    quick: Array
    moves: Array
    classes: tuple[str, ...]
    hidden: Array
    output: Array
    stream_hidden: Array
    stream_output: Array
    limits: dict[str, float]


@cache
def fleet() -> Fleet:
    """Read what ships with the package."""
    held = json.loads(files("wardline.stats.camera_change").joinpath("fleet.json").read_text())
    names = ("kinds", "quick_kinds", "classes", "limits")
    fields: dict[str, Any] = {
        name: values if name == "limits" else tuple(values) if name in names else np.array(values, np.float64)
        for name, values in held.items()
    }
    return Fleet(**fields)


def scores(
    difference: Array, before: Array, after: Array, light: Array, known: Fleet, *, slow: float = 1.0
) -> Array:
    """Return how far each difference (P, F) stands out along each signature: (P, K), in standard deviations.

    A matched filter (Turin 1960): nuisance of a window of n frames has variance 1/n + `slow` in each
    direction of the basis, so that long windows do not take a change of weather for one of the camera.
    Where the light (P, 2) differs too, what light does is known less well, and variance grows with it.
    `before` and `after` (P,) are the windows' lengths; `slow` is the share of the fleet's slow nuisance
    that these units hold, see `vector.calm`.
    """
    seen = difference @ known.basis
    wanted = known.signatures @ known.basis
    unsure = 1.0 / before + 1.0 / after + known.limits["light"] * np.sum(light**2, axis=1)
    weight = 1.0 / (unsure[:, None] + slow * known.slow)
    found = (seen * weight) @ wanted.T
    length = np.sqrt(weight @ (wanted**2).T)
    return np.asarray(found / np.maximum(length, 1e-9), np.float64)


def named(difference: Array, frames: float, known: Fleet) -> list[tuple[str, float]]:
    """Name the causes of a folder's run (F,), in the camera's own unrest, the likeliest first."""
    given = np.concatenate([np.arcsinh(difference), [np.log(frames)]])
    return likeliest(given, known.classes, known.hidden, known.output)


def likeliest(
    given: Array, classes: tuple[str, ...], hidden: Array, output: Array
) -> list[tuple[str, float]]:
    """Ask a small network; biases are the last rows. Returns every class with its probability."""
    inner = np.concatenate([np.maximum(given @ hidden[:-1] + hidden[-1], 0.0), [1.0]])
    logits = inner @ output
    odds = np.exp(logits - logits.max())
    odds /= odds.sum()
    return [(classes[place], float(odds[place])) for place in np.argsort(-odds)]
