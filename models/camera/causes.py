"""What causes of changes in a stream are named by: examples of every change, and a small network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from models.camera.quick import joined, steps
from models.camera.streams import CAUSES, Stream
from wardline.stats.camera_change.online import FIRST
from wardline.stats.camera_change.window import BEFORE, middle

Array = NDArray[np.float64]
_CAPPED = 4.0
_LEAST = 0.05  # of the fleet's variance, as in the detector
_REPEATS = 6
_SHORTEST = 6


class Shown:
    """One camera's frames as the detector sees them, in units of how far its own steps usually go."""

    def __init__(self, each: Stream, still: Array) -> None:
        clean = joined(each.clean)
        taken = steps(clean, FIRST, 2)
        usual = np.sqrt(np.mean(taken**2, axis=0))
        usual = np.sqrt(np.mean(np.clip(taken, -_CAPPED * usual, _CAPPED * usual) ** 2, axis=0))
        self.unit = np.maximum(usual, np.sqrt(_LEAST) * still)
        self.clean = clean
        self.after = np.array([[joined(size) for size in cause] for cause in each.after])

    def differences(self, start: int, count: int, before: int = BEFORE) -> Array:
        """Hold `count` frames of every change against the last clean ones: (causes, sizes, F)."""
        base = np.nan_to_num(middle(self.clean[-before:]))
        now = [[middle(size[start : start + count]) for size in cause] for cause in self.after]
        return np.nan_to_num(np.array(now) - base) / self.unit


def lessons(shown: list[Shown], rng: np.random.Generator) -> tuple[Array, NDArray[np.intp]]:
    """Draw examples: random lengths of every change, as many frames before."""
    rows, labels = [], []
    for each in shown:
        for _ in range(_REPEATS):
            most = each.after.shape[2]
            count = int(rng.integers(_SHORTEST, most + 1))
            drawn = each.differences(
                int(rng.integers(0, most + 1 - count)), count, int(rng.integers(40, BEFORE))
            )  # fmt: skip
            length = np.full((*drawn.shape[:2], 1), np.log(count))
            rows.append(np.concatenate([np.arcsinh(drawn), length], axis=2).reshape(-1, drawn.shape[2] + 1))
            labels.append(np.repeat(np.arange(len(CAUSES)), drawn.shape[1]))
    return np.concatenate(rows), np.concatenate(labels)


def network(every: list[Stream], still: Array) -> dict[str, Array]:
    """Fit the fields of `Fleet` that name causes in streams; biases are the last rows."""
    X, y = lessons([Shown(each, still) for each in every], np.random.default_rng(3))
    scaler = StandardScaler().fit(X)
    fitted = MLPClassifier((48,), alpha=1.0, max_iter=60, random_state=0, learning_rate_init=2e-3)
    fitted.fit(scaler.transform(X), y)
    first, output = (
        np.vstack([weights, bias]) for weights, bias in zip(fitted.coefs_, fitted.intercepts_, strict=True)
    )
    weights = first[:-1] / scaler.scale_[:, None]
    hidden = np.vstack([weights, first[-1] - scaler.mean_ @ weights])
    return {"stream_hidden": hidden, "stream_output": output}
