"""Cameras, one by one, from the log's records: what changed, since when, and whether it is over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.health import Held
from wardline.stats.camera_change.online import Alarm, Detector, evidence
from wardline.stats.image import Statistics

_FEATURES = tuple(f"feature.{name}" for name in Statistics._fields)
COLUMNS = (
    "time", "camera", "firmware", "feature.encoder", "feature.level", "feature.width", "feature.height",
    *_FEATURES,
)  # fmt: skip
"""The columns of the log that `Watch` reads."""

_LEARNED = 8  # frames after which what a camera wrote so far is its habit
_STEADY = 4  # frames for each value that was new, or a camera is not steady in it: crops differ in size
_SLACK = 0.5  # of the span of levels
_MOST = 8  # encoders, firmwares and sizes that one camera may have
SCENE = ("light.night", "scene.season")
"""What happens before the camera: nobody is alarmed, nothing is held."""

TOLD = ("identity.firmware",)
"""A new name for what may do as before: somebody is told, nothing is held."""


class CameraEvent(msgspec.Struct, frozen=True):
    """One change of one camera. It was seen at `at` and began after `since`, seconds since the epoch.

    `confidence` is the probability of `kind` given that something changed, `instead` the next best
    explanation with its own. `until` is when it ended, 0 while it lasts. `rate` is how many events a frame
    as grave as this one an unchanged camera has; a header that changed is a fact, its rate 0. `frames` have
    shown it so far. `evidence` names statistics with how far they moved, in units of the camera's own
    unrest; for headers the old and the new value.
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
    rate: float = 0.0
    frames: int = 1

    @property
    def pixels(self) -> bool:
        """Whether it was seen in the pixels; the header's changes are seen in one frame."""
        return self.rate > 0.0


class Habit:
    """What a camera was seen to write: a few values. Where most are new there is no habit to break."""

    def __init__(self, kind: str, subject: str) -> None:
        self.kind, self.subject = kind, subject
        self.known: list[Any] = []
        self.frames = 0
        self.fresh = 0
        self.open: CameraEvent | None = None

    def see(self, camera: str, value: Any, at: float, before: float) -> CameraEvent | None:
        """Take one frame's value; an event where it is new, or where what was known has come back."""
        if value is None:
            return None
        if self._usual(value):
            self.frames += 1
            if self.open is not None:
                ended, self.open = msgspec.structs.replace(self.open, until=at), None
                return ended
            return None
        if self.frames < _LEARNED or self.fresh * _STEADY > self.frames:
            self._learn(value)
            self.frames += 1
            self.fresh += 1
            return None
        if self.open is not None:
            return None
        shown = ((self.subject, " to ".join(dict.fromkeys(map(str, self._told()))), str(value)),)
        self.open = CameraEvent(camera, self.kind, at, before, 0.99, None, 1.0, 1.0, shown)
        return self.open

    def _told(self) -> list[Any]:
        return self.known[-1:]

    def _usual(self, value: Any) -> bool:
        return value in self.known

    def _learn(self, value: Any) -> None:
        self.known = [*self.known, value][-_MOST:]


class Range(Habit):
    """The lowest and highest level of compression a camera was seen to write; rate control moves there."""

    def _told(self) -> list[Any]:
        return self.known

    def _usual(self, value: Any) -> bool:
        if not self.known:
            return False
        low, high = self.known
        slack = max(_SLACK * (high - low), 0.02)
        return bool(low - slack <= value <= high + slack)

    def _learn(self, value: Any) -> None:
        self.known = [min([value, *self.known]), max([value, *self.known])]


class Camera:
    """One camera's state: 10 KiB, and under 20 while a change lasts."""

    def __init__(self) -> None:
        self.detector = Detector()
        self.habits = (
            Habit("codec.requantised", "encoder"), Habit("identity.firmware", "firmware"),
            Habit("geometry.resolution", "size"), Range("codec.requantised", "level"),
        )  # fmt: skip
        self.times: list[float] = []
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

    @property
    def every(self) -> float:
        """Seconds between two of its frames, about."""
        return max(1e-3, (self.times[-1] - self.times[0]) / max(1, len(self.times) - 1))


class Watch:
    """Follows every camera of a gate through its records, in bounded memory.

    Choose it for gates over frames. Headers speak at once: an encoder, firmware or size that a camera never
    wrote in its first frames. Pixels take a few frames, at the run length that `stats.camera_change.online`
    declares. At most `room` cameras are remembered; the ones longest unseen are forgotten first.
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
        before = known.times[-1] if known.times else at
        known.times = [*known.times[-15:], at]
        for habit, value in zip(known.habits, values, strict=True):
            event = habit.see(camera, value, at, before)
            if event is not None:
                yield event
        seen = known.see(camera, row, at)
        if seen is not None:
            yield seen

    def open(self) -> list[CameraEvent]:
        """List what changed and has not ended, by camera."""
        return [
            event
            for each in self.cameras.values()
            for event in (*(habit.open for habit in each.habits), each.open)
            if event is not None
        ]

    @property
    def frames_a_second(self) -> float:
        """Frames that come a second, of all cameras."""
        return sum(1.0 / each.every for each in self.cameras.values())

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
