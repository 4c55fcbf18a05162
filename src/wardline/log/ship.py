"""Shipping: sealed files go on to where they are kept for long, and leave this disk when they may.

Store and forward: a file is delivered, then noted as delivered, then some day removed. Each of these may be
cut off and is done again: deliveries are told apart by the file's name. While a destination is away the
files wait here, up to `keep_gb`; what is removed undelivered is counted in rows and said.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from wardline import whole
from wardline.errors import DamagedError, LogError
from wardline.log import parquet
from wardline.log.names import begun
from wardline.log.retain import Kept, expendable
from wardline.log.seal import PARQUET
from wardline.settings import StoreSettings

log = logging.getLogger(__name__)

_SLOWEST_S = 60.0  # the longest rest between two attempts


class Destination(Protocol):
    """Where sealed files go: `name` tells its notes apart, `deliver` takes a file or raises LogError."""

    name: str

    def deliver(self, path: Path) -> None:
        """Take one sealed file; again what was taken already changes nothing."""


@dataclass(frozen=True)
class ShipStats:
    """How shipping goes: files delivered, waiting, and damaged here; rows removed before they could be."""

    delivered: int = 0
    waiting: int = 0
    lost_rows: int = 0
    failures: int = 0
    damaged: int = 0
    last_error: str = ""


class Delivery:
    """Delivers what is sealed in a directory, one pass at a time; of many processes one does it."""

    def __init__(
        self,
        directory: Path,
        destinations: Sequence[Destination],
        settings: StoreSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory, self._settings, self._clock = directory, settings, clock
        self._notes = [(each, Notes(directory / f".{each.name}")) for each in destinations]
        self._stats = ShipStats()
        self._damaged: set[str] = set()

    @property
    def stats(self) -> ShipStats:
        """How it goes."""
        return self._stats

    def work(self) -> bool:
        """Make one pass: deliver what is due, then remove what may go. False where something still waits."""
        with _alone(self._directory / ".shipping") as mine:
            if not mine:
                return True
            delivered = [self._deliver(*each) for each in self._notes]
            self._remove()
            return all(delivered)

    def _deliver(self, destination: Destination, notes: Notes) -> bool:
        waiting = [path for path in sealed(self._directory) if path.name not in notes]
        for place, path in enumerate(waiting):
            self._stats = replace(self._stats, waiting=len(waiting) - place)
            try:
                parquet.check(path)
                destination.deliver(path)
            except FileNotFoundError:  # removed meanwhile
                continue
            except DamagedError as error:  # it will not mend: it stays here, and the others go on
                self._name_damaged(path, error)
                continue
            except (LogError, OSError, pa.ArrowException) as error:
                if self._stats.last_error != str(error):
                    log.warning("%s; it is tried again", error)
                self._stats = replace(self._stats, failures=self._stats.failures + 1, last_error=str(error))
                return False
            notes.add(path.name)
            self._stats = replace(self._stats, delivered=self._stats.delivered + 1)
        self._stats = replace(self._stats, waiting=0, last_error="")
        return True

    def _name_damaged(self, path: Path, error: DamagedError) -> None:
        if path.name not in self._damaged:
            self._damaged.add(path.name)
            log.error("%s is damaged and not delivered: %s", path, error)
            self._stats = replace(self._stats, damaged=len(self._damaged))

    def _remove(self) -> None:
        files = [
            Kept(path, begun(path).timestamp(), stat.st_size, all(path.name in n for _, n in self._notes))
            for path in sealed(self._directory)
            if (stat := _stat(path)) is not None
        ]
        for file in expendable(files, self._clock(), self._settings):
            if not file.delivered:
                rows = _rows(file.path)
                log.error("%s is removed undelivered, %d rows with it: the disk's share is full",
                          file.path, rows)  # fmt: skip
                self._stats = replace(self._stats, lost_rows=self._stats.lost_rows + rows)
            file.path.unlink(missing_ok=True)
        left = {path.name for path in sealed(self._directory)}
        for _, notes in self._notes:
            notes.keep(left)


class Shipper:
    """Makes the passes of a delivery, in a thread of its own.

    `call` asks for a pass; a pass that failed is repeated after 1 s, 2 s, 4 s, up to a minute.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="wardline-log-shipper", daemon=True)
        self._thread.start()

    @property
    def stats(self) -> ShipStats:
        """How it goes."""
        return self._delivery.stats

    def call(self) -> None:
        """Ask for a pass: something was sealed."""
        self._wake.set()

    def close(self, timeout: float) -> None:
        """Make a last pass of up to `timeout` seconds; what is left waits for the next start."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        rest: float | None = None
        while True:
            self._wake.wait(rest)
            self._wake.clear()
            last = self._stop.is_set()
            try:
                done = self._delivery.work()
            except Exception:  # the thread must outlive whatever it meets
                log.exception("shipping met what it does not know")
                done = False
            if last:
                return
            rest = None if done else min(2 * rest if rest else 1.0, _SLOWEST_S)


class Notes:
    """Which files a destination has: one name a line; a line cut short is a file to deliver again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._names = set(path.read_text().splitlines())
        except FileNotFoundError:
            self._names = set()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> None:
        """Note a file as delivered."""
        with self._path.open("a") as file:
            file.write(f"{name}\n")
        self._names.add(name)

    def keep(self, names: set[str]) -> None:
        """Forget the files that are no longer here."""
        if self._names <= names:
            return
        self._names &= names
        whole.put(self._path, "".join(f"{name}\n" for name in sorted(self._names)).encode())


def sealed(directory: Path) -> list[Path]:
    """List the sealed files of a directory, oldest first."""
    return sorted(directory.glob(f"*{PARQUET}"))


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Hold the right to ship from a directory; false where another process has it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _rows(path: Path) -> int:
    try:
        with parquet.outlined(path) as file:
            return int(file.metadata.num_rows)
    except (OSError, LogError, pa.ArrowException):
        return 0


def shipper(directory: Path, gate: str, settings: StoreSettings) -> Shipper:
    """Return what carries a gate's sealed records to where the settings say."""
    destinations: list[Destination] = []
    if settings.url:
        from wardline.log.store import Store  # noqa: PLC0415 - fsspec is loaded where records go on to a store

        destinations.append(Store(settings.url, gate))
    if settings.events:
        from wardline.log.events import Events  # noqa: PLC0415 - so is httpx where they go as events

        destinations.append(Events(settings.events, gate))
    return Shipper(Delivery(directory, destinations, settings))
