"""The monitor's slow look at cameras, on simulated weeks: what is found of tone and colour, and how soon.

    python -m models.camera.days DATA DAYS.npz
    python -m bench.camera_days DAYS.npz

Every frame goes through `stats.camera_change.hours.Hours` as in the monitor, by what other cameras taught,
with a limit that other cameras set. Changes begin after two weeks. A false alarm is an event on clean frames.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.camera.days import A_DAY, CAUSES
from models.camera.hours import Held, crossed
from models.camera.streams import read
from wardline.stats.camera_change.hours import Change, Hours
from wardline.stats.camera_change.template import LEARNED_S, SLOT_S

HOURS = (6, 12, 24)
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
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        print("needs a file of days: python -m models.camera.days DATA DAYS.npz")
        return
    every = crossed(read(Path(sys.argv[1])))
    results = [judged(each) for each in every]
    days = sum(len(each.stream.clean) - LEARNED_S / SLOT_S for each in every) / A_DAY
    print(f"{sum(false for false, _ in results)} false alarms in {days:.0f} camera-days")
    slots = np.array([[[one.slot for one in row] for row in found] for _, found in results])
    for cause, kind in enumerate(CAUSES):
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


if __name__ == "__main__":
    main()
