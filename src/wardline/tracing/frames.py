"""Small pictures of kept frames, beside their traces: bounded in size and in age, and only where declared."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path

from wardline import whole

FOLDER = "frames"
"""Below the folder of traces."""

ATTRIBUTE = "wardline.thumbnail"
"""The attribute of a trace's root that names its picture."""

_NAME = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}\.jpg")
_EVERY = 64  # pictures between two looks at how many there are


class Frames:
    """Keeps pictures as files; the oldest go first, and all together stay below `keep_mb` and `keep_days`.

    Several workers write to one folder, each looks now and then at all of it.
    """

    def __init__(
        self, traces: Path, keep_mb: float, keep_days: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.directory = traces / FOLDER
        self._most = int(keep_mb * 1024 * 1024)
        self._oldest_s = keep_days * 86_400
        self._clock = clock
        self._written = 0

    def write(self, trace_id: str, span_id: str, picture: bytes) -> str:
        """Keep one, and return its name; OSError where the disk refuses."""
        self.directory.mkdir(parents=True, exist_ok=True)
        name = f"{trace_id}-{span_id}.jpg"
        whole.put(self.directory / name, picture)
        if self._written % _EVERY == 0:
            self.prune()
        self._written += 1
        return name

    def prune(self) -> None:
        """Delete what is too old, then the oldest until the rest fits."""
        found = []
        for path in self.directory.glob("*.jpg"):
            with contextlib.suppress(FileNotFoundError):  # another worker was quicker
                state = path.stat()
                found.append((state.st_mtime, state.st_size, path))
        total = 0
        room = self._most * 15 // 16  # what is written before the next look must fit too
        for at, size, path in sorted(found, reverse=True):
            total += size
            if total > room or self._clock() - at > self._oldest_s:
                path.unlink(missing_ok=True)


def picture(traces: Path, name: object) -> bytes | None:
    """Read the picture that a trace names; None where there is none, or none any more."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    try:
        return (traces / FOLDER / name).read_bytes()
    except OSError:
        return None
