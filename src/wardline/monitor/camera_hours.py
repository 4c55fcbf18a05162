"""The slow look at one camera in the monitor: its tone and colour, as events."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.monitor.camera_habits import CameraEvent
from wardline.stats.camera_change.day import Day
from wardline.stats.camera_change.hours import Change, Hours
from wardline.stats.camera_change.template import slot_of


class Slow:
    """Follows tone and colour of one camera over hours; `open` is the change that stands."""

    __slots__ = ("hours", "open")

    def __init__(self, hours: Hours | None = None) -> None:
        self.hours = hours or Hours()
        self.open: CameraEvent | None = None

    def see(self, camera: str, row: NDArray[np.float64], at: float) -> CameraEvent | None:
        """Take one frame: an event where its last hours have changed, or are as before again."""
        began = self.hours.update(row, at)
        now = self.hours.standing
        if began is not None:
            self.open = told(camera, began)
            return self.open
        if self.open is not None and now is None:
            ended, self.open = msgspec.structs.replace(self.open, until=at), None
            return ended
        if self.open is not None and now is not None and now.score > self.open.score:
            self.open = told(camera, now)
        return None

    def follow(self, lasting: Sequence[CameraEvent]) -> list[tuple[str, float]]:
        """Watch the day after the newest of these; give what it says was the cause once it is over."""
        if not lasting:
            self.hours.day = None
            return []
        began = max(slot_of(event.at) for event in lasting)
        day = self.hours.day
        if day is None or day.began != began:
            day = self.hours.day = Day(began)
        return day.causes(self.hours.template) if day.over else []


def renamed(event: CameraEvent | None, causes: Sequence[tuple[str, float]]) -> CameraEvent | None:
    """Name an event by the day after it, once."""
    if event is None or event.day:
        return event
    (kind, sure), other = causes[:2]
    return msgspec.structs.replace(event, kind=kind, confidence=sure, instead=other, day=True)


def told(camera: str, change: Change) -> CameraEvent:
    """Word a change of hours as an event."""
    (kind, sure), other = change.causes[:2]
    shown = tuple((name, 0.0, effect) for name, effect in change.evidence)
    return CameraEvent(
        camera, kind, change.at, change.since, sure, other, change.score, change.limit, shown,
        rate=change.rate, slow=True, frames=change.slots,
    )  # fmt: skip
