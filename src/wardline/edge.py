"""The edge loop: frames from a source that cannot be trusted, through a gate, in bounded memory, offline."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wardline.camera.sources import Shot, Source, SourceError
from wardline.cameras import ENROL, Cameras, Enrolment, remember
from wardline.errors import PayloadError
from wardline.gate import Gate
from wardline.log.courier import Courier
from wardline.log.store import Store
from wardline.settings import Settings
from wardline.stats.image import view
from wardline.verdict import Action, Severity, Verdict

log = logging.getLogger(__name__)

Drop = Literal["oldest", "newest", "wait"]
"""What gives when the model is slower than the camera: the oldest waiting frame, the one that just came, or
nothing (the source waits: for folders and files)."""


class Slot:
    """A few waiting frames between the reader and the gate. What did not fit is counted."""

    def __init__(self, room: int, drop: Drop) -> None:
        self._frames: deque[Shot] = deque()
        self._room = room
        self._drop = drop
        self._changed = threading.Condition()
        self.closed = False
        self.dropped = 0

    def put(self, shot: Shot) -> None:
        """Hand a frame over, by the declared policy."""
        with self._changed:
            if self._drop == "wait":
                self._changed.wait_for(lambda: len(self._frames) < self._room or self.closed)
            if len(self._frames) >= self._room:
                self.dropped += 1
                if self._drop == "newest" or self.closed:
                    return
                self._frames.popleft()
            self._frames.append(shot)
            self._changed.notify_all()

    def take(self, timeout: float) -> Shot | None:
        """Wait for a frame, at most so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self.closed, timeout)
            shot = self._frames.popleft() if self._frames else None
            self._changed.notify_all()
            return shot

    def close(self) -> None:
        """No more frames will come; those that wait are still given."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._frames)


@dataclass
class Status:
    """What the loop has done so far: the terminal view and the summary are made of this."""

    state: str = "opening"
    frames: int = 0
    dropped: int = 0
    reconnects: int = 0
    stalls: int = 0
    forwarded: int = 0
    enrolled: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    blocked: int = 0
    arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    last: str = ""
    alerts: deque[str] = field(default_factory=lambda: deque(maxlen=5))

    @property
    def rate(self) -> float:
        """Frames a second as they really came: what a source says of its own rate is not asked."""
        if len(self.arrivals) < 2 or self.arrivals[-1] <= self.arrivals[0]:
            return 0.0
        return (len(self.arrivals) - 1) / (self.arrivals[-1] - self.arrivals[0])

    def tree(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "state": self.state, "frames": self.frames, "dropped": self.dropped, "rate": round(self.rate, 2),
            "reconnects": self.reconnects, "stalls": self.stalls, "forwarded": self.forwarded,
            "enrolled": self.enrolled, "blocked": self.blocked, "actions": dict(self.actions),
            "findings": [
                {"guard": guard, "reason": reason, "frames": frames}
                for (guard, reason), frames in self.findings.most_common()
            ],
            "alerts": list(self.alerts),
        }  # fmt: skip


@dataclass
class Loop:
    """Watches one source through one gate until the source ends or `stop` is called.

    A live source that stalls or breaks off is opened again, after 1, 2, 4 ... at most `backoff_s` seconds,
    for ever; a folder or a file that breaks off ends the loop. A camera that the gate's reference does not
    know is enrolled by its first frames that the gate finds nothing grave about. `forward` is the store
    that sealed records go on to, and traces and alerts with them: a folder, or a URL that fsspec knows.
    """

    gate: Gate
    source: Source
    settings: Settings
    camera: str
    firmware: str
    drop: Drop = "oldest"
    room: int = 2
    stall_s: float = 10.0
    backoff_s: float = 30.0
    forward: str = ""
    clock: Callable[[], float] = time.monotonic
    status: Status = field(default_factory=Status)

    def __post_init__(self) -> None:
        self._slot = Slot(self.room, self.drop)
        self._stopped = threading.Event()
        self._failure: SourceError | None = None
        self._enrolment: Enrolment | None = None
        self._courier: Courier | None = None
        self._sink: Any = None
        self._delivered = 0
        if self.forward:
            self.settings = replace(self.settings, store=replace(self.settings.store, url=self.forward))

    def stop(self) -> None:
        """End the loop: waiting frames are dropped, the log is flushed."""
        self._stopped.set()
        self._slot.close()

    def run(self) -> Iterator[tuple[Shot | None, Verdict | None]]:
        """Give each frame with its verdict, and (None, None) now and then while none comes.

        Raises SourceError where a source that is not live could not be read.
        """
        reader = threading.Thread(target=self._read, name="wardline-source", daemon=True)
        self._sink = self.gate.open(self.settings).sink
        if self.forward:
            self._courier = Courier(self.settings.home / self.gate.name, Store(self.forward, self.gate.name))
        self._enrolment = self._newcomer()
        reader.start()
        heard = self.clock()
        try:
            while not (self._slot.closed and not len(self._slot)) and not self._stopped.is_set():
                shot = self._slot.take(timeout=0.25)
                now = self.clock()
                if shot is not None:
                    heard, self.status.state = now, "watching"
                    yield shot, self._judge(shot, now)
                else:
                    if now - heard > self.stall_s and self.status.state == "watching":
                        self.status.state, self.status.stalls = "stalled", self.status.stalls + 1
                    yield None, None
                self.status.forwarded = self._sent()
        finally:
            self.stop()
            self.gate.close()
            if self._courier is not None:
                self._courier.close(_LAST_S)
            self.status.forwarded = self._sent()
        self.status.state = "ended"
        if self._failure is not None:
            raise self._failure

    def _sent(self) -> int:
        """Count what reached the store: sealed records, traces and alerts."""
        beside = 0 if self._courier is None else self._courier.sent
        return self._delivered + self._records() + beside

    def _records(self) -> int:
        shipping = getattr(self._sink, "shipping", None)
        return 0 if shipping is None else int(shipping.delivered)

    def _read(self) -> None:
        """Read the source in a thread of its own, again and again if it is live."""
        wait = 1.0
        while not self._stopped.is_set():
            try:
                for shot in self.source.frames(self._stopped.is_set):
                    wait = 1.0
                    self._slot.put(shot)
                if not self.source.live:
                    break
            except SourceError as error:
                log.warning("%s", error)
                self.status.last = str(error)
                if not self.source.live:
                    self._failure = error
                    break
            except Exception as error:
                log.exception("the source failed")
                self._failure = SourceError(f"the source failed: {error}")
                break
            self.status.state, self.status.reconnects = "reconnecting", self.status.reconnects + 1
            self._stopped.wait(wait)
            wait = min(2 * wait, self.backoff_s)
        self._slot.close()

    def _judge(self, shot: Shot, now: float) -> Verdict | None:
        status = self.status
        status.frames += 1
        status.dropped = self._slot.dropped
        status.arrivals.append(now)
        payload = {"picture": shot.picture, "camera": self.camera, "firmware": self.firmware}
        try:
            verdict = self.gate(payload)
        except PayloadError as error:
            status.last = str(error)
            return None
        status.actions[verdict.action.value] += 1
        for finding in verdict.findings:
            status.findings[finding.guard, finding.reason] += 1
        status.blocked += any(finding.severity is Severity.BLOCK for finding in verdict.findings)
        if self._enrolment is not None and verdict.action in (Action.SERVE, Action.FLAG):
            self._enrol(self._enrolment, payload)
        return verdict

    def _newcomer(self) -> Enrolment | None:
        """Start an enrolment where neither the reference nor this machine knows the camera."""
        reference = self.gate.open(self.settings).reference
        known = Cameras.read({} if reference is None else reference.extra)
        return None if self.camera in known.by_id else Enrolment(self.camera)

    def _enrol(self, enrolment: Enrolment, payload: dict[str, Any]) -> None:
        """Learn from one frame; once there are enough, judge the camera by its own."""
        frame = self.gate.contract.afresh().admit(payload).rows[0]  # it was just here, and is no repeat
        enrolment.add(frame.statistics, frame.header, self.firmware, view(frame.sampled))
        self.status.enrolled = enrolment.frames
        if enrolment.frames < ENROL:
            return
        remember(self.settings.home / self.gate.name / "cameras.json", enrolment)
        self._enrolment = None
        self.gate.close()
        self._delivered += self._records()
        self._sink = self.gate.open(self.settings).sink


_LAST_S = 10.0  # seconds in which the last traces and alerts may reach the store
