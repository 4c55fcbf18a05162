"""One camera from the log's records: what changed, since when, and whether it is over."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.monitor.camera_habits import CameraEvent, Habit, Range
from wardline.monitor.camera_hours import Slow, renamed
from wardline.stats.camera_change.online import Alarm, Detector, evidence

STEP_S = 50.0
"""Seconds between two frames whose pixels are looked at, at least: a faster camera is thinned.

The run length of alarms is declared in frames; this makes it one in three days of a camera or rarer. A
camera of a frame a minute is judged by all of them, whatever its clock's jitter.
"""

_CODEC = "codec.requantised"
_STEADY = 2.0  # of libjpeg's quality: whoever moves it by more has a rate control


class Camera:
    """One camera's state, awake; between records `camera_state` keeps it as bytes."""

    __slots__ = ("detector", "habits", "last", "moved", "open", "slow", "times")

    def __init__(self, detector: Detector | None = None, slow: Slow | None = None) -> None:
        self.detector = detector or Detector()
        self.slow = slow or Slow()
        self.habits = (
            Habit(_CODEC, "encoder"), Habit("identity.firmware", "firmware"),
            Habit("geometry.resolution", "size"), Range(_CODEC, "level"),
        )  # fmt: skip
        self.times = array("d")  # of the frames whose pixels were looked at
        self.last: float | None = None
        self.open: CameraEvent | None = None
        self.moved: NDArray[np.float64] | None = None

    def take(
        self, camera: str, at: float, values: Sequence[Any], row: NDArray[np.float64]
    ) -> Iterator[CameraEvent]:
        """Take one record: what its header says, by `habits`, and its pixels where they are due."""
        before, self.last = at if self.last is None else self.last, at
        for habit, value in zip(self.habits, values, strict=True):
            event = habit.see(camera, value, at, before)
            if event is not None:
                yield event
        if self._due(at):
            seen = self._see(camera, row, at), self.slow.see(camera, row, at)
            self._by_day()
            yield from (event for event in seen if event is not None)

    @property
    def changes(self) -> list[CameraEvent]:
        """What changed and has not ended."""
        every = *(habit.open for habit in self.habits), self.open, self.slow.open
        return [event for event in every if event is not None]

    def _see(self, camera: str, row: NDArray[np.float64], at: float) -> CameraEvent | None:
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

    def _by_day(self) -> None:
        """Name what lasts anew once a whole day of it was seen."""
        lasting = [event for event in (self.open, self.slow.open) if event is not None]
        causes = self.slow.follow(lasting)
        if causes and not all(event.day for event in lasting):
            causes = self._causes(causes)
            self.open, self.slow.open = renamed(self.open, causes), renamed(self.slow.open, causes)

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
        (kind, sure), other = self._causes(alarm.causes)[:2]
        began = self.times[max(0, len(self.times) - 1 - (alarm.at - alarm.since))]
        shown = tuple((name, 0.0, effect) for name, effect in evidence(alarm))
        return CameraEvent(
            camera, kind, at, began, sure, other, alarm.score, alarm.threshold, shown,
            rate=max(alarm.rate, 1e-300), frames=alarm.at - alarm.since - 1,
        )  # fmt: skip

    def _causes(self, causes: list[tuple[str, float]]) -> list[tuple[str, float]]:
        """Leave out a new compression where headers say that it is as ever, of a camera that keeps to one."""
        levels = self.habits[-1].known
        steady = bool(levels) and max(levels) - min(levels) <= _STEADY
        codec = dict(causes).get(_CODEC)
        if codec is None or not steady or any(each.open for each in self.habits if each.kind == _CODEC):
            return causes
        left = max(1.0 - codec, 1e-9)
        return [(cause, min(1.0, odds / left)) for cause, odds in causes if cause != _CODEC]

    def _due(self, at: float) -> bool:
        """Whether a frame's pixels are to be looked at; a clock that was set back starts anew."""
        if self.times and 0.0 <= at - self.times[-1] < STEP_S:
            return False
        self.times = array("d", [*self.times[-15:], at])
        return True


def pace(times: Sequence[float]) -> float:
    """Return the seconds between two frames that are looked at, about."""
    return max(1e-3, (times[-1] - times[0]) / max(1, len(times) - 1))
