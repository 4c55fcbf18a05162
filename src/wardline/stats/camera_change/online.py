"""The stream of one camera as it comes: the last frames against those before, by matched filters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.camera_change import naming
from wardline.stats.camera_change.contrast import Array, Fleet, fleet
from wardline.stats.camera_change.series import BOUND
from wardline.stats.camera_change.unrest import Unrest
from wardline.stats.camera_change.vector import NAMES, furthest, vectors
from wardline.stats.camera_change.window import AFTER, WIDTH, Window
from wardline.stats.image import Statistics

RUN_LENGTH = 5_000
"""Frames between two false alarms on a living scene, by which `models.camera.build` sets the limit."""

CONFIRMED = 40
"""Frames after an alarm by which it must have stood: what a cloud did is over by then."""

FIRST = 50
"""Frames that must be there before anything is judged, and after an alarm again."""

_F = WIDTH
_MEMORY = 500  # frames by which a camera's own restlessness is known
_PRIOR = 100  # frames that the fleet's is worth
_SOON = 60  # frames that the fleet's loudness is worth
_UNKNOWN = 2.5  # how much louder than the fleet's a camera may be that nobody has seen yet, squared
_FLEETS = 0.1  # share of the fleet's correlations that stays for good
_OWN = 0.05  # variance that each statistic has to itself
_LEAST = 0.05  # of the fleet's variance: no camera is calmer
_LIGHT = 0.03  # by which a change of light makes everything less sure
_STEP = 5.0  # a statistic's steps beyond so many usual ones say no more
_CAPPED = 4.0  # usual steps beyond which one does not make the camera more restless
_LOUD = 2.5
_FAINT = 0.7  # of the threshold: an alarm whose later frames show less is let go of
_NAMED = 3  # causes that an alarm names
_BORNE = 10  # frames after an alarm that may make it graver: its window fills


class Alarm(NamedTuple):
    """Something changed: at frame `at` it was seen, and it began after frame `since` (both counted from 0).

    `score` is in standard deviations, `threshold` what it passed. `difference` is by statistic, in units of
    how far this camera's own steps usually go; `causes` are the likeliest three, with their probabilities.
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
    """Watches one camera in constant memory, under 16 KiB: ninety frames of statistics.

    Choose it for frames of one place at a steady rate; decimate a fast camera first, for a run length in
    frames is short in time there. The step from the last eighty frames to the last ten is held against how
    this camera's steps usually go and hang together (`unrest`, learned as it watches), by matched filters
    (Turin 1960) for sharpness, noise, compression, focus, size and night, each by how loud it usually is
    here. It needs fifty frames to begin, and as many after an alarm; of a camera it has just met it expects
    more unrest than of one it has seen for a few hundred frames. Tone and colour it does not see. `standing`
    is the last alarm as the frames since then have it; it is let go of where they do not bear it out.
    """

    __slots__ = ("before", "frames", "judged", "known", "loud", "standing", "unrest", "waiting", "window")

    def __init__(self, known: Fleet | None = None, unrest: Unrest | None = None) -> None:
        self.known = known or fleet()
        self.window = Window()
        self.frames = self.judged = 0
        self.unrest = unrest or Unrest.of(self.known.together)  # of its steps
        self.loud = np.full(len(self.known.quick), _UNKNOWN)
        self.waiting = np.zeros((0, _F), np.float16)
        self.before = np.zeros(_F, np.float32)  # the middle of the frames before the last alarm
        self.standing: Alarm | None = None

    def update(self, row: Statistics | NDArray[np.floating]) -> Alarm | None:
        """Take one frame; return an alarm where the last frames differ from those before."""
        self.take(row)
        self._confirm()
        if self.window.filled < FIRST:
            return None
        score, along = self.judge()
        threshold = self.known.limits["fast"]
        if score <= threshold:
            return None
        last = self.frames - 1
        self.before = self.window.before().astype(np.float32)
        changed = self._changed(along)
        self.standing = Alarm(last, last - changed - 2, score, threshold, *self._told(changed))
        self.window.restart()  # what comes after is the new normal
        return self.standing

    def take(self, row: Statistics | NDArray[np.floating]) -> None:
        """Keep one frame, judging nothing."""
        compared, light = vectors(np.asarray(row, np.float64)[None])
        self.window.take(np.hstack([compared, light])[0])
        self.frames += 1

    def judge(self) -> tuple[float, Array]:
        """Score the last frames against those before, and learn how restless the camera is.

        Returns the score and the loudest filter's weights. A step is learned from when its frames are past:
        one that a change makes would hide it.
        """
        difference = self.window.step() / self.known.still
        usual, weights = self._filters()
        scores = self._found(difference, usual, weights) / np.maximum(np.sqrt(self.loud), 1.0)
        self.waiting = np.vstack([self.waiting, difference.astype(np.float16)])
        if len(self.waiting) > AFTER:
            self._learn(self.waiting[0].astype(np.float64), usual, weights)
            self.waiting = self.waiting[1:]
        loudest = int(scores.argmax())
        return float(scores[loudest]), weights[loudest] / usual

    def _learn(self, difference: Array, usual: Array, weights: Array) -> None:
        self.judged += 1
        capped = np.clip(difference, -_CAPPED * usual, _CAPPED * usual)
        self.unrest.learn(capped, 1.0 / min(_PRIOR + self.judged, _MEMORY))
        found = self._found(difference, usual, weights)
        louder = np.minimum(found**2, _LOUD**2 * self.loud) - self.loud
        self.loud += louder / min(_SOON + self.judged, _MEMORY)

    def _filters(self) -> tuple[Array, Array]:
        """Return how far steps usually go here, (F,), and a filter for each change, (Q, F), of unit noise."""
        usual, together = yardstick(self.unrest.covariance, self.judged, self.known)
        wanted = self.known.quick / usual
        weights = np.linalg.solve(together, wanted.T).T
        return usual, weights / np.sqrt(np.maximum(np.sum(weights * wanted, axis=1), 1e-9))[:, None]

    def _found(self, difference: Array, usual: Array, weights: Array) -> Array:
        """Ask every filter; where the light moved far, all are less sure."""
        steps = np.clip(difference / usual, -_STEP, _STEP)
        moved = float(np.sum(np.clip(steps[-2:], -3.0, 3.0) ** 2))
        return np.asarray(weights @ steps / np.sqrt(1.0 + _LIGHT * moved))

    def _changed(self, weights: Array) -> int:
        """Count the last frames that are already changed: the likeliest split of them along a filter."""
        rows = (self.window.rows - self.before) / self.known.still
        along = np.nan_to_num(rows) @ weights
        counts = np.arange(1, AFTER + 1)
        after = along[::-1].cumsum()[counts - 1] / counts
        before = (along.sum() - after * counts) / (2 * AFTER - counts)
        gain = (after - before) ** 2 * counts * (2 * AFTER - counts)
        return int(counts[gain.argmax()])

    def _told(self, frames: int) -> tuple[Array, list[tuple[str, float]]]:
        """Describe how the last so many frames differ from those before the change, and name it."""
        difference = self._since(frames)
        usual, together = yardstick(self.unrest.covariance, self.judged, self.known)
        causes = naming.causes(difference, usual, together, float(frames), self.known)
        return bounded((difference / usual)[: len(NAMES)]), causes[:_NAMED]

    def _since(self, frames: int) -> Array:
        """Hold the last so many frames against those before the change, in the fleet's steps."""
        return np.nan_to_num(self.window.last(frames) - self.before) / self.known.still

    def _confirm(self) -> None:
        """Judge the last alarm by all frames since; their number tells the cause better, too."""
        alarm = self.standing
        if alarm is None or self.frames - 1 - alarm.at > CONFIRMED:
            return
        since = self.frames - 1 - alarm.since - 2
        usual, weights = self._filters()
        found = self._found(self._since(since), usual, weights)
        score = float((found / np.maximum(np.sqrt(self.loud), 1.0)).max())
        if self.confirmed:
            self._settle(alarm, score)
        if self.standing is None:
            return
        difference, causes = self._told(since)
        graver = score if self.frames - 1 - alarm.at <= _BORNE else 0.0
        self.standing = alarm._replace(score=max(alarm.score, graver), difference=difference, causes=causes)

    def _settle(self, alarm: Alarm, score: float) -> None:
        """Let go of an alarm that did not stand: its steps were the scene's, and are learned from."""
        if score < _FAINT * alarm.threshold:
            self.standing = None
            usual, weights = self._filters()
            for difference in self.waiting.astype(np.float64):
                self._learn(difference, usual, weights)
        self.waiting = self.waiting[:0].copy()

    @property
    def confirmed(self) -> bool:
        """Whether enough frames have come since the last alarm."""
        return self.standing is not None and self.frames - 1 - self.standing.at >= CONFIRMED

    @property
    def size(self) -> int:
        """Bytes that one camera's state takes."""
        window, unrest = self.window, self.unrest
        kept = window.rows, window.pairs, window.leaving, unrest.variances, unrest.correlations
        return sum(each.nbytes for each in (*kept, self.waiting, self.loud, self.before)) + 400


def yardstick(own: Array, judged: int, known: Fleet) -> tuple[Array, Array]:
    """Return how far steps usually go, (F,), and how they hang together, (F, F).

    That is the fleet's at first and more and more the camera's own, whose covariance of so many judged
    steps is given.
    """
    usual = np.sqrt(np.maximum(np.diag(own), _LEAST))
    share = max(_PRIOR / (_PRIOR + judged), _FLEETS)
    together = (1.0 - share) * own / np.outer(usual, usual) + share * known.together
    together[np.diag_indices(len(own))] += _OWN
    return usual, together


def bounded(difference: Array) -> Array:
    """Bound a difference: no statistic says more than `BOUND`."""
    return np.clip(difference, -BOUND, BOUND)


def evidence(alarm: Alarm, most: int = 4) -> list[tuple[str, float]]:
    """Name the statistics that moved most, in units of how far this camera's steps usually go."""
    return furthest(alarm.difference, NAMES, most)
