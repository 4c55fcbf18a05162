"""The journal of alerts: one line an event, only ever appended to, by the monitor and by people."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from wardline.monitor.alerts import Event

log = logging.getLogger(__name__)

NAME = "alerts.jsonl"


def append(path: Path, event: Event) -> None:
    """Add one line, in one write: several processes may append at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = msgspec.json.encode(event) + b"\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)


class Journal:
    """Reads the lines that were added since the last look, whoever added them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def read(self) -> Iterator[Event]:
        """Give new events; a line that is still being written waits, one that is damaged is passed over."""
        try:
            if self.path.stat().st_size <= self._offset:
                return
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                yield msgspec.json.decode(line, type=Event)
            except msgspec.DecodeError as error:
                log.warning("a line of %s cannot be read: %s", self.path, error)
