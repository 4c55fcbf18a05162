"""The names of the log's files: when, where and by whom each was begun."""

from __future__ import annotations

import os
import re
import socket
from datetime import UTC, datetime
from pathlib import Path

FORM = "%Y%m%dT%H%M%S.%f"


def stem(opened: float, sequence: int) -> str:
    """Name the segment that this process begins at a time: `20180301T120000.000000-HOST-PID-0`."""
    at = datetime.fromtimestamp(opened, UTC).strftime(FORM)
    host = re.sub(r"[^A-Za-z0-9_.]", "_", socket.gethostname())[:40]
    return f"{at}-{host}-{os.getpid()}-{sequence}"


def begun(path: Path) -> datetime:
    """Read from a file's name when it was begun; a file that somebody renamed tells by its own time.

    >>> begun(Path("20180301T120000.000000-edge_7-4711-0.parquet")).isoformat()
    '2018-03-01T12:00:00+00:00'
    """
    try:
        return datetime.strptime(path.name.partition("-")[0], FORM).replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
