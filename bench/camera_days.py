"""Tone and colour against the same light and the same hour of a camera's own days: what hours of frames show.

    python -m models.camera.days DATA DAYS.npz
    python -m bench.camera_days DAYS.npz

A week teaches how each statistic of tone and colour follows light and the time of day. What is left over is
averaged over hours. The yardstick is how far such averages lie apart from day to day, this camera's in its
week and the fleet's together; matched filters for the three changes follow. Cameras that are judged are left
out of everything, the limit too. The monitor does not look this way yet: these are the figures to reach.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.camera.days import A_DAY, CAUSES
from models.camera.streams import Stream, folds, read
from wardline.stats.camera_change.vector import NAMES, vectors

Array = NDArray[np.float64]
COLOUR = (
    "black", "white", "tone_dark", "tone_mid", "tone_bright", "gain_red", "gain_blue", "bright_red",
    "bright_blue", "dark_red", "dark_blue", "saturation", "chroma", "channel_correlation",
)  # fmt: skip
PLACES = [NAMES.index(name) for name in COLOUR]
LEARNED = 7 * A_DAY
CAMERA_DAYS = 30
"""Days of one camera between two false alarms."""

_RIDGE, _SHRUNK, _STEP = 2.0, 0.7, 5.0


class Left(NamedTuple):
    """One camera: what is left over of its clean frames and of each change (causes, sizes, n, C)."""

    clean: Array
    after: Array
    own: Array


def design(light: Array, first: int) -> Array:
    """Return what tone and colour may follow: light, its squares, two harmonics of the day."""
    turn = 2 * np.pi * ((first + np.arange(len(light))) % A_DAY) / A_DAY
    parts = [np.ones(len(light)), light, light**2, light[:, :1] * light[:, 1:]]
    return np.column_stack([*parts, np.cos(turn), np.sin(turn), np.cos(2 * turn), np.sin(2 * turn)])


def means(values: Array, frames: int) -> Array:
    """Average over so many frames, at each frame."""
    sums = np.vstack([np.zeros(values.shape[1]), values.cumsum(axis=0)])
    return np.asarray((sums[frames:] - sums[:-frames]) / frames)


def left(each: Stream, frames: int) -> Left:
    """Learn a camera's first week; return averages of what light and hour do not explain."""
    compared, light = vectors(each.clean)
    compared, X = np.nan_to_num(compared[:, PLACES]), design(light, 0)
    ridge = np.diag([0.0] + [_RIDGE] * (X.shape[1] - 1))
    week = X[:LEARNED]
    follows = np.linalg.solve(week.T @ week + ridge, week.T @ compared[:LEARNED])
    clean = means(compared - X @ follows, frames)
    after = np.empty((*each.after.shape[:2], A_DAY - frames + 1, len(PLACES)))
    for cause, sizes in enumerate(each.after):
        for size, rows in enumerate(sizes):
            changed, lit = vectors(rows)
            rest = np.nan_to_num(changed[:, PLACES]) - design(lit, len(each.clean)) @ follows
            after[cause, size] = means(rest, frames)
    own = np.sqrt(np.mean(clean[: LEARNED - frames + 1] ** 2, axis=0))
    return Left(clean[LEARNED:], after, own)


def judged(shown: list[Left], held: list[Left]) -> tuple[list[Array], list[Array]]:
    """Score cameras by what others taught: their clean averages, and those after each change."""
    spread = [np.sqrt(np.mean(each.clean**2, axis=0)) for each in shown]
    usual = np.median(spread, axis=0)
    wider = np.median([own / each.own for own, each in zip(spread, shown, strict=True)], axis=0)

    def unit(each: Left) -> Array:
        return np.sqrt(0.5 * (each.own * wider) ** 2 + 0.5 * usual**2)

    z = np.concatenate([np.clip(each.clean[::3] / unit(each), -_STEP, _STEP) for each in shown])
    covariance = z.T @ z / len(z)
    covariance = (1 - _SHRUNK) * covariance + _SHRUNK * np.diag(np.diag(covariance))
    precision, wanted = np.linalg.inv(covariance), []
    for cause in range(len(CAUSES)):
        moved = np.concatenate([each.after[cause, 1:, -1] - each.clean[-1] for each in shown]) / usual
        axis = np.linalg.svd(moved, full_matrices=False)[2][0]
        mean = (moved * np.sign(moved @ axis)[:, None]).mean(axis=0) * usual
        wanted += [mean, -mean]
    clean, after = [], []
    for each in held:
        goal = np.array(wanted) / unit(each)
        weights = goal @ precision
        length = np.sqrt(np.sum(weights * goal, axis=1))
        for given, scores in ((each.clean, clean), (each.after, after)):
            scores.append((np.clip(given / unit(each), -_STEP, _STEP) @ weights.T / length).max(axis=-1))
    return clean, after


def limit_for(clean: list[Array]) -> float:
    """Return the least limit with one alarm in `CAMERA_DAYS`; alarms are a day apart."""
    days = sum(map(len, clean)) / A_DAY
    for limit in np.arange(1.0, 20.0, 0.05).tolist():
        if alarms(clean, limit) <= days / CAMERA_DAYS:
            return limit
    return 20.0


def alarms(clean: list[Array], limit: float) -> int:
    count = 0
    for each in clean:
        last = -2 * A_DAY
        for place in np.flatnonzero(each > limit).tolist():
            count, last = count + (place - last > A_DAY), place
    return count


def main() -> None:
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        print("needs a file of days: python -m models.camera.days DATA DAYS.npz")
        return
    every = read(Path(sys.argv[1]))
    parts = folds(every)
    for hours in (6, 12, 24):
        frames = hours * A_DAY // 24
        scores = [
            judged(*([left(each, frames) for each in some] for some in (shown, held)))
            for shown, held in parts
        ]
        told, false, days = [], 0, 0.0
        for place, (clean, after) in enumerate(scores):
            limit = limit_for(
                [each for other, (some, _) in enumerate(scores) if other != place for each in some]
            )
            false, days = false + alarms(clean, limit), days + sum(map(len, clean)) / A_DAY
            told += [each[:, :, 0] > limit for each in after]
        print(f"{hours} h: {false} false alarms in {days:.0f} camera-days")
        for cause, rates in zip(CAUSES, np.mean(told, axis=0), strict=True):
            print(f"  {cause:18} small, medium, large", *(f"{rate:.2f}" for rate in rates))


if __name__ == "__main__":
    main()
