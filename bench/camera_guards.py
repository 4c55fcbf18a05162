"""How often the guards over frames warn of frames that nothing happened to, but light, weather and season.

    python -m bench.camera_guards DATA

Real frames, each judged by a reference of its own camera that has not seen it: learned from every other
frame (every time of day or year is known), or from the first part of them (an hour or a season is new).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.camera_cost import Judge
from wardline.camera import Frame, Frames
from wardline.camera.features import measured
from wardline.camera.folder import listed
from wardline.cameras import Cameras, Enrolment
from wardline.stats.image import view
from wardline.verdict import Severity

WHO = {"camera": "a", "firmware": "1"}
FOLDERS = {
    "phenology, a year at noon": "phenocam_images/dukehw_2015",
    "marsh, dusk to day": "marsh_fixed_camera_2012",
    "leaves, close-ups": "coffee_leaf/symptom/val",
}


def admitted(folder: Path) -> list[Frame]:
    contract = Frames(Frame, examples=[WHO])
    found = [contract.admit({"picture": file.read_bytes(), **WHO}) for file in listed(folder)]
    return [each.rows[0] for each in found if not each.rejects]


def learned(frames: Sequence[Frame]) -> Judge:
    enrolment = Enrolment("a")
    for frame in frames:
        enrolment.add(frame.statistics, frame.header, "1", view(frame.sampled))
    return Judge(Cameras({"a": enrolment.reference()}))


def warned(judge: Judge, frames: Sequence[Frame]) -> Counter[tuple[str, str]]:
    """Count the findings that are not ok, by guard and reason."""
    found: Counter[tuple[str, str]] = Counter()
    for frame in frames:
        for finding in judge(frame, measured(frame)):
            if finding.severity is not Severity.OK:
                found[finding.guard, f"{finding.reason} {finding.subject}"] += 1
    return found


def told(name: str, how: str, judge: Judge, frames: Sequence[Frame]) -> None:
    found = warned(judge, frames)
    by_guard = Counter[str]()
    for (guard, _), count in found.items():
        by_guard[guard] += count
    shares = ", ".join(f"{each.name} {by_guard[each.name] / len(frames):.2f}" for each in judge.guards)
    print(f"{name}; {how}; {len(frames)} frames: {shares}")
    for (guard, reason), count in found.most_common(8):
        print(f"    {guard}: {reason}, {count}")


def main() -> None:
    data = Path(sys.argv[1])
    for name, folder in FOLDERS.items():
        frames = admitted(data / folder)
        half = len(frames) // 2
        told(name, "learned from every other frame", learned(frames[::2]), frames[1::2])
        told(name, "learned from the first half", learned(frames[:half]), frames[half:])
        order = np.random.default_rng(0).permutation(len(frames))
        mixed = [frames[place] for place in order]
        told(
            name,
            "learned from a random three quarters",
            learned(mixed[: 3 * half // 2]),
            mixed[3 * half // 2 :],
        )


if __name__ == "__main__":
    main()
