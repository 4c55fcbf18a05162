"""The monitor's slow look at cameras, on simulated weeks: what is found of tone and colour, and how soon.

    python -m models.camera.days DATA DAYS.npz
    python -m models.camera.day_after DATA DAY_AFTER.npz
    python -m bench.camera_days DAYS.npz [DAY_AFTER.npz STREAMS.npz]

Every frame goes through `stats.camera_change.hours.Hours` as in the monitor, by what other cameras taught,
with a limit that other cameras set. Changes begin after two weeks. A false alarm is an event on clean frames.
With days after changes it prints, too, how well the thirteen causes are told apart by a whole day.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.camera import day
from models.camera.day import Naming
from models.camera.days import A_DAY, CAUSES
from models.camera.hours import Held, bounded, crossed
from models.camera.streams import read
from wardline.stats.camera_change.hours import CAMERA_DAYS, Change, Hours
from wardline.stats.camera_change.template import LEARNED_S, SLOT_S

HOURS = (6, 12, 24)
A_MINUTE = 1440
RATES = (CAMERA_DAYS, 14.0, 7.0, 3.5)
"""Camera-days between false alarms: as it ships, and down to one in 5,000 frames of a frame a minute."""

SIZES = ("small", "medium", "large")


class Found(NamedTuple):
    """What was found of one change: in which slot after it (A_DAY: not that day), its cause, its interval."""

    slot: int
    named: str
    within: bool


def judged(each: Held) -> tuple[int, list[list[Found]]]:
    """Watch one camera left out; return its false alarms and what was found, by cause and size."""
    clean = each.stream.clean.astype(np.float64)
    watch = Hours(each.known)
    false = told(watch, clean, 0)
    watch.standing = None  # a change comes on a camera that nothing stands against
    found = []
    for sizes in each.stream.after:
        row = []
        for rows in sizes:
            later = np.vstack([rows, rows[-1:]]).astype(np.float64)
            row.append(_found(told(copy.deepcopy(watch), later, len(clean)), len(clean)))
        found.append(row)
    return len(false), found


def told(watch: Hours, rows: NDArray[Any], first: int) -> list[tuple[int, Change]]:
    """Take frames from slot `first` on; give the changes told, by place among them.

    A slot is judged when the next frame comes; the last of `rows` only closes the one before.
    """
    found = []
    for place, row in enumerate(rows):
        change = watch.update(row, float((first + place) * SLOT_S + 1))
        if change is not None:
            found.append((place - 1, change))
    return found


def _found(changes: list[tuple[int, Change]], began: int) -> Found:
    if not changes:
        return Found(A_DAY, "", False)
    place, change = changes[0]
    return Found(place, change.causes[0][0], change.since <= began * SLOT_S <= change.at)


def main() -> None:
    if len(sys.argv) < 2 or not all(Path(each).is_file() for each in sys.argv[1:]):
        print("needs a file of days: python -m models.camera.days DATA DAYS.npz")
        return
    held = bounded(crossed(read(Path(sys.argv[1]))))
    for days in RATES:
        report([each._replace(known=each.known.declared(days)) for each in held], days)
    if len(sys.argv) > 2:
        told_by_day(day.crossed(*(read(Path(each)) for each in sys.argv[2:4])))


def report(every: list[Held], rate: float) -> None:
    """Print what is found at one declared rate of false alarms."""
    results = [judged(each) for each in every]
    days = sum(len(each.stream.clean) - LEARNED_S / SLOT_S for each in every) / A_DAY
    print(
        f"declared: one false alarm in {rate:g} camera-days, {rate * A_MINUTE:,.0f} frames at one a minute; "
        f"{sum(false for false, _ in results)} in {days:.0f} camera-days"
    )
    slots = np.array([[[one.slot for one in row] for row in found] for _, found in results])
    for cause, kind in [*enumerate(CAUSES), (slice(None), "all three")]:
        rates = (
            " ".join(f"{np.mean(slots[:, cause, size] < hours * 3):.2f}" for size in range(len(SIZES)))
            for hours in HOURS
        )
        print(f"  {kind:18} small, medium, large after 6, 12, 24 h:", " | ".join(rates))
    seen = [
        (CAUSES[cause], one)
        for _, found in results
        for cause, row in enumerate(found)
        for one in row[1:]
        if one.slot < A_DAY
    ]
    named, within = np.mean([(one.named == kind, one.within) for kind, one in seen], axis=0)
    print(
        f"  of {len(seen)} medium and large found in a day {named:.2f} are named right at once, "
        f"{within:.2f} began in the interval told"
    )


def told_by_day(found: list[Naming]) -> None:
    """Print how often a day names its cause, how sure it is, and what is taken for what."""
    right = np.array([each.causes[0][0] == each.cause for each in found])
    second = np.array([each.cause in dict(each.causes[:2]) for each in found])
    sizes = np.array([each.size for each in found])
    print(
        f"from a day of frames {right.mean():.2f} of {len(found)} medium and large changes are named right "
        f"(medium {right[sizes == 0].mean():.2f}, large {right[sizes == 1].mean():.2f}), "
        f"{second.mean():.2f} among the first two"
    )
    sure = np.array([each.causes[0][1] for each in found])
    for low, high in ((0.0, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 1.01)):
        chosen = (sure >= low) & (sure < high)
        few, well = chosen.mean(), right[chosen].mean()
        print(f"  {low:.2f} to {min(high, 1):.2f} sure: {few:.2f} of them, {well:.2f} right")
    kinds = list(dict.fromkeys(each.cause for each in found))
    for kind in kinds:
        named = [each.causes[0][0] for each in found if each.cause == kind]
        print(f"  {kind:20}", *(f"{named.count(other):3d}" for other in kinds))


if __name__ == "__main__":
    main()
