"""How good answers were: metrics of a stream, each with its confidence interval."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from wardline.stats import intervals
from wardline.stats.moments import Moments

Floats = NDArray[np.float64]

_LEAST = 1e-15  # a probability of zero for what happened would make the log loss infinite


class Measure(NamedTuple):
    """A metric with its interval at 95 %."""

    value: float
    low: float
    high: float


class Performance(Protocol):
    """Takes answers and truth block by block, gives metrics at the end."""

    @property
    def rows(self) -> int:
        """How many rows were scored."""

    def add(self, values: Floats, probabilities: Floats | None, truth: Floats) -> None:
        """Score a block: values (n,), probabilities (n, k) or None, truth (n,)."""

    def measures(self) -> dict[str, Measure]:
        """Return the metrics; those that are not defined on these rows are left out."""


class Regression:
    """mae, rmse, bias (mean error) and r2 of numbers; the unit is the target's. Infinite answers count apart.

    Intervals by the delta method over the means of (e, |e|, e², y, y²), which a stream can keep.
    """

    def __init__(self) -> None:
        self.unscored = 0
        self._moments = Moments(5)
        self._shift: float | None = None  # near the targets' mean, or their squares would lose digits

    @classmethod
    def of(cls, moments: Moments) -> Self:
        """Return it for (e, |e|, e², y, y²) that were added up elsewhere, y less a number near its mean."""
        found = cls()
        found._moments = moments
        return found

    @property
    def rows(self) -> int:
        """How many rows were scored."""
        return self._moments.count

    def add(
        self,
        values: Floats,
        probabilities: Floats | None,
        truth: Floats,
    ) -> None:
        """Score a block of predictions against the truth."""
        scored = np.isfinite(values) & np.isfinite(truth)
        self.unscored += int((~scored).sum())
        values, truth = values[scored], truth[scored]
        if not len(truth):
            return
        if self._shift is None:
            self._shift = float(truth.mean())
        error, level = values - truth, truth - self._shift
        self._moments.add(np.stack([error, np.abs(error), error**2, level, level**2], axis=1))

    def measures(self) -> dict[str, Measure]:
        """Return mae, rmse, bias and, where the truth varies, r2."""
        if not self.rows:
            return {}
        bias, mae, mse, level, square = self._moments.mean.tolist()
        rmse = math.sqrt(mse)
        found = {
            "mae": self._measure(mae, [0, 1, 0, 0, 0], low=0.0),
            "rmse": self._measure(rmse, [0, 0, 0.5 / rmse if rmse else 0.0, 0, 0], low=0.0),
            "bias": self._measure(bias, [1, 0, 0, 0, 0]),
        }
        variance = square - level * level
        if variance > 0.0:
            ratio = mse / variance
            slope = [0, 0, -1 / variance, -2 * level * ratio / variance, ratio / variance]
            found["r2"] = self._measure(1.0 - ratio, slope, high=1.0)
        return found

    def _measure(
        self, value: float, slope: list[float], *, low: float = -math.inf, high: float = math.inf
    ) -> Measure:
        bounds = intervals.delta(self._moments, np.array(slope, dtype=np.float64), value)
        return Measure(value, max(low, bounds[0]), min(high, bounds[1]))


class Classification:
    """accuracy of class numbers and, where there are probabilities, log_loss and brier.

    Accuracy has Wilson's interval, the others a normal one. Brier sums over classes; of two classes it is
    halved, so that it is the usual one.
    """

    def __init__(self, rows: int = 0, right: int = 0) -> None:
        self.unscored = 0
        self.rows = rows
        self._right = right
        self._moments = Moments(2)

    def add(self, values: Floats, probabilities: Floats | None, truth: Floats) -> None:
        """Score a block of class numbers, and of probabilities (n, k)."""
        self.rows += len(truth)
        self._right += int((values == truth).sum())
        if probabilities is None:
            return
        sound = np.isfinite(probabilities).all(axis=1)
        self.unscored += int((~sound).sum())
        P, classes = probabilities[sound], truth[sound].astype(np.intp)
        happened = P[np.arange(len(P)), classes]
        apart = (P**2).sum(axis=1) - 2.0 * happened + 1.0
        loss = -np.log(np.clip(happened, _LEAST, 1.0))
        self._moments.add(np.stack([loss, apart / (2.0 if P.shape[1] == 2 else 1.0)], axis=1))

    def measures(self) -> dict[str, Measure]:
        """Return accuracy, and log_loss and brier where they are known."""
        if not self.rows:
            return {}
        found = {"accuracy": Measure(self._right / self.rows, *intervals.wilson(self._right, self.rows))}
        if self._moments.count:
            for place, name in enumerate(("log_loss", "brier")):
                value = float(self._moments.mean[place])
                low, high = intervals.delta(self._moments, np.eye(2)[place], value)
                found[name] = Measure(value, max(0.0, low), high)
        return found
