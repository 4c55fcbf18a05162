"""Cameras, one by one, from the log's records: what changed, since when, and whether it is over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from wardline.health import Held
from wardline.stats.camera_change.online import Alarm, Detector, evidence
from wardline.stats.image import Statistics

_FEATURES = tuple(f"feature.{name}" for name in Statistics._fields)
COLUMNS = ("time", "camera", "firmware", "feature.encoder", "feature.width", "feature.height", *_FEATURES)
"""The columns of the log that `Watch` reads."""

_LEARNED = 8  # frames after which what a camera wrote so far is its habit
_MOST = 8  # encoders, firmwares and sizes that one camera may have
_SCENE = ("light.night", "scene.season")  # what happens before the camera holds nothing


class CameraEvent(msgspec.Struct, frozen=True):
    """One change of one camera. It was seen at `at` and began after `since`, seconds since the epoch.

    `confidence` is the probability of `kind` given that something changed, `instead` the next best
    explanation with its own. `until` is when it ended, 0 while it lasts. `evidence` names statistics with
    how far they moved, in units of the camera's own unrest; for headers the old and the new value.
    """

    camera: str
    kind: str
    at: float
    since: float
    confidence: float
    instead: tuple[str, float] | None = None
    score: float = 0.0
    threshold: float = 0.0
    evidence: tuple[tuple[str, float | str, float | str], ...] = ()
    until: float = 0.0


class _Habit:
    """What a camera was seen to write: a few values, each with its last run."""

    def __init__(self, kind: str, subject: str) -> None:
        self.kind, self.subject = kind, subject
        self.known: list[Any] = []
        self.frames = 0
        self.open: CameraEvent | None = None

    def see(self, camera: str, value: Any, at: float, before: float) -> CameraEvent | None:
        """Take one frame's value; an event where it is new, or where what was known has come back."""
        if value in self.known:
            self.frames += 1
            if self.open is not None:
                ended, self.open = msgspec.structs.replace(self.open, until=at), None
                return ended
            return None
        if self.frames < _LEARNED:
            self.known = [*self.known, value][-_MOST:]
            self.frames += 1
            return None
        if self.open is not None:
            return None
        shown = ((self.subject, str(self.known[-1]), str(value)),)
        self.open = CameraEvent(camera, self.kind, at, before, 0.99, None, 1.0, 1.0, shown)
        return self.open


class _Camera:
    """One camera's state, under 16 KiB."""

    def __init__(self) -> None:
        self.detector = Detector()
        self.habits = (
            _Habit("codec.requantised", "encoder"), _Habit("identity.firmware", "firmware"),
            _Habit("geometry.resolution", "size"),
        )  # fmt: skip
        self.times: list[float] = []
        self.open: CameraEvent | None = None
        self.moved: np.ndarray[Any, np.dtype[np.float64]] | None = None

    def physical(self, camera: str, alarm: Alarm, at: float) -> CameraEvent | None:
        """Turn an alarm into an event; one that undoes the last ends it."""
        if self.open is not None and self.moved is not None:
            undone = float(alarm.difference @ self.moved)
            if undone < -0.5 * float(np.linalg.norm(alarm.difference) * np.linalg.norm(self.moved)):
                ended, self.open = msgspec.structs.replace(self.open, until=at), None
                return ended
        (kind, sure), other = alarm.causes[:2]
        began = self.times[max(0, len(self.times) - 1 - (alarm.at - alarm.since))]
        shown = tuple((name, 0.0, effect) for name, effect in evidence(alarm))
        event = CameraEvent(camera, kind, at, began, sure, other, alarm.score, alarm.threshold, shown)
        self.open, self.moved = event, alarm.difference
        return event


class Watch:
    """Follows every camera of a gate through its records, in bounded memory.

    Choose it for gates over frames. Headers speak at once: an encoder, firmware or size that a camera never
    wrote in its first frames. Pixels take a few frames, at the run length that `stats.camera_change.online`
    declares. At most `room` cameras are remembered; the ones longest unseen are forgotten first.
    """

    def __init__(self, room: int = 1024) -> None:
        self._room = room
        self._cameras: OrderedDict[str, _Camera] = OrderedDict()

    def take(self, columns: Mapping[str, Sequence[Any]]) -> Iterator[CameraEvent]:
        """Take records, oldest first, as columns named as in `COLUMNS`; give what began and what ended.

        `time` is in seconds since the epoch.
        """
        table = np.column_stack([np.asarray(columns[name], np.float64) for name in _FEATURES])
        for place, camera in enumerate(columns["camera"]):
            if camera and np.isfinite(table[place, 0]):
                size = f"{columns['feature.width'][place]:g} x {columns['feature.height'][place]:g}"
                values = columns["feature.encoder"][place], columns["firmware"][place], size
                yield from self._frame(str(camera), float(columns["time"][place]), values, table[place])

    def _frame(
        self, camera: str, at: float, values: tuple[Any, ...], row: np.ndarray[Any, np.dtype[np.float64]]
    ) -> Iterator[CameraEvent]:
        known = self._cameras.setdefault(camera, _Camera())
        self._cameras.move_to_end(camera)
        if len(self._cameras) > self._room:
            self._cameras.popitem(last=False)
        before = known.times[-1] if known.times else at
        known.times = [*known.times[-15:], at]
        for habit, value in zip(known.habits, values, strict=True):
            event = habit.see(camera, value, at, before)
            if event is not None:
                yield event
        alarm = known.detector.update(row)
        if alarm is not None:
            found = known.physical(camera, alarm, at)
            if found is not None:
                yield found

    def open(self) -> list[CameraEvent]:
        """List what changed and has not ended, by camera."""
        return [
            event
            for each in self._cameras.values()
            for event in (*(habit.open for habit in each.habits), each.open)
            if event is not None
        ]

    def settle(self, camera: str) -> None:
        """Forget what was known of a camera: it was enrolled anew, and what it does now is normal."""
        self._cameras.pop(camera, None)

    def holds(self, *, sure: float = 0.5) -> tuple[Held, ...]:
        """Say which cameras may not be trusted: those whose change lasts and is no night and no season."""
        return tuple(
            Held("", f"camera:{each.camera}:{each.kind}", each.kind, "block", "camera", each.camera)
            for each in self.open()
            if each.kind not in _SCENE and (each.kind != "identity.firmware") and each.confidence >= sure
        )
