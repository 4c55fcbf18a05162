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
from wardline.stats.camera_change.hours import CAMERA_DAYS, OVER, Hours, Taught, named
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
    """How far one camera's last hours lie from other days, slot by slot.

    Clean (n, HOURS, A), and after changes (causes, sizes, n, HOURS, A).
    """

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
    looks = np.full((len(values), HOURS, len(NAMES)), np.nan, np.float32)
    for place, row in enumerate(values):
        rest = template.close(first + place, row)
        if rest is not None:
            looks[place] = rest[:, : len(NAMES)]
    return looks


class Seen(NamedTuple):
    """A camera by what others taught: its looks in the fleet's units, its spread then, its scores.

    `watch` is as it is at the end; `first` is the first look that is judged.
    """

    apart: Array
    units: Array
    scores: Array
    first: int
    watch: Hours


def seen(each: Walk, known: Taught) -> Seen:
    """Let a camera learn its own spread; give its looks, and which of them ends its first week."""
    watch, apart, units, scores, first = Hours(known), [], [], [], 0
    for place, rest in enumerate(each.clean / known.usual):
        look = rest.mean(axis=0)
        if np.isfinite(look).all():
            first += place < _WEEK
            apart.append(look)
            units.append(watch.unit)
            scores.append(watch.scores(rest))
            watch.learn(place, look, scores[-1])
    return Seen(np.array(apart), np.array(units), np.array(scores), first, watch)


def heard(each: Seen, tails: Array) -> Array:
    """Give the scores that are judged, in `tails`, as a camera has them that learns how loud they are."""
    known = each.watch.known._replace(tails=tails)
    watch, beyond = Hours(known), []
    for place, raw in enumerate(each.scores):
        beyond.append(raw / tails / np.sqrt(np.maximum(watch.loud, 1.0)))
        watch.learn(place, np.zeros(len(NAMES)), raw)
    return np.array(beyond[each.first :])


def learned(every: list[Walk]) -> Taught:
    """Learn all but the limits."""
    size = len(NAMES)
    spread = [np.sqrt(np.mean(each.clean[_WEEK:].mean(axis=1) ** 2, axis=0)) for each in every]
    usual = np.maximum(np.median(spread, axis=0), _LEAST)
    blank = Taught(usual, np.eye(size), np.ones((1, size)), ("",), np.ones(1), 1.0, 1.0, 1.0)
    walked = [seen(each, blank) for each in every]
    drawn = [np.clip(each.apart / each.units, -_CLIP, _CLIP)[each.first :] for each in walked]
    covariance = np.mean([each.T @ each / len(each) for each in drawn], axis=0)
    wanted, kinds = list[Array](), list[str]()
    for place, cause in enumerate(CAUSES):
        moved = np.concatenate([
            np.clip(each.after[place, 1:, HOURS - 1].mean(axis=1) / usual / other.watch.unit, -10.0, 10.0)
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
    """Judge every camera by what the others taught; limits are still to be set."""
    walks = {id(each): walk(each) for each in every}
    held = []
    for fold, (shown, left) in enumerate(folds(every)):
        known = learned([walks[id(each)] for each in shown])
        for each in left:
            one = walks[id(each)]
            held.append(Held(each, one, known, seen(one, known), fold))
    return held


def bounded(held: list[Held]) -> list[Held]:
    """Give each camera the limits that the other folds' cameras set."""
    limits = {fold: limited(held, fold) for fold in {each.fold for each in held}}
    return [each._replace(known=each.known._replace(**limits[each.fold])) for each in held]


def limited(held: list[Held], fold: int | None = None) -> dict[str, object]:
    """Set tails, limit, fall and sharpness on cameras left out, but not on those of this fold."""
    others = [each for each in held if each.fold != fold]
    clean = np.concatenate([each.seen.scores[each.seen.first :] for each in others])
    tails = np.quantile(clean, _RARE, axis=0)
    beyond = [heard(each.seen, tails).max(axis=1) for each in others]
    limit = limit_for(beyond)
    high = np.concatenate(beyond) / limit
    high = high[high > _TAIL] - _TAIL
    return {"tails": tails, "limit": limit, "fall": 1.0 / high.mean(), "sharp": sharpness(others)}


def limit_for(clean: list[Array]) -> float:
    """Return the least limit with one alarm in `CAMERA_DAYS`."""
    allowed = sum(map(len, clean)) / A_DAY / CAMERA_DAYS
    limit = max(float(each.max()) for each in clean)
    while sum(alarms(each, limit - 0.01) for each in clean) <= allowed:
        limit -= 0.01
    return round(limit, 2)


def alarms(beyond: Array, limit: float) -> int:
    """Count how often scores pass the limit; what has begun is over when they are as before."""
    count, standing = 0, False
    for score in beyond.tolist():
        if standing:
            standing = score >= OVER * limit
        elif score > limit:
            count, standing = count + 1, True
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
