"""What causes of changes in a stream are named by: examples of every change, and small networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from models.camera.quick import joined, steps
from models.camera.streams import CAUSES, Stream
from wardline.stats.camera_change.contrast import Fleet
from wardline.stats.camera_change.naming import signs
from wardline.stats.camera_change.online import FIRST, yardstick
from wardline.stats.camera_change.window import BEFORE, middle

Array = NDArray[np.float64]
BOTH = ("isp.white_balance", "isp.tone")
"""Causes that go either way."""

HEADER = "codec.requantised"
"""The cause that a frame's header tells."""

_CAPPED = 4.0
_REPEATS = 10  # of each kind of example
_SHORTEST, _LONGEST, _FEWEST = 6, 24, 40  # frames after, and before
_NETWORKS = 4
_HIDDEN = 96
_EPOCHS, _DECAY = 15, 3.0


class Shown:
    """One camera's frames as the detector sees them, with what it has learned of how its steps go."""

    def __init__(self, each: Stream, known: Fleet) -> None:
        self.clean = joined(each.clean)
        taken = steps(self.clean, FIRST, 2) / known.still
        usual = np.sqrt(np.mean(taken**2, axis=0))
        taken = np.clip(taken, -_CAPPED * usual, _CAPPED * usual)
        self.usual, self.together = yardstick(taken.T @ taken / len(taken), 2 * len(taken), known)
        self.after = np.array([[joined(size) for size in cause] for cause in each.after])
        self.known = known

    def differences(self, start: int, count: int, before: int = BEFORE) -> Array:
        """Hold `count` frames of every change against the last clean ones: (causes, sizes, F)."""
        return np.nan_to_num(self._now(start, count) - middle(self.clean[-before:])) / self.known.still

    def elsewhen(self, start: int, count: int, before: int, rng: np.random.Generator) -> Array:
        """Do the same in the weather of another hour: there are few hours after a change, many before it.

        All changes of a camera begin in the same weather, so what most of them show together is weather.
        """
        now = self._now(start, count)
        weather = middle(now.reshape(-1, now.shape[-1]))
        end = int(rng.integers(before + count, len(self.clean) + 1))
        other = middle(self.clean[end - count : end]) - middle(self.clean[end - count - before : end - count])
        return np.nan_to_num(now - weather + other) / self.known.still

    def signs(self, differences: Array, count: int) -> Array:
        """Describe them for the network: (causes, sizes, inputs)."""
        flat = differences.reshape(-1, differences.shape[-1])
        told = signs(flat, self.usual, self.together, float(count), self.known)
        return told.reshape(*differences.shape[:2], -1)

    def _now(self, start: int, count: int) -> Array:
        frames = self.after[:, :, start : start + count]
        return np.array([[middle(size) for size in cause] for cause in frames])


def moves(every: list[Stream], still: Array) -> Array:
    """Give the steps that medium and large changes make, (M, F); two ways where a cause has two."""
    found: list[Array] = []
    for place, cause in enumerate(CAUSES):
        for size in (1, 2):
            drawn = np.nan_to_num(
                [
                    (middle(joined(each.after[place, size])) - middle(joined(each.clean[-BEFORE:]))) / still
                    for each in every
                ]
            )
            if cause in BOTH:
                axis = np.linalg.svd(np.clip(drawn, -30, 30))[2][0]
                drawn = drawn * np.sign(drawn @ axis)[:, None]
                found.append(-np.median(drawn, axis=0))
            found.append(np.median(drawn, axis=0))
    return np.array(found)


def lessons(shown: list[Shown], rng: np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
    """Draw examples: random lengths of every change, in the weather it came in and in others."""
    rows, labels = [], []
    for each in shown:
        for repeat in range(2 * _REPEATS):
            count = int(rng.integers(_SHORTEST, _LONGEST + 1))
            before = int(rng.integers(_FEWEST, BEFORE + 1))
            last = (each.after.shape[2] if repeat % 2 else _LONGEST) - count
            start = int(rng.integers(0, last + 1))
            drawn = (
                each.elsewhen(start, count, before, rng)
                if repeat % 2
                else each.differences(start, count, before)
            )
            told = each.signs(drawn, count)
            rows.append(told.reshape(-1, told.shape[2]))
            labels.append(np.repeat(np.arange(len(CAUSES)), drawn.shape[1]))
    return np.concatenate(rows), np.concatenate(labels)


def network(every: list[Stream], known: Fleet) -> tuple[Array, Array]:
    """Fit the two layers that name causes in streams; biases are the last rows.

    Several networks that stop early, as one: their hidden units side by side, their outputs' mean.
    """
    X, y = lessons([Shown(each, known) for each in every], np.random.default_rng(3))
    scaler = StandardScaler().fit(X)
    scaled = scaler.transform(X).astype(np.float32)
    hidden, output, bias = [], [], np.zeros(len(CAUSES))
    for seed in range(_NETWORKS):
        fitted = MLPClassifier(
            (_HIDDEN,),
            alpha=_DECAY,
            max_iter=_EPOCHS,
            random_state=seed,
            learning_rate_init=3e-3,
            batch_size=512,
        ).fit(scaled, y)
        weights = fitted.coefs_[0] / scaler.scale_[:, None]
        hidden.append(np.vstack([weights, fitted.intercepts_[0] - scaler.mean_ @ weights]))
        output.append(fitted.coefs_[1] / _NETWORKS)
        bias += fitted.intercepts_[1] / _NETWORKS
    return np.hstack(hidden), np.vstack([*output, bias])
