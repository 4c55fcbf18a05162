"""Health: the small snapshot by which the monitor tells the gate what may not be trusted now."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from wardline import whole
from wardline.verdict import Coverage

log = logging.getLogger(__name__)

NAME = "health.json"
POLL_S = 0.25
"""Seconds between two looks at the file's stamp, on a thread of its own: no request touches the disk."""


class Held(msgspec.Struct, frozen=True):
    """What may not be trusted while an alert lasts: a feature, or a whole slice of the rows.

    `column` and `value` name the slice (a camera, a region); without them every row is meant. `alert` is
    the alert's id.
    """

    subject: str
    alert: str
    reason: str = ""
    severity: Literal["warn", "block"] = "block"
    column: str = ""
    value: str = ""


class Health(msgspec.Struct, frozen=True):
    """What the monitor knew at `at`, in seconds since the epoch; after `until` it is stale.

    `coverage` is how far the stated coverage may be relied on, by rung ("" stands for all of them).
    `levels` are those that each rung's sets and intervals are to be made for, so that the declared one is
    reached (adaptive conformal inference); a rung left out is as it was calibrated.
    `alerts` counts the open ones by state, `problems` are the monitor's own.
    """

    gate: str
    at: float
    until: float
    records: int = 0
    reference: str = ""
    holds: tuple[Held, ...] = ()
    coverage: Mapping[str, Coverage] = {}
    levels: Mapping[str, float] = {}
    alerts: Mapping[str, int] = {}
    problems: tuple[str, ...] = ()
    pid: int = 0

    def stale(self, now: float) -> bool:
        """Say whether it is too old to go by. A stamp from the future is no sign of life either."""
        return not self.at - 60.0 <= now <= self.until

    def level(self, rung: str, now: float) -> float | None:
        """Return the level a rung's sets are to be made for; None for the declared one, as when stale."""
        return None if not self.levels or self.stale(now) else self.levels.get(rung)

    def promises(self, rung: str) -> Coverage:
        """Return what is left of a rung's coverage."""
        whole = self.coverage.get("", Coverage.VALID)
        return whole.weaker(self.coverage.get(rung, Coverage.VALID))


UNREADABLE = Health("", 0.0, 0.0, problems=("health.json cannot be read",))
"""What stands for a file that says nothing: stale for ever."""


def save(health: Health, home: Path) -> None:
    """Replace the gate's file so that a reader finds the old snapshot or the new one, never a part."""
    folder = home / health.gate
    folder.mkdir(parents=True, exist_ok=True)
    whole.put(folder / NAME, msgspec.json.encode(health))


def load(path: Path) -> Health | None:
    """Read a snapshot: None where there is no file, `UNREADABLE` where it is no health."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Health)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:  # keys that are no UTF-8 are a ValueError
        log.warning("%s cannot be read: %s", path, error)
        return UNREADABLE


def alive(pid: int) -> bool:
    """Say whether a process of this host still runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Pulse:
    """The newest health of one gate, kept fresh by a thread; `now` costs a request one attribute.

    A file that turns unreadable leaves the last snapshot in force until it is stale.
    """

    def __init__(self, path: Path, gate: str, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.now: Health | None = None
        self._gate = gate
        self._clock = clock
        self._stamp: Any = None
        self._stopped = threading.Event()
        self.look()
        self._thread = threading.Thread(target=self._run, name="wardline-health", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Read the file if it was replaced since the last look."""
        try:
            found = self.path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        except OSError:
            stamp = None
        if stamp == self._stamp:
            return
        self._stamp = stamp
        health = load(self.path)
        if health is not None and health is not UNREADABLE and health.gate != self._gate:
            health = UNREADABLE
        if health is UNREADABLE and self.now is not None:
            return
        self.now = health

    def age(self) -> float | None:
        """Return the seconds since the monitor's last sign of life; None where there was never one."""
        return None if self.now is None else self._clock() - self.now.at

    def close(self) -> None:
        """Stop looking."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stopped.wait(POLL_S):
            try:
                self.look()
            except Exception:  # a thread that dies would leave the gate with an old snapshot and no sign
                log.exception("the monitor's health could not be read")
