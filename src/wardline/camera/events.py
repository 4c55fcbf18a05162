"""The answer about a folder of frames: its events with their evidence, in sentences and as one tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from wardline.camera.folder import Refused, Seen
from wardline.camera.grouping import Group
from wardline.cameras import SCENE, TOLD
from wardline.stats.image import Statistics

Verdict = Literal["ok", "warn", "alert", "insufficient"]
_WORDS = {
    "codec.requantised": "the files are compressed in another way",
    "isp.sharpening": "pictures are sharpened differently",
    "isp.denoise": "noise is smoothed differently",
    "isp.white_balance": "colours are balanced differently",
    "isp.tone": "the tone curve is another",
    "isp.black_level": "the black level moved",
    "sensor.noise": "the sensor's noise is another",
    "optics.focus": "the focus moved",
    "optics.dirt": "something lies on the lens",
    "geometry.resolution": "pictures have another size or were rescaled",
    "geometry.view": "the camera looks elsewhere",
    "identity.firmware": "the files name other firmware or software",
    "identity.model": "the files name another camera",
    "light.night": "the camera went to night mode",
    "scene.season": "the scene changed as seasons do",
}


class Evidence(NamedTuple):
    """One number before and after. `effect` is in units of the camera's own unrest, None for headers."""

    subject: str
    before: float | str
    after: float | str
    effect: float | None


class Event(NamedTuple):
    """One change. `place` is the first affected frame, `stop` the first unaffected one again.

    `within` are the frames between which it began. `sure` is the probability of `kind` given that something
    changed; `instead` the next best explanation and its own. `p_value` is the share of unchanged series
    that look as changed as this; a header that was never seen has none, it is a fact.
    """

    kind: str
    place: int
    stop: int
    within: tuple[int, int]
    sure: float
    instead: tuple[str, float] | None
    p_value: float | None
    effect: float
    evidence: tuple[Evidence, ...]
    day: bool = False

    @property
    def severity(self) -> str:
        """`info` for what happens before the camera, else how bad it is."""
        return "info" if self.kind in SCENE else "warn" if self.kind in TOLD else "alert"


class Review(NamedTuple):
    """The whole answer."""

    verdict: Verdict
    events: list[Event]
    groups: list[Group]
    frames: list[Seen]
    refused: list[Refused]
    reference: int
    """Frames of the reference folder; 0 where the folder is its own."""


def explained(event: Event) -> str:
    """Say an event in one sentence."""
    shown = "; ".join(
        f"{each.subject} {_said(each.before)} → {_said(each.after)}" for each in event.evidence[:3]
    )
    other = "" if event.instead is None else f" Next best: {event.instead[0]} ({event.instead[1]:.0%})."
    sure = f"{event.sure:.0%} sure{', from a day of frames' if event.day else ''}"
    return f"{_WORDS[event.kind].capitalize()} ({sure}): {shown}.{other}"


def _said(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def tree(reviewed: Review) -> dict[str, Any]:
    """Return the review for programs: DESIGN's one object with verdict and events."""
    return {
        "verdict": reviewed.verdict,
        "frames": len(reviewed.frames),
        "reference_frames": reviewed.reference,
        "refused": [each._asdict() for each in reviewed.refused],
        "groups": [
            {**each._asdict(), "first_file": reviewed.frames[each.first].file} for each in reviewed.groups
        ],
        "events": [_event(each, reviewed.frames) for each in reviewed.events],
        "statistics": _summary(reviewed.frames),
    }  # fmt: skip


def _event(event: Event, frames: Sequence[Seen]) -> dict[str, Any]:
    first, ended = frames[event.place], event.stop < len(frames)
    taken, back = first.taken, frames[event.stop] if ended else None
    low, high = max(event.within[0] - 1, 0), event.within[1]
    other = event.instead
    return {
        "at": taken.isoformat() if taken is not None else event.place,
        "file": first.file,
        "index": event.place,
        "until": None if back is None else (back.taken.isoformat() if back.taken is not None else event.stop),
        "until_index": event.stop if ended else None,
        "until_file": back.file if back is not None else None,
        "between": {"files": [frames[low].file, frames[high].file], "indices": [low, high]},
        "subjects": list(dict.fromkeys(each.subject for each in event.evidence)),
        "kind": event.kind,
        "severity": event.severity,
        "effect": round(event.effect, 2),
        "p_value": event.p_value,
        "confidence": round(event.sure, 3),
        "from_day": event.day,
        "instead": None if other is None else {"kind": other[0], "confidence": round(other[1], 3)},
        "evidence": [_evidence(each) for each in event.evidence],
        "explanation": explained(event),
    }  # fmt: skip


def _evidence(each: Evidence) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in each._asdict().items()}


def _summary(frames: Sequence[Seen]) -> dict[str, dict[str, float | None]]:
    """Say where each statistic lies: its 5th, 50th and 95th percentile."""
    if not frames:
        return {}
    table = np.array([each.statistics for each in frames], np.float64)
    summary: dict[str, dict[str, float | None]] = {}
    for name, column in zip(Statistics._fields, table.T, strict=True):
        good = column[np.isfinite(column)]
        levels = np.percentile(good, [5, 50, 95]).tolist() if good.size else [None] * 3
        summary[name] = dict(zip(("p5", "p50", "p95"), levels, strict=True))
    return summary
