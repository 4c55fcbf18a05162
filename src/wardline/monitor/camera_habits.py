"""What a camera is in the habit of writing into its headers, and the event where it breaks with that."""

from __future__ import annotations

from typing import Any

import msgspec

_LEARNED = 8  # frames after which what a camera wrote so far is its habit
_STEADY = 4  # frames for each value that was new, or a camera is not steady in it: crops differ in size
_SLACK = 0.5  # of the span of levels
_MOST = 8  # encoders, firmwares and sizes that one camera may have


class CameraEvent(msgspec.Struct, frozen=True, array_like=True):
    """One change of one camera. It was seen at `at` and began after `since`, seconds since the epoch.

    `confidence` is the probability of `kind` given that something changed, `instead` the next best
    explanation with its own. `until` is when it ended, 0 while it lasts. `rate` is how many events a frame
    as grave as this one an unchanged camera has; a header that changed is a fact, its rate 0. `frames` have
    shown it so far. `evidence` names statistics with how far they moved, in units of the camera's own
    unrest; for headers the old and the new value. A `slow` one was seen in hours of frames, not in some: its
    `rate` is that of one camera a second, and it began at some time in those hours. What it is
    was told by the whole `day` after it, or by the first frames of the change.
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
    slow: bool = False
    day: bool = False

    @property
    def pixels(self) -> bool:
        """Whether it was seen in the pixels; the header's changes are seen in one frame."""
        return self.rate > 0.0


class Habit:
    """What a camera was seen to write: a few values. Where most are new there is no habit to break."""

    __slots__ = ("frames", "fresh", "kind", "known", "open", "subject")

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

    __slots__ = ()

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
