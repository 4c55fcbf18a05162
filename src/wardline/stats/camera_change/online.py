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

CONFIRMED = 40
"""Frames after an alarm by which it must have stood: what a cloud did is over by then."""

_KEPT = sum(WINDOWS[-1])
_FALL = 11.5  # e-folds by which alarms on clean cameras get rarer for each whole threshold more of score
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

    @property
    def rate(self) -> float:
        """How many alarms a frame as grave as this one a clean camera has: 1 / `RUN_LENGTH` at the threshold.

        Beyond the threshold it falls as on the clean cameras that were simulated; from about 1.3 thresholds
        on that is extrapolated.
        """
        return float(np.exp(-_FALL * (self.score / self.threshold - 1.0)) / RUN_LENGTH)


class Detector:
    """Watches one camera in constant memory, under 16 KiB: fifty frames of statistics, forty of before.

    Choose it for frames of one place at a steady rate; decimate a fast camera first, for a run length in
    frames is short in time there. It needs fifty frames to begin, and as many after an alarm. Where light
    moves fast, at dawn and dusk, it becomes deaf rather than wrong. Slow changes, and white balance against
    a sunset, it does not see. `standing` is the last alarm as the frames since then have it; it is let go
    of where they do not bear it out.
    """

    def __init__(self, known: Fleet | None = None) -> None:
        self._known = known or fleet()
        self.rows = np.full((_KEPT, len(Statistics._fields)), np.nan, np.float32)
        self.past = self.rows[:0]
        self.frames = 0
        self.standing: Alarm | None = None
        self.filled = 0
        self.mean = {after: 2.0 for after, _ in WINDOWS}

    def update(self, row: Statistics | NDArray[np.floating]) -> Alarm | None:
        """Take one frame; return an alarm where the last frames differ from those before."""
        self.rows = np.roll(self.rows, -1, axis=0)
        self.rows[-1] = row
        self.frames += 1
        self.filled = min(self.filled + 1, _KEPT)
        self._confirm()
        best: tuple[Alarm, int] | None = None
        for after, before in WINDOWS:
            if self.filled < _KEPT:
                break
            found = self._judged(after, before)
            if found.score > found.threshold and (
                best is None or found.score / found.threshold > best[0].score / best[0].threshold
            ):
                best = found, after
        if best is None:
            return None
        self.standing, after = best
        self.past = self.rows[-after - WINDOWS[-1][1] : -after].copy()
        self.filled = min(WINDOWS[0][0], self.filled)  # what comes after is the new normal
        return self.standing

    def _judged(self, after: int, before: int) -> Alarm:
        """Compare medians of both windows, at a threshold that follows how restless the scene is."""
        score, difference = contrast(
            self.rows[-self.filled : -after], self.rows[-after:], before, self._known
        )
        usual = self.mean[after]
        threshold = self._known.limits[f"fast_{after}"] * max(usual, _RESTLESS)
        self.mean[after] += _MEMORY * (min(score, 2.5 * usual) - usual)
        last = self.frames - 1
        causes = named(difference, float(after), self._known) if score > threshold else []
        return Alarm(last, last - after - 2, score, threshold, difference, causes)

    def _confirm(self) -> None:
        """Judge the last alarm by all frames since; their number tells the cause better, too."""
        if self.standing is None or self.frames - 1 - self.standing.at > CONFIRMED:
            return
        since = min(self.frames - 1 - self.standing.since, _KEPT)
        score, difference = contrast(self.past, self.rows[-since:], len(self.past), self._known)
        if self.confirmed and score < self.standing.threshold:
            self.standing = None
            return
        causes = named(difference, float(since), self._known)
        self.standing = self.standing._replace(score=score, difference=difference, causes=causes)

    @property
    def confirmed(self) -> bool:
        """Whether enough frames have come since the last alarm."""
        return self.standing is not None and self.frames - 1 - self.standing.at >= CONFIRMED

    @property
    def size(self) -> int:
        """Bytes that one camera's state takes."""
        return int(self.rows.nbytes + self.past.nbytes) + 400


def contrast(
    past: NDArray[np.floating], now: NDArray[np.floating], before: int, known: Fleet
) -> tuple[float, Array]:
    """Compare the median of some frames with that of the last `before` ones of their past.

    Returns the highest score along any signature and the difference, in the camera's own units; both units
    and how it follows light come from the past.
    """
    compared, light = vectors(np.vstack([past, now]))
    first = len(past)
    slopes = slopes_of(compared[:first], light[:first], known.slopes)
    residual = unlit(compared, light, slopes)
    scale = scales_of(residual[:first], known.floor)
    later, then = _middle(residual[first:]), _middle(residual[first - before : first])
    difference = np.clip(np.nan_to_num((later - then) / scale), -BOUND, BOUND)
    moved = _middle(light[first:]) - _middle(light[first - before : first])
    found = scores(
        difference[None], np.array([float(before)]), np.array([float(len(now))]), moved[None], known,
        slow=calm(scale, known.usual),
    )  # fmt: skip
    return float(found.max()), difference


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
