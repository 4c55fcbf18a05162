"""Teach the camera detector: how living scenes move, what each change looks like, and how to name it.

    python -m models.camera.build DATA [STREAMS.npz [DAY_AFTER.npz]]

simulates every camera over the real pictures under DATA (or reads what `models.camera.streams` and
`models.camera.day_after` made before), and writes `src/wardline/stats/camera_change/fleet.json`. Seeded.
Figures printed are of cameras left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.neural_network import MLPClassifier

from models.camera import causes, day_after, named, streams
from models.camera.causes import BOTH
from models.camera.quick import JUDGED, crossed, quick, tail
from models.camera.streams import CAUSES, Stream
from wardline.stats.camera_change.contrast import Fleet
from wardline.stats.camera_change.series import BOUND
from wardline.stats.camera_change.vector import NAMES, scales_of, slopes_of, spread, unlit, vectors

OUT = Path("src/wardline/stats/camera_change/fleet.json")
Array = NDArray[np.float64]
_LEAST = {"clipped_dark": 0.1, "clipped_bright": 0.1, "hot_pixels": 0.2, "flat": 0.02}
"""The least unrest of statistics that are mostly nought."""
LEAST = np.array([_LEAST.get(name, 1e-3) for name in NAMES])
LIMITS = {
    "series_at": 2.2, "series_by_log": 0.5, "series_width": 0.63, "series_power": 0.25, "local": 2.0,
    "light": 0.5,
}  # fmt: skip


class Units:
    """One camera's stream in units of its own unrest, light taken away."""

    def __init__(self, each: Stream, prior: Array, floor: Array) -> None:
        compared, light = vectors(each.clean)
        self.camera = each.camera
        self.slopes = slopes_of(compared, light, prior)
        residual = unlit(compared, light, self.slopes)
        self.middle = np.nan_to_num(np.nanmedian(residual[-60:], axis=0))
        self.scale = scales_of(residual, floor)
        self.clean = self.scaled(residual)
        self.after = np.array(
            [[self.scaled(unlit(*vectors(size), self.slopes)) for size in cause] for cause in each.after]
        )

    def scaled(self, residual: Array) -> Array:
        return np.clip(np.nan_to_num((residual - self.middle) / self.scale), -BOUND, BOUND)


def prior_of(every: list[Stream]) -> tuple[Array, Array, Array]:
    """Pool how statistics follow light; return the slopes, the least unrest and the usual one."""
    slopes, scales = [], []
    nothing = np.zeros((2, len(NAMES)))
    for each in every:
        compared, light = vectors(each.clean)
        slopes.append(slopes_of(compared, light, nothing, 1e-3))
    prior = np.median(slopes, axis=0)
    for each in every:
        compared, light = vectors(each.clean)
        scales.append(spread(np.diff(unlit(compared, light, prior), axis=0)) / np.sqrt(2))
    return prior, np.maximum(0.5 * np.median(scales, axis=0), LEAST), np.median(scales, axis=0)


def windows(values: Array, before: int, after: int, step: int) -> Array:
    """Contrast every two neighbouring windows of a clean stream."""
    sums = np.vstack([np.zeros(values.shape[1]), values.cumsum(axis=0)])
    at = np.arange(before, len(values) - after + 1, step)
    return (sums[at + after] - sums[at]) / after - (sums[at] - sums[at - before]) / before


def covariance(parts: list[Array]) -> Array:
    """Average over cameras, each bounded, so that no one camera is the fleet."""
    every = [np.clip(part, -8, 8) for part in parts]
    return np.mean([part.T @ part / len(part) for part in every], axis=0)


def directions(units: list[Units]) -> tuple[Array, Array]:
    """Return the basis and the variance of slow nuisance in it."""
    quick = covariance([windows(each.clean, 5, 5, 3) for each in units]) * 2.5
    quick = 0.85 * quick + 0.15 * np.diag(np.diag(quick)) + 0.05 * np.eye(len(quick))
    slow = covariance([windows(each.clean, 100, 40, 10) for each in units])
    values, basis = eigh(slow, quick)
    return basis, np.maximum(values, 0.0)


def contrasts(each: Units, count: int) -> Array:
    """Contrast every change's first frames with the last clean ones: (causes, sizes, F)."""
    return each.after[:, :, :count].mean(axis=2) - each.clean[-40:].mean(axis=0)


def signatures(units: list[Units]) -> tuple[list[str], Array]:
    """Average the large and medium changes by cause; a cause with two signs has two."""
    kinds, found = [], []
    for place, cause in enumerate(CAUSES):
        drawn = np.array([contrasts(each, 24)[place, 1:] for each in units]).reshape(-1, len(NAMES))
        drawn = np.clip(drawn, -30, 30)
        if cause in BOTH:
            axis = np.linalg.svd(drawn)[2][0]
            drawn = drawn * np.sign(drawn @ axis)[:, None]
            kinds, found = [*kinds, cause], [*found, -drawn.mean(axis=0)]
        kinds, found = [*kinds, cause], [*found, drawn.mean(axis=0)]
    return kinds, np.array(found)


def lessons(units: list[Units], rng: np.random.Generator, repeats: int = 6) -> tuple[Array, NDArray[np.intp]]:
    """Draw examples to name causes by: random lengths of every change."""
    rows, labels = [], []
    for each in units:
        for _ in range(repeats):
            count = int(rng.integers(4, 25))
            start = int(rng.integers(0, 25 - count))
            before = each.clean[-int(rng.integers(20, 80)) :].mean(axis=0)
            drawn = each.after[:, :, start : start + count].mean(axis=2) - before
            rows.append(
                np.concatenate([np.arcsinh(drawn), np.full((*drawn.shape[:2], 1), np.log(count))], axis=2)
            )
            labels.append(np.repeat(np.arange(len(CAUSES)), drawn.shape[1]))
    return np.concatenate(rows).reshape(-1, len(NAMES) + 1), np.concatenate(labels)


def network(units: list[Units]) -> tuple[Array, Array]:
    """Fit the small network; return its two layers with their biases as last rows."""
    X, y = lessons(units, np.random.default_rng(3))
    fitted = MLPClassifier((48,), alpha=1.0, max_iter=60, random_state=0, learning_rate_init=2e-3).fit(X, y)
    hidden, output = (
        np.vstack([weights, bias]) for weights, bias in zip(fitted.coefs_, fitted.intercepts_, strict=True)
    )
    return hidden, output


def taught(every: list[Stream], days: Sequence[Stream] = ()) -> Fleet:
    """Learn from these cameras; `days` are more examples of causes, over the same pictures in other looks."""
    prior, floor, usual = prior_of(every)
    units = [Units(each, prior, floor) for each in every]
    basis, slow = directions(units)
    kinds, found = signatures(units)
    hidden, output = network(units)
    streamed = quick(every)
    nothing = np.zeros((0, 0))
    known = Fleet(
        slopes=prior, floor=floor, usual=usual, basis=basis, slow=slow, kinds=tuple(kinds), signatures=found,
        classes=CAUSES, hidden=hidden, output=output, limits=dict(LIMITS), **streamed,
        moves=causes.moves(every, streamed["still"]), stream_hidden=nothing, stream_output=nothing,
    )  # fmt: skip
    shown = {each.camera for each in every}
    hidden, output = causes.network([*every, *(each for each in days if each.camera in shown)], known)
    return known._replace(stream_hidden=hidden, stream_output=output)


def written(known: Fleet) -> None:
    """Write the arrays, five digits each."""
    tree: dict[str, Any] = {}
    for name, value in known._asdict().items():
        tree[name] = _rounded(value) if isinstance(value, np.ndarray) else value
    OUT.write_text(json.dumps(tree) + "\n")


def _rounded(value: NDArray[np.float64]) -> Any:
    return [_rounded(each) for each in value] if value.ndim > 1 else [float(f"{each:.5g}") for each in value]


def main() -> None:
    data, *made = map(Path, sys.argv[1:])
    every = streams.read(made[0]) if made else streams.simulate(data)
    days = streams.read(made[1]) if len(made) > 1 else day_after.simulate(data)
    held = crossed(every, partial(taught, days=days))
    named.printed(named.named(held))
    limit, fall = tail([each.scores for each in held], JUDGED)
    known = taught(every, days)
    known.limits.update(fast=round(limit, 3), fall=round(fall, 2))
    written(known)


if __name__ == "__main__":
    main()
