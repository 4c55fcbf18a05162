"""Cameras, one by one, from the log's records, in little memory: each rests as bytes between its records."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wardline.cameras import SCENE, TOLD
from wardline.health import Held
from wardline.monitor import camera_state
from wardline.monitor.camera import Camera
from wardline.monitor.camera_habits import CameraEvent
from wardline.stats.camera_change.hours import CAMERA_DAYS, taught
from wardline.stats.image import Statistics

_FEATURES = tuple(f"feature.{name}" for name in Statistics._fields)
COLUMNS = (
    "time", "camera", "firmware", "feature.encoder", "feature.level", "feature.width", "feature.height",
    *_FEATURES,
)  # fmt: skip
"""The columns of the log that `Watch` reads."""

_AWAKE = 64  # cameras that are objects at a time, within one batch of records


class Watch:
    """Follows every camera of a gate through its records, in bounded memory.

    Choose it for gates over frames. Headers speak at once: an encoder, firmware or size that a camera never
    wrote in its first frames. Pixels take a few frames, one each `camera.STEP_S` seconds or slower, at the
    run length that `stats.camera_change.online` declares; their tone and colour six hours, after a week of
    days (`stats.camera_change.hours`), with one false event in `days` days of a camera. At most `room`
    cameras are remembered, in under 16 KiB each; the ones longest unseen are forgotten first.
    """

    def __init__(self, room: int = 20_000, *, days: float = CAMERA_DAYS) -> None:
        self._room = room
        self._hours = taught().declared(days)
        self.cameras: OrderedDict[str, bytes] = OrderedDict()  # at rest, the longest unseen first
        self.settled: dict[str, float] = {}
        self._awake: OrderedDict[str, Camera] = OrderedDict()
        self._changed: set[str] = set()

    def take(self, columns: Mapping[str, Sequence[Any]]) -> list[CameraEvent]:
        """Take records, oldest first, as columns named as in `COLUMNS`; return what began and what ended.

        `time` is in seconds since the epoch.
        """
        table = np.column_stack([np.asarray(columns[name], np.float64) for name in _FEATURES])
        found: list[CameraEvent] = []
        for place, camera in enumerate(columns["camera"]):
            at = float(columns["time"][place])
            if camera and np.isfinite(table[place, 0]) and at >= self.settled.get(camera, 0.0):
                size = f"{columns['feature.width'][place]:g} x {columns['feature.height'][place]:g}"
                level = columns["feature.level"][place]  # libjpeg's quality, or minus the log of own tables
                level = None if level is None or level != level else round(float(level), 2)
                values = columns["feature.encoder"][place], columns["firmware"][place], size, level
                found += self._woken(str(camera)).take(str(camera), at, values, table[place])
        while self._awake:
            self.rest(*self._awake.popitem(last=False))
        return found

    def _woken(self, name: str) -> Camera:
        """Return a camera's state as objects; some are awake at a time, and none between two batches."""
        camera = self._awake.get(name)
        if camera is None:
            if len(self._awake) >= _AWAKE:
                self.rest(*self._awake.popitem(last=False))
            known = self.cameras.get(name)
            camera = self._awake[name] = Camera() if known is None else camera_state.woken(known)
            camera.slow.hours.known = self._hours
        self._awake.move_to_end(name)
        return camera

    def rest(self, name: str, camera: Camera) -> None:
        """Keep a camera until its next record, as the one seen last."""
        self.cameras[name] = camera_state.rested(camera)
        self.cameras.move_to_end(name)
        (self._changed.add if camera.changes else self._changed.discard)(name)
        if len(self.cameras) > self._room:
            self._changed.discard(self.cameras.popitem(last=False)[0])

    def open(self) -> list[CameraEvent]:
        """List what changed and has not ended, by camera."""
        changed = [state for name, state in self.cameras.items() if name in self._changed]
        return [event for state in changed for event in camera_state.woken(state).changes]

    def chance(self, seconds: float) -> Callable[[CameraEvent], float]:
        """Give the p-value of events: how many as grave unchanged cameras show in so many seconds, at most 1.

        All cameras together: what is seen in frames by how many are looked at, what is seen in hours by how
        many cameras there are.
        """
        frames = sum(1.0 / camera_state.every(each) for each in self.cameras.values())
        return lambda event: min(1.0, event.rate * seconds * (len(self.cameras) if event.slow else frames))

    def settle(self, camera: str, at: float = 0.0) -> None:
        """Forget what was known of a camera that was enrolled anew: what it does from `at` on is normal."""
        self.cameras.pop(camera, None)
        self._changed.discard(camera)
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
