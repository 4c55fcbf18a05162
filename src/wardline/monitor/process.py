"""The monitor at work: follows the log, looks once a second, tells the gate and the people."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from wardline import health
from wardline.errors import WardlineError
from wardline.health import Health
from wardline.log.columns import Columns
from wardline.log.follow import Follower
from wardline.monitor import checkpoint, journal, report, service
from wardline.monitor.alerts import Board, Event, State
from wardline.monitor.budget import LOOK_S, Budget
from wardline.monitor.camera_signals import CameraSignals
from wardline.monitor.delivery import Delivery, Message
from wardline.monitor.evidence import evidence, told
from wardline.monitor.ladder import Ladder
from wardline.monitor.look import look
from wardline.monitor.plan import Plan, Watched
from wardline.monitor.realised import FromLabels
from wardline.monitor.signal import Signal
from wardline.verdict import Coverage

log = logging.getLogger(__name__)

POLL_S = 0.25
"""Seconds between two readings of the log."""

SAVE_S = 10.0
"""Seconds between two checkpoints: as much of the log is read again after a kill."""

RECENT = 2000
"""Records kept by, for evidence."""

TOLD = (State.FIRING, "grew", "escalated", State.RESOLVED)
"""What becomes of an alert that people hear of."""

STATE = "monitor.npz"


class Monitor:
    """One gate's monitor. `tick` does what is due; `run` calls it until it is told to stop.

    `folders` hold the records: the gate's own, and copies of other hosts'. One monitor at a time works in
    a home: a second one is refused with WardlineError.
    """

    def __init__(
        self,
        watched: Watched,
        home: Path,
        folders: Sequence[Path] = (),
        *,
        clock: Callable[[], float] = time.time,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.watched = watched
        self.plan = Plan(watched)
        self.home = home
        self.folder = home / watched.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self.folder / "monitor.lock")
        self._clock = clock
        found = checkpoint.restore(self.folder / STATE, self.plan)
        self.ladder, positions, extra = found or (Ladder(self.plan), {}, {})
        self._counters: dict[str, int] = dict(extra.get("counters", {}))
        self._complaints: list[str] = []
        folders = folders or [self.folder / "records"]
        self._labels = FromLabels(watched, self.folder, extra.get("late"), self._complain, folders)
        self.cameras = CameraSignals(watched, self.folder / "cameras.json", extra.get("cameras", b""))
        self._follower = Follower(folders, positions, self._complain)
        self.board = Board(watched.name, watched.monitoring, watched.owner)
        self._journal = journal.Journal(self.folder / journal.NAME)
        self._listen()
        self.delivery = Delivery(self.folder / "outbox", env, clock)
        self.signals: list[Signal] = []
        self._recent: Columns | None = None
        self._looked = self._saved = 0.0
        self._saved_at = (self.ladder.rows, self._labels.signals)

    def tick(self) -> list[Event]:
        """Read what is new; look, if a second has passed since the last look. Return what happened."""
        self._read()
        now = self._clock()
        if now - self._looked < LOOK_S:
            return []
        self._looked = now
        events = self._look(now)
        if now - self._saved >= SAVE_S and self._saved_at != (self.ladder.rows, self._labels.signals):
            self._save(now)
        return events

    def run(self, stopped: threading.Event, on_event: Callable[[Event], object] = id) -> None:
        """Work until told to stop. A fault of one round is logged, and the next round tries again.

        After the last round it looks once more: what came in the end is judged as well.
        """
        try:
            while not stopped.is_set():
                self._round(on_event)
                stopped.wait(POLL_S)
            self._looked = 0.0
            self._round(on_event)
        finally:
            self.close()

    def _round(self, on_event: Callable[[Event], object]) -> None:
        try:
            for event in self.tick():
                on_event(event)
        except Exception:  # a monitor that dies of one bad file watches nothing
            log.exception("the monitor of %s stumbled", self.watched.name)

    def close(self) -> None:
        """Read what is left, keep the state, let go of the home."""
        try:
            self._read()
            self._save(self._clock())
        except OSError as error:
            log.warning("the monitor's state cannot be kept: %s", error)
        self.delivery.close()
        self._lock.close()

    def _read(self) -> None:
        for piece in self._follower.poll():
            records = Columns(piece.table)
            self.ladder.add(records, piece.source)
            self.cameras.add(records)
            self._recent = Columns(piece.table.slice(max(0, piece.table.num_rows - RECENT)))

    def _look(self, now: float) -> list[Event]:
        self._listen()
        counted = service.counters(self.folder / "metrics")
        coverage = dict(self._labels.look(now))
        self.signals = look(
            self.ladder, now, counters=counted, before=self._counters or counted, late=self._labels.signals
        )
        self._counters = counted
        self.signals += self.cameras.signals(Budget(self.watched.monitoring).level("camera"))
        events = [self._evident(event) for event in self.board.update(self.signals, now)]
        for event in events:
            self._tell(event)
            journal.append(self.folder / journal.NAME, event)
        health.save(self._health(now, coverage), self.home)
        until = now + self.watched.monitoring.age_s
        report.save(
            report.made(
                self.watched.name,
                now,
                until,
                self.signals,
                self._labels.counted,
                followed=len(self.cameras.watch.cameras),
            ),
            self.folder,
        )
        return events

    def _listen(self) -> None:
        """Take over what people said in the journal meanwhile, and all of it after a restart."""
        for event in self._journal.read():
            self.board.apply(event)

    def _evident(self, event: Event) -> Event:
        if event.alert is None or event.to == State.PENDING:
            return event
        standing = {signal.key: signal for signal in self.signals}
        window = self.ladder.last(self.watched.monitoring.rows)
        stretch = (window.begin, window.end) if window is not None else (self.ladder.now, self.ladder.now)
        found = evidence(self.plan, event.alert, standing, self._recent, stretch)
        found |= self.cameras.evidence(event.alert.signals, self.folder / "traces")
        return msgspec.structs.replace(event, evidence=found)

    def _tell(self, event: Event) -> None:
        """Send what people should hear of, and the end only of what was told."""
        alert = event.alert
        told_before = event.was in (State.FIRING, State.ACKNOWLEDGED)
        if alert is None or event.quiet or event.to not in TOLD:
            return
        if event.to == State.RESOLVED and not told_before:
            return
        signals = [signal for signal in self.signals if signal.key in alert.signals]
        title, body = told(alert, self.watched.name, event.to, signals, event.evidence.get("pictures"))
        page = alert.escalate if event.to == "escalated" else alert.page
        if page:
            self.delivery.put(Message(f"{alert.id}-{event.to}", page, alert.escalate, title, body))
        if alert.do == "retrain" and event.to == State.FIRING:
            tree: dict[str, Any] = msgspec.to_builtins(event)
            self.delivery.put(Message(f"{alert.id}-retrain", "", "", title, body, "retrain", evidence=tree))

    def _health(self, now: float, coverage: dict[str, Coverage]) -> Health:
        firing = [alert for alert in self.board.alerts.values() if alert.fired is not None]
        if any(alert.signals[0].startswith("drift.") and alert.severity == "alert" for alert in firing):
            coverage[""] = coverage.get("", Coverage.VALID).weaker(Coverage.WATCH)
        return Health(
            gate=self.watched.name,
            at=now,
            until=now + self.watched.monitoring.age_s,
            records=self.ladder.rows,
            reference=self.watched.reference.id,
            holds=(*self.board.holds(), *self.cameras.holds()),
            coverage=coverage,
            levels=self._labels.levels,
            alerts=self.board.counts(),
            problems=(*self.delivery.problems(), *self._complaints[-3:]),
            pid=os.getpid(),
        )

    def _save(self, now: float) -> None:
        extra = {"counters": self._counters, "late": self._labels.state}
        positions = self._follower.positions
        checkpoint.save(self.folder / STATE, self.ladder, positions, extra, self.cameras.state)
        self._saved, self._saved_at = now, (self.ladder.rows, self._labels.signals)

    def _complain(self, sentence: str) -> None:
        log.warning("%s", sentence)
        self._complaints.append(sentence)
        del self._complaints[:-10]


def once(
    watched: Watched, folder: Path, folders: Sequence[Path], now: float | None = None
) -> tuple[Ladder, list[Signal]]:
    """Count all records there are and look once; nothing is written. `folder` is the gate's own."""
    ladder, cameras = Ladder(Plan(watched)), CameraSignals(watched)
    for piece in Follower(folders).poll():
        records = Columns(piece.table)
        ladder.add(records, piece.source)
        cameras.add(records)
    late = FromLabels(watched, folder, records=folders)
    late.look(time.time() if now is None else now, wait=True)
    found = look(ladder, ladder.now if now is None else now, late=late.signals)
    return ladder, found + cameras.signals(Budget(watched.monitoring).level("camera"))


def _lock(path: Path) -> IO[str]:
    """Take the home for this monitor; the kernel gives it back, however the process ends."""
    handle = path.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.seek(0)
        pid = handle.read().strip()
        handle.close()
        raise WardlineError(
            f"a monitor of this gate already works in {path.parent} (process {pid})"
        ) from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
