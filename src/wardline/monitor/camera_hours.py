"""The slow look at one camera in the monitor: its tone and colour, as events."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.monitor.camera_habits import CameraEvent
from wardline.stats.camera_change.hours import Change, Hours


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


def told(camera: str, change: Change) -> CameraEvent:
    """Word a change of hours as an event."""
    (kind, sure), other = change.causes[:2]
    shown = tuple((name, 0.0, effect) for name, effect in change.evidence())
    return CameraEvent(
        camera, kind, change.at, change.since, sure, other, change.score, change.limit, shown,
        rate=change.rate, slow=True, frames=change.slots,
    )  # fmt: skip
