"""The stream of one camera as it comes: the last frames against those before, by matched filters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.camera_change.contrast import Array, Fleet, fleet, named, scores
from wardline.stats.camera_change.series import BOUND
from wardline.stats.camera_change.vector import NAMES, calm, scales_of, slopes_of, unlit, vectors
from wardline.stats.image import Statistics

WINDOWS = ((5, 20), (10, 40))
"""Frames now against frames before: the short window is quick, the long one sees less."""

RUN_LENGTH = 4_000
"""Frames between two false alarms on a living scene; `bench/camera_drift.py` counted 7 in 29,400."""

_KEPT = sum(WINDOWS[-1])
_RESTLESS = 1.6  # the mean score of a calm camera; a camera whose scene is wilder is held to its own mean
_MEMORY = 0.01  # weight of one frame in that mean


class Alarm(NamedTuple):
    """Something changed: at frame `at` it was seen, and it began after frame `since` (both counted from 0).

    `score` is in standard deviations, `threshold` what it passed. `difference` is by statistic, in units of
    the camera's own unrest; `causes` are the likeliest first, with their probabilities.
    """

    at: int
    since: int
    score: float
    threshold: float
    difference: Array
    causes: list[tuple[str, float]]


class Detector:
    """Watches one camera in constant memory, under 16 KiB: fifty frames of statistics and nothing else.

    Choose it for frames of one place at a steady rate; decimate a fast camera first, for a run length in
    frames is short in time there. It needs fifty frames to begin, and as many after an alarm. Where light
    moves fast, at dawn and dusk, it becomes deaf rather than wrong. Slow changes, and white balance against
    a sunset, it does not see.
    """

    def __init__(self, known: Fleet | None = None) -> None:
        self._known = known or fleet()
        self._rows = np.full((_KEPT, len(Statistics._fields)), np.nan, np.float32)
        self.frames = 0
        self._filled = 0
        self._mean = {after: 2.0 for after, _ in WINDOWS}

    def update(self, row: Statistics | NDArray[np.floating]) -> Alarm | None:
        """Take one frame; return an alarm where the last frames differ from those before."""
        self._rows = np.roll(self._rows, -1, axis=0)
        self._rows[-1] = row
        self.frames += 1
        self._filled = min(self._filled + 1, _KEPT)
        best: Alarm | None = None
        for after, before in WINDOWS:
            if self._filled < _KEPT:
                break
            found = self._judged(after, before)
            if found.score > found.threshold and (
                best is None or found.score / found.threshold > best.score / best.threshold
            ):
                best = found
        if best is not None:
            self._filled = min(WINDOWS[0][0], self._filled)  # what comes after is the new normal
        return best

    def _judged(self, after: int, before: int) -> Alarm:
        """Compare medians of both windows; the units are the camera's own, from the frames before."""
        known = self._known
        compared, light = vectors(self._rows[-self._filled :])
        slopes = slopes_of(compared[:-after], light[:-after], known.slopes)
        residual = unlit(compared, light, slopes)
        scale = scales_of(residual[:-after], known.floor)
        now, then = _middle(residual[-after:]), _middle(residual[-after - before : -after])
        difference = np.clip(np.nan_to_num((now - then) / scale), -BOUND, BOUND)
        moved = _middle(light[-after:]) - _middle(light[-after - before : -after])
        found = scores(
            difference[None], np.array([float(before)]), np.array([float(after)]), moved[None], known,
            slow=calm(scale, known.usual),
        )  # fmt: skip
        score, usual = float(found.max()), self._mean[after]
        threshold = known.limits[f"fast_{after}"] * max(usual, _RESTLESS)
        self._mean[after] += _MEMORY * (min(score, 2.5 * usual) - usual)
        last = self.frames - 1
        causes = named(difference, float(after), known) if score > threshold else []
        return Alarm(last, last - after - 2, score, threshold, difference, causes)

    @property
    def size(self) -> int:
        """Bytes that one camera's state takes."""
        return int(self._rows.nbytes) + 16


def evidence(alarm: Alarm, most: int = 4) -> list[tuple[str, float]]:
    """Name the statistics that moved most, in units of the camera's own unrest."""
    return [
        (NAMES[place], float(alarm.difference[place]))
        for place in np.argsort(-np.abs(alarm.difference))[:most]
    ]


def _middle(values: Array) -> Array:
    """Take the median of each column, 0 where nothing was measured."""
    ordered = np.sort(values, axis=0)  # nan sorts last
    counts = np.isfinite(values).sum(axis=0)
    places = np.arange(values.shape[1])
    low, high = (np.maximum(counts - 1, 0) // 2, counts // 2)
    middle = (ordered[low, places] + ordered[np.minimum(high, len(values) - 1), places]) / 2
    return np.where(counts > 0, np.nan_to_num(middle), 0.0)
