"""The embedded store: kept traces as OTLP JSON lines in a folder, bounded in size and in age."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

SUFFIX = ".jsonl"
_PARTS = 16  # files that the whole may be made of: the oldest goes whole


class Store:
    """Appends lines to a file of this process, and deletes the oldest files of all of them.

    All files together stay below `keep_mb` (and the file being written), none is older than `keep_days`.
    Errors of the disk are raised as OSError; the next write makes a fresh file.
    """

    def __init__(
        self, directory: Path, keep_mb: float, keep_days: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.directory = directory
        self._most = int(keep_mb * 1024 * 1024)
        self._oldest_s = keep_days * 86_400
        self._clock = clock
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._size = 0
        self._began = 0.0

    def write(self, lines: Sequence[bytes]) -> None:
        """Append whole lines; a reader that comes now finds all of them, or those before."""
        now = self._clock()
        if self._size >= self._most // _PARTS or now - self._began > self._oldest_s / _PARTS:
            self.close()
        try:
            if self._file is None:
                self._open(now)
            for line in lines:
                self._file.write(line)  # type: ignore[union-attr] # just opened
                self._size += len(line)
            self._file.flush()  # type: ignore[union-attr] # as above
        except OSError:
            self._file, self._size = None, 0
            raise

    def prune(self) -> None:
        """Delete what is too old, then the oldest until the rest fits."""
        now, total = self._clock(), 0
        for path in sorted(self.directory.glob(f"*{SUFFIX}"), reverse=True):
            try:
                found = path.stat()
                total += found.st_size
                if path != self._path and (total > self._most or now - found.st_mtime > self._oldest_s):
                    total -= found.st_size
                    path.unlink()
            except FileNotFoundError:  # another worker was quicker
                continue

    def close(self) -> None:
        """Close the file; a later write makes another."""
        if self._file is not None:
            self._file.close()
        self._file, self._path, self._size = None, None, 0

    def _open(self, now: float) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        name = f"{int(now * 1000):013d}-{os.getpid()}-{uuid.uuid4().hex[:6]}{SUFFIX}"
        self._path = self.directory / name
        self._file = self._path.open("ab")
        self._began = now
        self.prune()
