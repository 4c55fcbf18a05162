"""Camera changes over coffee leaves, which the detector was never taught with.

    python -m bench.camera_leaves DATA

Simulates cameras over whole leaves on white paper and gives them to the detector as it ships: how often it
alarms falsely, what share of each size of change it finds within ten frames, and what it calls them.
"""

from __future__ import annotations

import copy
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from models.camera.isp import SIZES
from models.camera.named import named, printed
from models.camera.quick import Held
from models.camera.sources import leaves
from models.camera.streams import CAUSES, Stream, stream
from wardline.stats.camera_change.contrast import fleet
from wardline.stats.camera_change.online import Detector

WITHIN = 10


def judged(each: Stream) -> tuple[int, Counter[tuple[str, str]]]:
    """Return the false alarms over the clean frames, and what was found in time by cause and size."""
    detector, alarms = Detector(), 0
    for row in each.clean:
        alarms += detector.update(row) is not None
    found: Counter[tuple[str, str]] = Counter()
    for place, cause in enumerate(CAUSES):
        for number, size in enumerate(SIZES):
            later = copy.deepcopy(detector)
            seen = [later.update(row) is not None for row in each.after[place, number, :WITHIN]]
            found[cause, size] += any(seen)
    return alarms, found


def main() -> None:
    alarms = frames = 0
    found: Counter[tuple[str, str]] = Counter()
    cameras = leaves(Path(sys.argv[1]))
    held = []
    for seed, (name, picture) in enumerate(cameras):
        each = stream(name, picture, 1000 + seed)
        held.append(Held(each, fleet(), np.zeros(0), 0))
        falsely, told = judged(each)
        alarms, frames, found = alarms + falsely, frames + len(each.clean), found + told
        print(f"{name}: {falsely} false alarms", flush=True)
    print(f"{alarms} false alarms in {frames} clean frames of {len(cameras)} cameras")
    for cause in CAUSES:
        shares = (f"{size} {found[cause, size] / len(cameras):.2f}" for size in SIZES)
        print(f"{cause:20} found within {WITHIN} frames:", ", ".join(shares))
    mean = (np.mean([found[cause, size] / len(cameras) for cause in CAUSES]) for size in SIZES)
    print("all:", ", ".join(f"{size} {share:.2f}" for size, share in zip(SIZES, mean, strict=True)))
    printed(named(held))


if __name__ == "__main__":
    main()
