"""Teach the slow look at cameras: how far hours usually lie from other days, and what three changes do.

    python -m models.camera.hours DATA | DAYS.npz

simulates weeks over the real pictures under DATA (`models.camera.days`), or reads those made before, and
writes `src/wardline/stats/camera_change/hours.json`.
Limits are set on cameras that were left out of the rest.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from models.camera.days import A_DAY, CAUSES, simulate
from models.camera.streams import Stream, folds, read
from wardline.stats.camera_change.hours import CAMERA_DAYS, Hours, Taught, named
from wardline.stats.camera_change.template import HOURS, LEARNED_S, NAMES, SLOT_S, Template, toned

OUT = Path("src/wardline/stats/camera_change/hours.json")
Array = NDArray[np.float64]
_WEEK = LEARNED_S // SLOT_S
_BOTH = ("isp.white_balance", "isp.tone")
_LEAST = 0.01  # of a spread: what is mostly nought shall not shout when it is not
_CLIP = 4.0
_RARE = 0.99
_TAIL = 0.6  # of the limit: scores beyond it show how their tail falls


class Walk(NamedTuple):
    """How far one camera's hours lie from other days: clean (n, A), after changes (causes, sizes, n, A)."""

    clean: Array
    after: Array


def walk(each: Stream) -> Walk:
    """Follow a camera through its weeks, and from their end through each change."""
    template = Template()
    clean = _followed(template, toned(each.clean), 0)
    after = [
        [_followed(copy.deepcopy(template), toned(rows), len(clean)) for rows in sizes]
        for sizes in each.after
    ]
    return Walk(clean, np.array(after))


def _followed(template: Template, values: Array, first: int) -> Array:
    looks = (template.close(first + place, row) for place, row in enumerate(values))
    nothing = np.full(len(NAMES), np.nan)
    return np.array([nothing if apart is None else apart for apart in looks])


class Seen(NamedTuple):
    """A camera by what others taught: its looks in the fleet's units, the spread it had then, its scores.

    `watch` is as it is at the end.
    """

    apart: Array
    units: Array
    scores: Array
    watch: Hours


def seen(each: Walk, known: Taught) -> Seen:
    """Let a camera learn its own spread; give its looks from the end of its first week."""
    watch, apart, units, scores = Hours(known), [], [], []
    for place, look in enumerate(each.clean / known.usual):
        if np.isfinite(look).all():
            if place >= _WEEK:
                apart.append(look)
                units.append(watch.unit)
                scores.append(watch.scores(look))
            watch.learn(place, look)
    return Seen(np.array(apart), np.array(units), np.array(scores), watch)


def learned(every: list[Walk]) -> Taught:
    """Learn all but the limits."""
    size = len(NAMES)
    spread = [np.sqrt(np.mean(each.clean[_WEEK:] ** 2, axis=0)) for each in every]
    usual = np.maximum(np.median(spread, axis=0), _LEAST)
    blank = Taught(usual, np.eye(size), np.ones((1, size)), ("",), np.ones(1), 1.0, 1.0, 1.0)
    walked = [seen(each, blank) for each in every]
    drawn = [np.clip(each.apart / each.units, -_CLIP, _CLIP) for each in walked]
    covariance = np.mean([each.T @ each / len(each) for each in drawn], axis=0)
    wanted, kinds = list[Array](), list[str]()
    for place, cause in enumerate(CAUSES):
        moved = np.concatenate([
            np.clip(each.after[place, 1:, HOURS - 1] / usual / other.watch.unit, -10.0, 10.0)
            for each, other in zip(every, walked, strict=True)
        ])  # fmt: skip
        axis = np.linalg.svd(moved, full_matrices=False)[2][0]
        mean = (moved * np.sign(moved @ axis)[:, None]).mean(axis=0)
        mean *= np.sign(mean @ moved.mean(axis=0))
        signs = (1.0, -1.0) if cause in _BOTH else (1.0,)
        wanted, kinds = wanted + [sign * mean for sign in signs], kinds + [cause] * len(signs)
    return blank._replace(
        covariance=covariance, wanted=np.array(wanted), kinds=tuple(kinds), tails=np.ones(len(kinds))
    )


class Held(NamedTuple):
    """A camera that was left out, and what the others taught."""

    stream: Stream
    walk: Walk
    known: Taught
    seen: Seen
    fold: int


def crossed(every: list[Stream]) -> list[Held]:
    """Judge every camera by what the others taught, with the limits that the other folds' cameras set."""
    walks = {id(each): walk(each) for each in every}
    held = []
    for fold, (shown, left) in enumerate(folds(every)):
        known = learned([walks[id(each)] for each in shown])
        for each in left:
            one = walks[id(each)]
            held.append(Held(each, one, known, seen(one, known), fold))
    limits = {fold: limited(held, fold) for fold in {each.fold for each in held}}
    return [each._replace(known=each.known._replace(**limits[each.fold])) for each in held]


def limited(held: list[Held], fold: int | None = None) -> dict[str, object]:
    """Set tails, limit, fall and sharpness on cameras left out, but not on those of this fold."""
    others = [each for each in held if each.fold != fold]
    tails = np.quantile(np.concatenate([each.seen.scores for each in others]), _RARE, axis=0)
    beyond = [(each.seen.scores / tails).max(axis=1) for each in others]
    limit = limit_for(beyond)
    high = np.concatenate(beyond) / limit
    high = high[high > _TAIL] - _TAIL
    return {"tails": tails, "limit": limit, "fall": 1.0 / high.mean(), "sharp": sharpness(others)}


def limit_for(clean: list[Array]) -> float:
    """Return the least limit with one alarm in `CAMERA_DAYS`; alarms are a day apart."""
    days = sum(map(len, clean)) / A_DAY
    for limit in np.arange(0.5, 5.0, 0.01).tolist():
        if sum(alarms(each, limit) for each in clean) <= days / CAMERA_DAYS:
            return float(limit)
    return 5.0


def alarms(beyond: Array, limit: float) -> int:
    """Count the days apart on which scores pass the limit."""
    count, last = 0, -2 * A_DAY
    for place in np.flatnonzero(beyond > limit).tolist():
        count, last = count + (place - last > A_DAY), place
    return count


def sharpness(held: list[Held]) -> float:
    """Fit how surely scores tell causes apart, by the likelihood of the true ones: medium, large changes."""
    drawn = [
        (each.seen.watch.scores(changed / each.known.usual), each.known, cause)
        for each in held
        for place, cause in enumerate(CAUSES)
        for changed in each.walk.after[place, 1:, HOURS - 1]
    ]

    def loss(sharp: float) -> float:
        return -sum(
            np.log(max(dict(named(scores, known._replace(sharp=sharp)))[cause], 1e-9))
            for scores, known, cause in drawn
        )

    return float(minimize_scalar(loss, bounds=(0.01, 2.0), method="bounded", options={"xatol": 0.01}).x)


def main() -> None:
    given = Path(sys.argv[1])
    every = read(given) if given.is_file() else simulate(given)
    limits = limited(crossed(every))
    known = learned([walk(each) for each in every])._replace(**limits)
    tree = {
        name: _rounded(value) if isinstance(value, np.ndarray) else value
        for name, value in known._asdict().items()
    }
    OUT.write_text(json.dumps(tree) + "\n")
    print(f"limit {known.limit:.2f}, fall {known.fall:.1f}, sharp {known.sharp:.2f}")


def _rounded(value: NDArray[np.float64]) -> object:
    return [_rounded(each) for each in value] if value.ndim > 1 else [float(f"{each:.5g}") for each in value]


if __name__ == "__main__":
    main()
