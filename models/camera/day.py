"""Teach what a change is named by once a whole day of it was seen.

    python -m models.camera.day DAY_AFTER.npz STREAMS.npz

reads simulated days (`models.camera.day_after`) and, for more examples, streams (`models.camera.streams`),
and writes `src/wardline/stats/camera_change/day.json`. Figures printed are of cameras left out.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from models.camera.streams import CAUSES, Stream, folds, read
from wardline.stats.camera_change.day import Nets, named, shown
from wardline.stats.camera_change.hours import MONO
from wardline.stats.camera_change.template import DAILY, Template, toned
from wardline.stats.image import Statistics

OUT = Path("src/wardline/stats/camera_change/day.json")
Array = NDArray[np.float64]
_NETS = 4
_HIDDEN = 48
_ROUNDS = 60  # stopped before it has learned the examples by heart
_REPEATS, _FEWER = 6, 2
_FRAMES = 4  # of a stream in a slot
_LEAST = 0.02  # of a unit: what is mostly nought shall not shout when it is not
_CHROMA = Statistics._fields.index("chroma")


class Days(NamedTuple):
    """One camera: its slots after changes, held to its days before, (causes, sizes, n, A), NaN: no colour.

    `spread` (A,) is how far its slots usually lie from those of other days.
    """

    camera: str
    apart: Array
    spread: Array


def days(each: Stream, frames: int = 1) -> Days:
    """Learn a camera's days, so many frames a slot; hold the slots after each change to them."""
    template = Template()
    clean, after = _slots(each.clean, frames), _slots(each.after, frames)
    for slot, row in enumerate(toned(clean)):
        template.close(slot, row)
    slots = np.arange(after.shape[2]) + len(clean)
    apart = np.array([template.apart(slots, toned(rows)) for rows in after.reshape(-1, *after.shape[2:])])
    apart = apart.reshape(*after.shape[:3], len(DAILY))
    apart[after[..., _CHROMA] < MONO] = np.nan
    return Days(each.camera, apart, template.spread)


def _slots(rows: NDArray[np.floating], frames: int) -> Array:
    """Average so many frames each of (..., n, F)."""
    parts = rows.reshape(*rows.shape[:-2], -1, frames, rows.shape[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what no frame of a slot measured is NaN
        return np.asarray(np.nanmean(parts, axis=-2), np.float64)


def drawn(each: Days, start: int, count: int) -> tuple[Array, NDArray[np.bool_]]:
    """Average so many slots of every change: (causes * sizes, A), and whether they show no colour."""
    part = each.apart[:, :, start : start + count].reshape(-1, count, len(DAILY))
    good = np.isfinite(part).all(axis=2)
    sums = np.where(good[..., None], part, 0.0).sum(axis=1)
    return sums / np.maximum(good.sum(axis=1), 1)[:, None], good.mean(axis=1) < 0.1


def taught(every: list[Days], more: list[Days]) -> Nets:
    """Fit the networks to every change by these cameras, over all they have after it and parts of that."""
    unit = np.maximum(np.median([each.spread for each in every], axis=0), _LEAST)
    rng = np.random.default_rng(5)
    X, y = list[Array](), list[NDArray[np.intp]]()
    for each, repeats in [*((each, _REPEATS) for each in every), *((each, _FEWER) for each in more)]:
        most = each.apart.shape[2]
        for turn in range(repeats):
            count = int(rng.integers(most * 2 // 3, most + 1)) if turn else most
            apart, dull = drawn(each, int(rng.integers(0, most + 1 - count)), count)
            X.append(shown(apart, each.spread, dull, unit))
            y.append(np.repeat(np.arange(len(CAUSES)), each.apart.shape[1]))
    examples = np.concatenate(X), np.concatenate(y)
    hidden, output = zip(*(_net(*examples, seed) for seed in range(_NETS)), strict=True)
    return Nets(CAUSES, unit, np.array(hidden), np.array(output))


def _net(X: Array, y: NDArray[np.intp], seed: int) -> tuple[Array, Array]:
    """Fit one; the scaling of what it is given goes into its first layer."""
    scaler = StandardScaler().fit(X)
    fitted = MLPClassifier(
        (_HIDDEN,), alpha=1.0, max_iter=_ROUNDS, random_state=seed, learning_rate_init=2e-3
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit(scaler.transform(X), y)
    first, output = (
        np.vstack([weights, bias]) for weights, bias in zip(fitted.coefs_, fitted.intercepts_, strict=True)
    )
    weights = first[:-1] / scaler.scale_[:, None]
    return np.vstack([weights, first[-1] - scaler.mean_ @ weights]), output


class Naming(NamedTuple):
    """One change of a camera left out: its cause and size, and what it was named."""

    cause: str
    size: int
    causes: list[tuple[str, float]]


def crossed(every: list[Stream], streams: Sequence[Stream] = ()) -> list[Naming]:
    """Name every change of every camera by what the other cameras taught."""
    seen = {id(each): days(each) for each in every}
    more = [days(each, _FRAMES) for each in streams]
    found = []
    for others, left in folds(every):
        names = {each.camera for each in others}
        known = taught([seen[id(each)] for each in others], [each for each in more if each.camera in names])
        for each in (seen[id(each)] for each in left):
            apart, dull = drawn(each, 0, each.apart.shape[2])
            sizes = each.apart.shape[1]
            for place, row in enumerate(apart):
                causes = named(row, each.spread, known, dull=bool(dull[place]))
                found.append(Naming(CAUSES[place // sizes], place % sizes, causes))
    return found


def main() -> None:
    every, streams = (read(Path(each)) for each in sys.argv[1:3])
    found = crossed(every, streams)
    right = np.mean([each.causes[0][0] == each.cause for each in found])
    print(f"cause named right from a day, medium and large, cameras left out: {right:.3f}")
    known = taught([days(each) for each in every], [days(each, _FRAMES) for each in streams])
    tree = {name: _rounded(value) for name, value in known._asdict().items() if isinstance(value, np.ndarray)}
    OUT.write_text(json.dumps({"classes": known.classes, **tree}) + "\n")


def _rounded(value: NDArray[np.float64]) -> object:
    return [_rounded(each) for each in value] if value.ndim > 1 else [float(f"{each:.4g}") for each in value]


if __name__ == "__main__":
    main()
