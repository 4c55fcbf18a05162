"""A disk that can be stopped, filled and mended."""

from __future__ import annotations

import errno
import io
import threading


class Disk:
    """Makes the files of a writer, on a disk that can be stopped, filled, and mended."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.running.set()
        self.asked = threading.Event()
        self.broken = False
        self.short = 1 << 30
        disk = self

        class File(io.FileIO):
            def write(self, data) -> int:  # type: ignore[override]
                disk.asked.set()
                disk.running.wait()
                if disk.broken:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return super().write(bytes(data)[: disk.short])

        self.open = lambda path: File(path, "xb")
