"""The slow look, for tone and colour: a camera's last six hours against the same time of its other days."""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.camera_change.day import Day
from wardline.stats.camera_change.template import HOURS, LEARNED_S, NAMES, SLOT_S, Template, slot_of, toned
from wardline.stats.camera_change.unrest import Unrest
from wardline.stats.camera_change.vector import furthest
from wardline.stats.image import Statistics

Array = NDArray[np.float64]

CAMERA_DAYS = 30
"""Days of one camera between two false alarms, 43,200 frames at one a minute, by which limits are set."""

OVER = 0.5
"""Of the limit: below it hours are as before."""

MONO = 2.0
"""Chroma under which a frame shows no colour: another mode, and another tone."""

_CHROMA = Statistics._fields.index("chroma")
_PRIOR = 48  # looks that the fleet's spread is worth
_EVERY = 3  # slots: neighbours say nearly the same
_MEMORY = LEARNED_S // SLOT_S // _EVERY
_OWN_SCALE, _OWN_SHAPE, _SHRUNK = 0.7, 0.3, 0.15
_CAPPED = 3.0  # spreads beyond which hours do not make the camera more restless
_STEP = 6.0  # spreads beyond which one statistic says no more
_WILD = 30.0  # the same for a slot
_UNLIKE = 0.05  # how much hours that disagree take from what they say
_UNSURE = 0.03  # that it is none of what was taught, shared out
_SPARE = 1.3  # of the days: cameras alarm that much oftener than the tail of their scores says
RARE = 2.33
"""One clean look in a hundred is so many standard deviations off."""

_SHOWN = 4  # statistics that are named


class Taught(NamedTuple):
    """What simulated weeks taught: `usual` (A,) is how far hours lie from other days, `covariance` (A, A)
    how they go together in those units, `wanted` (K, A) what the changes `kinds` do to them.

    `tails` (K,) are the scores that one clean look in a hundred passes; `limit` is in units of those,
    `fall` by how many e-folds scores get rarer a limit more, `sharp` how surely scores tell causes apart.
    """

    usual: Array
    covariance: Array
    wanted: Array
    kinds: tuple[str, ...]
    tails: Array
    limit: float
    fall: float
    sharp: float
    days: float = CAMERA_DAYS
    """Of one camera between two false alarms, by this limit."""

    def declared(self, days: float) -> Taught:
        """Return it for so many days between two false alarms, along the tail of clean scores.

        It was tried from three and a half days on, with something to spare; beyond thirty it is extrapolated.
        """
        longer = max(days, min(self.days, _SPARE * days)) / self.days
        share = 1.0 + math.log(longer) / self.fall
        return self._replace(limit=share * self.limit, fall=share * self.fall, days=longer * self.days)


@cache
def taught() -> Taught:
    """Read what ships with the package."""
    held = json.loads(files("wardline.stats.camera_change").joinpath("hours.json").read_text())
    arrays = {name: np.array(held[name], np.float64) for name in ("usual", "covariance", "wanted", "tails")}
    return Taught(**{**held, **arrays, "kinds": tuple(held["kinds"])})


class Change(NamedTuple):
    """Hours that differ: seen by `at`, begun after `since`, seconds since the epoch.

    `score` and `limit` are in standard deviations of six hours. `filter` is which of
    `Taught.wanted` saw it and `slots` are those it was seen in; `evidence` names the statistics that lie
    furthest off, in this camera's spreads; `causes` are the likeliest first, with their probabilities.
    """

    at: float
    since: float
    score: float
    limit: float
    fall: float
    days: float
    filter: int
    slots: int
    evidence: list[tuple[str, float]]
    causes: list[tuple[str, float]]

    @property
    def rate(self) -> float:
        """How many changes as grave as this one a clean camera shows a second."""
        return float(np.exp(-self.fall * (self.score / self.limit - 1.0)) / (self.days * 86_400))


class Hours:
    """Watches one camera's tone and colour in constant memory, some 5 KiB.

    Choose it beside `online.Detector`, which sees neither. A week of a camera's days teaches what is usual at
    each time of the day; the mean of the last six hours is held to it by matched filters (Turin 1960) for
    white balance, tone curve and black level, in a spread that is the fleet's and more and more the camera's
    own. While a change stands nothing is learned; it is over when hours are as before. Frames without colour
    are passed over: at night a camera that turns to infrared is not judged. A haze that lasts six hours and
    was not seen before looks like a black level.
    """

    __slots__ = (
        "counts", "day", "frames", "known", "looks", "loud", "quiet", "slot", "standing", "sums",
        "template", "unrest", "waiting",
    )  # fmt: skip

    def __init__(self, known: Taught | None = None, unrest: Unrest | None = None) -> None:
        self.known = known or taught()
        self.template = Template()
        self.unrest = unrest or Unrest.of(np.eye(len(NAMES)))  # of its hours, in the fleet's units
        self.looks = 0
        self.loud = np.ones(len(self.known.kinds), np.float32)  # mean square of its scores, the fleet's 1
        self.waiting = np.zeros((0, len(NAMES) + len(self.known.kinds)), np.float16)
        self.slot, self.frames = 0, 0
        self.sums = np.zeros(len(Statistics._fields))
        self.counts = np.zeros(len(Statistics._fields), np.int32)
        self.quiet = 0
        self.standing: Change | None = None
        self.day: Day | None = None

    def update(self, row: NDArray[np.floating], at: float) -> Change | None:
        """Take one frame; return a change where the slot before it, now full, showed one."""
        slot = slot_of(at)
        slot = self.slot if slot == self.slot - 1 and self.frames else slot  # a record that came late
        found = self._closed() if self.frames and slot != self.slot else None
        self.slot, coloured = slot, bool(row[_CHROMA] >= MONO)
        if self.day is not None:
            self.day.see(slot, coloured=coloured)
        if coloured:
            good = np.isfinite(row)
            self.sums += np.where(good, row, 0.0)
            self.counts += good
            self.frames += 1
        return found

    def _closed(self) -> Change | None:
        """Judge the last hours with the slot that is full."""
        slot, mean = self.slot, np.full(len(self.sums), np.nan)
        np.divide(self.sums, self.counts, out=mean, where=self.counts > 0)
        self.sums[:], self.counts[:], self.frames = 0.0, 0, 0
        values, naming = toned(mean[None])[0], self.day is not None and not self.day.over
        rest = self.template.close(slot, values, learn=self.standing is None and not naming)
        if self.day is not None:
            self.day.take(slot, values, self.template)
        if rest is None:
            return None
        rest = rest[:, : len(NAMES)] / self.known.usual
        raw, apart, unit = self.scores(rest), rest.mean(axis=0), self.unit
        scores = raw / np.sqrt(np.maximum(self.loud, 1.0))
        if self.standing is None:
            self.learn(slot, apart, raw)
        if not self.template.known(slot):
            return None
        return self._told(slot, apart / unit, scores)

    @property
    def spread(self) -> Array:
        """How this camera's hours lie off and go together, (A, A), in the fleet's units."""
        return self.unrest.covariance

    @property
    def unit(self) -> Array:
        """How far this camera's hours usually lie off, in the fleet's units."""
        return np.asarray(np.sqrt(_OWN_SCALE * self._own + 1.0 - _OWN_SCALE))

    @property
    def _own(self) -> Array:
        return np.asarray(self.unrest.variances, np.float64)

    def scores(self, rest: Array) -> Array:
        """Ask every matched filter how many spreads hours (n, A), in the fleet's units, go in its direction.

        Hours that disagree among themselves say less: haze comes and goes, a black level stays.
        """
        unit = self.unit
        shape = _OWN_SHAPE * self.spread / np.outer(unit, unit) + (1.0 - _OWN_SHAPE) * self.known.covariance
        shape = (1.0 - _SHRUNK) * shape + _SHRUNK * np.diag(np.diag(shape))
        weights = np.linalg.solve(shape, self.known.wanted.T)
        length = np.sqrt(np.sum(weights.T * self.known.wanted, axis=1))
        weights /= length
        found = np.clip(rest.mean(axis=0) / unit, -_STEP, _STEP) @ weights
        unlike = np.var(np.clip(rest / unit, -_WILD, _WILD) @ weights, axis=0)
        return np.asarray(found / np.sqrt(1.0 + _UNLIKE * unlike))

    def learn(self, slot: int, apart: Array, scores: Array) -> None:
        """Learn how restless a camera is, six hours late: a change found by then has taught nothing."""
        if slot % _EVERY:
            return
        if len(self.waiting) >= HOURS // _EVERY:
            old = self.waiting[0].astype(np.float64)
            bound = _CAPPED * np.sqrt(self._own)
            self.looks = min(self.looks + 1, _MEMORY)
            share = 1.0 / (_PRIOR + self.looks)
            self.unrest.learn(np.clip(old[: len(NAMES)], -bound, bound), share)
            heard = np.minimum(old[len(NAMES) :] ** 2, _CAPPED**2)
            self.loud += (share * (heard - self.loud)).astype(np.float32)
            self.waiting = self.waiting[1:]
        normal = scores / self.known.tails * RARE
        self.waiting = np.vstack([self.waiting, np.concatenate([apart, normal]).astype(np.float16)])

    def _told(self, slot: int, difference: Array, scores: Array) -> Change | None:
        beyond = scores / self.known.tails
        at = float((slot + 1) * SLOT_S)
        if self.standing is not None:
            chosen = self.standing.filter
            if beyond[chosen] < OVER * self.known.limit:
                self._over()
            elif at - self.standing.at <= HOURS * SLOT_S:  # the hours after it make it surer
                self.standing = self.standing._replace(
                    score=max(self.standing.score, float(scores[chosen])), slots=self.standing.slots + 1,
                    evidence=furthest(difference, NAMES, _SHOWN), causes=named(scores, self.known),
                )  # fmt: skip
            return None
        chosen = int(beyond.argmax())
        if beyond[chosen] < OVER * self.known.limit:
            self.quiet = slot
        if beyond[chosen] <= self.known.limit:
            return None
        since = float((max(self.quiet, slot - 4 * HOURS) - HOURS) * SLOT_S)
        score, limit = float(scores[chosen]), self.known.limit * float(self.known.tails[chosen])
        causes = named(scores, self.known)
        slots, self.waiting = len(self.template.slots), self.waiting[:0].copy()
        shown = furthest(difference, NAMES, _SHOWN)
        fall, days = self.known.fall, self.known.days
        self.standing = Change(at, since, score, limit, fall, days, chosen, slots, shown, causes)
        return self.standing

    def _over(self) -> None:
        """Let go: hours of both sides are no day of this camera's."""
        self.standing = None
        self.template.slots, self.template.window = self.template.slots[:0], self.template.window[:0]


def named(scores: Array, known: Taught) -> list[tuple[str, float]]:
    """Name the causes by their probability, the likeliest first: a Gaussian likelihood, tempered."""
    kinds = list(dict.fromkeys(known.kinds))
    best = np.array(
        [max(scores[place] for place, each in enumerate(known.kinds) if each == kind) for kind in kinds]
    )
    odds = np.exp(known.sharp * (np.maximum(best, 0.0) ** 2 - max(best.max(), 0.0) ** 2) / 2)
    odds = (1.0 - _UNSURE) * odds / odds.sum() + _UNSURE / len(odds)
    return [(kinds[place], float(odds[place])) for place in np.argsort(-odds)]
