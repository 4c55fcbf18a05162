"""Cameras, one by one, from the log's records: what changed, since when, and whether it is over."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.cameras import SCENE, TOLD
from wardline.health import Held
from wardline.monitor.camera_habits import CameraEvent, Habit, Range
from wardline.monitor.camera_hours import Slow
from wardline.stats.camera_change.online import Alarm, Detector, evidence
from wardline.stats.image import Statistics

_FEATURES = tuple(f"feature.{name}" for name in Statistics._fields)
COLUMNS = (
    "time", "camera", "firmware", "feature.encoder", "feature.level", "feature.width", "feature.height",
    *_FEATURES,
)  # fmt: skip
"""The columns of the log that `Watch` reads."""

STEP_S = 50.0
"""Seconds between two frames whose pixels are looked at, at least: a faster camera is thinned.

The run length of alarms is declared in frames; this makes it one in three days of a camera or rarer. A
camera of a frame a minute is judged by all of them, whatever its clock's jitter.
"""


class Camera:
    """One camera's state, under 16 KiB."""

    __slots__ = ("detector", "habits", "last", "moved", "open", "slow", "times")

    def __init__(self) -> None:
        self.detector = Detector()
        self.slow = Slow()
        self.habits = (
            Habit("codec.requantised", "encoder"), Habit("identity.firmware", "firmware"),
            Habit("geometry.resolution", "size"), Range("codec.requantised", "level"),
        )  # fmt: skip
        self.times = array("d")  # of the frames whose pixels were looked at
        self.last: float | None = None
        self.open: CameraEvent | None = None
        self.moved: NDArray[np.float64] | None = None

    def see(self, camera: str, row: NDArray[np.float64], at: float) -> CameraEvent | None:
        """Take one frame's pixels: an event where they changed, or where what had changed is over."""
        alarm = self.detector.update(row)
        if alarm is not None:
            return self._began(camera, alarm, at)
        now = self.detector.standing
        if self.open is None or now is None:
            return self._ended(self.open, at) if self.open is not None else None
        if not self.detector.confirmed:  # the frames since then say more of it
            self.open = msgspec.structs.replace(
                self._told(camera, now, at), at=self.open.at, since=self.open.since,
                frames=self.open.frames + 1,
            )  # fmt: skip
            self.moved = now.difference
        return None

    def _began(self, camera: str, alarm: Alarm, at: float) -> CameraEvent:
        """Turn an alarm into an event; one that undoes the last ends it."""
        if self.open is not None and self.moved is not None:
            undone = float(alarm.difference @ self.moved)
            if undone < -0.5 * float(np.linalg.norm(alarm.difference) * np.linalg.norm(self.moved)):
                self.detector.standing = None
                return self._ended(self.open, at)
        self.open, self.moved = self._told(camera, alarm, at), alarm.difference
        return self.open

    def _ended(self, open_: CameraEvent, at: float) -> CameraEvent:
        self.open = None
        return msgspec.structs.replace(open_, until=at)

    def _told(self, camera: str, alarm: Alarm, at: float) -> CameraEvent:
        (kind, sure), other = alarm.causes[:2]
        began = self.times[max(0, len(self.times) - 1 - (alarm.at - alarm.since))]
        shown = tuple((name, 0.0, effect) for name, effect in evidence(alarm))
        return CameraEvent(
            camera, kind, at, began, sure, other, alarm.score, alarm.threshold, shown,
            rate=max(alarm.rate, 1e-300), frames=alarm.at - alarm.since - 1,
        )  # fmt: skip

    def due(self, at: float) -> bool:
        """Whether a frame's pixels are to be looked at; a clock that was set back starts anew."""
        if self.times and 0.0 <= at - self.times[-1] < STEP_S:
            return False
        self.times = array("d", [*self.times[-15:], at])
        return True

    @property
    def every(self) -> float:
        """Seconds between two frames that are looked at, about."""
        return max(1e-3, (self.times[-1] - self.times[0]) / max(1, len(self.times) - 1))


class Watch:
    """Follows every camera of a gate through its records, in bounded memory.

    Choose it for gates over frames. Headers speak at once: an encoder, firmware or size that a camera never
    wrote in its first frames. Pixels take a few frames, one each `STEP_S` seconds or slower, at the run
    length that `stats.camera_change.online` declares; their tone and colour six hours, after a week of
    days (`stats.camera_change.hours`). At most `room` cameras are remembered; the ones longest unseen are
    forgotten first.
    """

    def __init__(self, room: int = 20_000) -> None:
        self._room = room
        self.cameras: OrderedDict[str, Camera] = OrderedDict()
        self.settled: dict[str, float] = {}

    def take(self, columns: Mapping[str, Sequence[Any]]) -> Iterator[CameraEvent]:
        """Take records, oldest first, as columns named as in `COLUMNS`; give what began and what ended.

        `time` is in seconds since the epoch.
        """
        table = np.column_stack([np.asarray(columns[name], np.float64) for name in _FEATURES])
        for place, camera in enumerate(columns["camera"]):
            at = float(columns["time"][place])
            if camera and np.isfinite(table[place, 0]) and at >= self.settled.get(camera, 0.0):
                size = f"{columns['feature.width'][place]:g} x {columns['feature.height'][place]:g}"
                level = columns["feature.level"][place]  # libjpeg's quality, or minus the log of own tables
                level = None if level is None or level != level else round(float(level), 2)
                values = columns["feature.encoder"][place], columns["firmware"][place], size, level
                yield from self._frame(str(camera), at, values, table[place])

    def _frame(
        self, camera: str, at: float, values: tuple[Any, ...], row: NDArray[np.float64]
    ) -> Iterator[CameraEvent]:
        known = self.cameras.setdefault(camera, Camera())
        self.cameras.move_to_end(camera)
        if len(self.cameras) > self._room:
            self.cameras.popitem(last=False)
        before, known.last = at if known.last is None else known.last, at
        for habit, value in zip(known.habits, values, strict=True):
            event = habit.see(camera, value, at, before)
            if event is not None:
                yield event
        if known.due(at):
            seen = known.see(camera, row, at), known.slow.see(camera, row, at)
            yield from (event for event in seen if event is not None)

    def open(self) -> list[CameraEvent]:
        """List what changed and has not ended, by camera."""
        return [
            event
            for each in self.cameras.values()
            for event in (*(habit.open for habit in each.habits), each.open, each.slow.open)
            if event is not None
        ]

    def chance(self, seconds: float) -> Callable[[CameraEvent], float]:
        """Give the p-value of events: how many as grave unchanged cameras show in so many seconds, at most 1.

        All cameras together: what is seen in frames by how many are looked at, what is seen in hours by how
        many cameras there are.
        """
        frames = sum(1.0 / each.every for each in self.cameras.values())
        return lambda event: min(1.0, event.rate * seconds * (len(self.cameras) if event.slow else frames))

    def settle(self, camera: str, at: float = 0.0) -> None:
        """Forget what was known of a camera that was enrolled anew: what it does from `at` on is normal."""
        self.cameras.pop(camera, None)
        self.settled[camera] = at

    def holds(self, *, sure: float = 0.5) -> tuple[Held, ...]:
        """Say which cameras may not be trusted: those whose change lasts and is no night and no season.

        What only pixels show is a warning until an alert, which has the alarm budget to keep to, blocks it.
        """
        return tuple(
            Held(
                "", f"camera:{each.camera}:{each.kind}", each.kind,
                "warn" if each.pixels else "block", "camera", each.camera,
            )
            for each in self.open()
            if each.kind not in SCENE and each.kind not in TOLD and each.confidence >= sure
        )  # fmt: skip
