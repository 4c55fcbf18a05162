"""A disk that can be stopped, filled and mended."""

from __future__ import annotations

import errno
import io
import os
import threading


class Disk:
    """Makes the files of a writer, on a disk that can be stopped, filled, and mended."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.running.set()
        self.asked = threading.Event()
        self.broken = False
        self.fault = errno.ENOSPC
        self.short = 1 << 30
        self.writes = 0
        self.unsynced: int | None = None
        disk = self

        class File(io.FileIO):
            def write(self, data) -> int:  # type: ignore[override]
                disk.asked.set()
                disk.running.wait()
                if disk.broken:
                    raise OSError(disk.fault, os.strerror(disk.fault))
                disk.writes += 1
                return super().write(bytes(data)[: disk.short])

            def fileno(self) -> int:
                return super().fileno() if disk.unsynced is None else disk.unsynced

        self.open = lambda path: File(path, "xb")

    def refuse(self, fault: str) -> None:
        """Break from now on, as a disk does that is `full`, or `read-only`, or will not sync what it took."""
        if fault == "unsynced":
            self.unsynced = os.pipe()[0]  # the kernel takes bytes, and neither syncs nor cuts back
        else:
            self.broken, self.fault = True, {"full": errno.ENOSPC, "read-only": errno.EROFS}[fault]

    def mend(self) -> None:
        """Work again."""
        self.broken, self.unsynced = False, None
