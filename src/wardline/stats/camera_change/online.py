"""The stream of one camera as it comes: the last frames against those before, by matched filters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.camera_change.contrast import Array, Fleet, fleet, named
from wardline.stats.camera_change.series import BOUND
from wardline.stats.camera_change.vector import NAMES, scales_of, slopes_of, unlit, vectors
from wardline.stats.image import Statistics

AFTER, BEFORE = 5, 20
"""Frames now against frames before: their medians."""

RUN_LENGTH = 5_000
"""Frames between two false alarms on a living scene, by which `models.camera.build` sets the limit."""

CONFIRMED = 40
"""Frames after an alarm by which it must have stood: what a cloud did is over by then."""

_KEPT = 50  # frames; light's slopes and the units come from those that are not now
_MEMORY = 400  # frames by which a camera's own restlessness is known
_PRIOR = 100  # frames that the fleet's is worth
_STEP = 5.0  # a statistic's steps beyond so many usual ones say no more
_CAPPED = 4.0  # usual steps beyond which one does not make the camera more restless
_LOUD = 2.5
_LIGHT = 2.0  # by which a change of light makes everything less sure
_FAINT = 0.7  # of the threshold: an alarm whose later frames show less is let go of
_BORNE = 10  # frames after an alarm that may make it graver: its window fills


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
        return float(np.exp(-fleet().limits["fall"] * (self.score / self.threshold - 1.0)) / RUN_LENGTH)


class Detector:
    """Watches one camera in constant memory, under 16 KiB: fifty frames of statistics, forty of before.

    Choose it for frames of one place at a steady rate; decimate a fast camera first, for a run length in
    frames is short in time there. Each statistic's step from the last twenty frames to the last five is
    measured by how far this camera's steps usually go (`still`, learned as it watches), then by matched
    filters for sharpness, noise, compression, focus, size and night, each by how loud it usually is here.
    It needs fifty frames to begin, and as many after an alarm. Where light moves fast it becomes deaf rather
    than wrong. Tone and colour it does not see. `standing` is the last alarm as the frames since then have
    it; it is let go of where they do not bear it out.
    """

    def __init__(self, known: Fleet | None = None) -> None:
        self.known = known or fleet()
        self.rows = np.full((_KEPT, len(Statistics._fields)), np.nan, np.float32)
        self.past = self.rows[:0].copy()  # a view would hold on to the first rows
        self.frames = self.filled = self.judged = 0
        self.still = self.known.still**2
        self.loud = np.ones(len(self.known.quick))
        self.standing: Alarm | None = None

    def update(self, row: Statistics | NDArray[np.floating]) -> Alarm | None:
        """Take one frame; return an alarm where the last frames differ from those before."""
        self.rows = np.roll(self.rows, -1, axis=0)
        self.rows[-1] = row
        self.frames += 1
        self.filled = min(self.filled + 1, _KEPT)
        self._confirm()
        if self.frames < _KEPT:
            return None
        score, difference = self.judge()
        threshold = self.known.limits["fast"]
        if self.filled < _KEPT or score <= threshold:
            return None
        last = self.frames - 1
        causes = named(bounded(difference), float(AFTER), self.known)
        self.standing = Alarm(last, last - AFTER - 2, score, threshold, bounded(difference), causes)
        self.past = self.rows[-AFTER - 2 * BEFORE : -AFTER].copy()
        self.filled = AFTER  # what comes after is the new normal
        return self.standing

    def judge(self) -> tuple[float, Array]:
        """Score the last frames against those before, and learn how restless the camera is."""
        difference, moved = contrast(self.rows[:-AFTER], self.rows[-AFTER:], BEFORE, self.known)
        found = self._filtered(difference, moved)
        score = float((found / np.maximum(np.sqrt(self.loud), 1.0)).max())
        self.judged += 1
        step = np.minimum(difference**2, _CAPPED**2 * self.still) - self.still
        self.still += step / min(_PRIOR + self.judged, _MEMORY)
        self.still = np.maximum(self.still, (0.25 * self.known.still) ** 2)
        louder = np.minimum(found**2, _LOUD**2 * self.loud) - self.loud
        self.loud += louder / min(0.6 * _PRIOR + self.judged, _MEMORY)
        return score, difference

    def _filtered(self, difference: Array, moved: Array) -> Array:
        """Ask every matched filter: how many usual steps long is the difference in its direction?"""
        usual = np.sqrt(self.still)
        wanted = self.known.quick / usual
        weights = wanted @ self.known.precision
        found = weights @ np.clip(difference / usual, -_STEP, _STEP)
        length = np.sqrt(np.sum(weights * wanted, axis=1) * (1.0 + _LIGHT * np.sum(moved**2)))
        return np.asarray(found / np.maximum(length, 1e-9))

    def _confirm(self) -> None:
        """Judge the last alarm by all frames since; their number tells the cause better, too."""
        alarm = self.standing
        if alarm is None or self.frames - 1 - alarm.at > CONFIRMED:
            return
        since = min(self.frames - 1 - alarm.since - 2, _KEPT)
        difference, moved = contrast(self.past, self.rows[-since:], len(self.past), self.known)
        score = float((self._filtered(difference, moved) / np.maximum(np.sqrt(self.loud), 1.0)).max())
        if self.confirmed and score < _FAINT * alarm.threshold:
            self.standing = None
            return
        causes = named(bounded(difference), float(since), self.known)
        graver = score if self.frames - 1 - alarm.at <= _BORNE else 0.0
        self.standing = alarm._replace(
            score=max(alarm.score, graver), difference=bounded(difference), causes=causes
        )

    @property
    def confirmed(self) -> bool:
        """Whether enough frames have come since the last alarm."""
        return self.standing is not None and self.frames - 1 - self.standing.at >= CONFIRMED

    @property
    def size(self) -> int:
        """Bytes that one camera's state takes."""
        return int(self.rows.nbytes + self.past.nbytes + self.still.nbytes + self.loud.nbytes) + 400


def contrast(
    past: NDArray[np.floating], now: NDArray[np.floating], before: int, known: Fleet
) -> tuple[Array, Array]:
    """Compare the median of some frames with that of the last `before` ones of their past.

    Returns the difference, in the camera's own units, and how the light moved; the units and how statistics
    follow light come from the past.
    """
    compared, light = vectors(np.vstack([past, now]))
    first = len(past)
    slopes = slopes_of(compared[:first], light[:first], known.slopes)
    residual = unlit(compared, light, slopes)
    scale = scales_of(residual[:first], known.floor)
    difference = (_middle(residual[first:]) - _middle(residual[first - before : first])) / scale
    moved = _middle(light[first:]) - _middle(light[first - before : first])
    return np.nan_to_num(difference), moved


def bounded(difference: Array) -> Array:
    """Bound a difference: no statistic says more than `BOUND`."""
    return np.clip(difference, -BOUND, BOUND)


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
