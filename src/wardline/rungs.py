"""Profiling one rung of the chain: its answers, how good they were, and how far they may be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wardline.inference import Outputs
from wardline.profiles import Limits, profile_classes, profile_numbers
from wardline.reference import Calibration, Estimate, Profile, RungProfile
from wardline.stats import conformal
from wardline.stats.performance import Classification, Performance, Regression
from wardline.stats.reservoir import Reservoir
from wardline.verdict import Coverage

Floats = NDArray[np.float64]

ANSWERS = 1_000_000
"""Answers of a rung that are profiled one by one; of more, a uniform sample of so many."""

CALIBRATED = 200_000
"""Held-out rows that calibrate; of more, a uniform sample, which is as exchangeable as the whole."""

TRUSTED = 100
"""With fewer held-out rows the coverage they promise is right on average, and yours may be 6 points off."""


class _Side:
    """What is kept apart for training rows and for held-out rows."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rows = 0
        self.answers = Reservoir(ANSWERS, rng)
        self.confidence = Reservoir(ANSWERS, rng)
        self.overall: Performance | None = None
        self.slices: dict[str, dict[str, Performance]] = {}


class RungBuilder:
    """Takes a rung's answers block by block; makes its profile at the end."""

    def __init__(self, name: str, classes: Sequence[str], limits: Limits, rng: np.random.Generator) -> None:
        self.name = name
        self._classes = tuple(classes)
        self._limits = limits
        self._training, self._held_out = _Side(rng), _Side(rng)
        self._pairs = Reservoir(CALIBRATED, rng)
        self._scores: dict[str, Reservoir] = {}
        self._rng = rng
        self._seconds: list[Floats] = []
        self._crowded: set[str] = set()

    def add(
        self, outputs: Outputs, targets: Floats, slices: Mapping[str, Sequence[str]], *, held_out: bool
    ) -> None:
        """Take the answers for a block of rows."""
        side = self._held_out if held_out else self._training
        side.rows += len(outputs)
        side.answers.add(outputs.values)
        P = outputs.probabilities
        if P is not None:
            side.confidence.add(P.max(axis=1))
        if side.overall is None:
            side.overall = self._new()
        side.overall.add(outputs.values, P, targets)
        for column, values in slices.items():
            self._slice(side.slices.setdefault(column, {}), column, values, outputs, targets)
        for name, score in outputs.scores.items() if held_out else ():
            self._scores.setdefault(name, Reservoir(self._limits.scores, self._rng)).add(score)
        if held_out and not self._classes:
            self._pairs.add(outputs.values, np.abs(targets - outputs.values))
        elif held_out and P is not None:
            self._pairs.add(targets, conformal.true_class_scores(P, targets.astype(np.intp)))

    def timed(self, seconds: Floats) -> None:
        """Take the durations of calls of one row."""
        self._seconds.append(seconds)

    def profile(self) -> RungProfile:
        """Return the rung's profile: predictions from training rows, all else from held-out rows if any."""
        judged = self._held_out if self._held_out.rows else self._training
        predictions = self._training if self._training.rows else self._held_out
        calibration = self._calibration()
        coverage, reason = self._coverage(calibration)
        seconds = np.concatenate(self._seconds) if self._seconds else np.zeros(0)
        return RungProfile(
            self.name,
            self._answers(predictions),
            _estimates(judged.overall),
            self._slices(judged),
            {f"p{q}": float(np.percentile(seconds, q)) * 1e3 for q in (50, 95, 99)} if len(seconds) else {},
            confidence=self._confidence(judged),
            calibration=calibration,
            scores={name: np.sort(each.columns[0]) for name, each in self._scores.items()},
            coverage=coverage,
            coverage_reason=reason,
        )

    def in_sample(self) -> dict[str, float]:
        """Return the metrics on the rows that may have trained the model: how far it overfits."""
        overall = self._training.overall
        return {} if overall is None else {name: m.value for name, m in overall.measures().items()}

    def notes(self) -> list[str]:
        """Say what a reader of the profile must know."""
        notes = []
        if not self._held_out.rows:
            notes.append(
                "performance is in-sample: measured on rows that may have trained the models, so better "
                "than it will be; give held-out rows with --calibration"
            )
        if len(self._training.answers) < self._training.rows:
            notes.append(f"{self.name}: answers are profiled on a uniform sample of {ANSWERS} rows")
        unscored = sum(getattr(s.overall, "unscored", 0) for s in (self._training, self._held_out))
        if unscored:
            notes.append(f"{self.name}: {unscored} answers were not finite and count in no metric")
        notes += [
            f"slice {column} has more than {self._limits.slice_values} values: the first are reported"
            for column in sorted(self._crowded)
        ]
        judged = (self._held_out if self._held_out.rows else self._training).slices
        notes += [
            f"slice {column}: no value has {self._limits.slice_rows} rows, the whole is its baseline"
            for column, found in judged.items()
            if all(each.rows < self._limits.slice_rows for each in found.values())
        ]
        return notes

    def _new(self) -> Performance:
        return Classification() if self._classes else Regression()

    def _slice(
        self,
        found: dict[str, Performance],
        column: str,
        values: Sequence[str],
        outputs: Outputs,
        targets: Floats,
    ) -> None:
        names, groups, rows = np.unique(np.array(values, object), return_inverse=True, return_counts=True)
        for place in np.argsort(-rows, kind="stable").tolist():  # the frequent first, if they are too many
            name = names[place]
            if name not in found:
                if len(found) >= self._limits.slice_values:
                    self._crowded.add(column)
                    continue
                found[name] = self._new()
            chosen = np.flatnonzero(groups == place)
            part = outputs.take(chosen)
            found[name].add(part.values, part.probabilities, targets[chosen])

    def _slices(self, side: _Side) -> dict[str, dict[str, Estimate]]:
        return {
            f"{column}={name}": _estimates(performance)
            for column, found in side.slices.items()
            for name, performance in sorted(found.items())
            if performance.rows >= self._limits.slice_rows
        }

    def _answers(self, side: _Side) -> Profile:
        values = side.answers.columns[0] if side.rows else np.zeros(0)
        if self._classes:
            return profile_classes(self.name, values, self._classes)
        return profile_numbers(self.name, values, window=self._limits.window)

    def _confidence(self, side: _Side) -> Profile | None:
        if not len(side.confidence):
            return None
        return profile_numbers("confidence", side.confidence.columns[0], window=self._limits.window)

    def _calibration(self) -> Calibration | None:
        """Sort the held-out scores into bands or classes, and keep as many as a bundle should carry."""
        if not len(self._pairs):
            return None
        keys, scores = self._pairs.columns
        # A row whose score is unknown counts as the worst one: leaving it out would promise too much.
        scores = np.where(np.isnan(scores), np.inf, scores)
        edges = np.zeros(0)
        if self._classes:
            groups, count = keys.astype(np.intp), len(self._classes)
        else:
            edges = conformal.bands(
                self._band_source(), keys, most=self._limits.bands, least=self._limits.band_rows
            )
            groups, count = conformal.band(edges, keys), len(edges) + 1
        share = min(1.0, self._limits.scores / len(scores))
        parts = conformal.split(scores, groups, count)
        kept = tuple(conformal.thin(part, math.ceil(share * len(part))) for part in parts)
        return Calibration(kept, edges, per_class=bool(self._classes))

    def _band_source(self) -> Floats:
        """Predictions that cut the bands: those of training rows, never the calibrated rows' if avoidable."""
        side = self._training if self._training.rows else self._held_out
        values: NDArray[Any] = side.answers.columns[0]
        return values

    def _coverage(self, calibration: Calibration | None) -> tuple[Coverage, str]:
        rows = self._held_out.rows
        if not rows:
            return Coverage.VOID, "no held-out rows were given"
        if calibration is None:
            return Coverage.VOID, "the rung names a class without probabilities"
        if rows < conformal.rows_needed(0.9):
            return Coverage.VOID, f"{rows} held-out rows promise nothing at 90 %"
        if rows < TRUSTED:
            return Coverage.WATCH, f"only {rows} held-out rows: coverage holds on average, yours may be off"
        return Coverage.VALID, ""


def _estimates(performance: Performance | None) -> dict[str, Estimate]:
    if performance is None:
        return {}
    return {
        name: Estimate(measure.value, measure.low, measure.high, performance.rows)
        for name, measure in performance.measures().items()
    }
