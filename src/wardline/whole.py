"""Small files that others read while they are written: each is found old or new, never in part."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def put(path: Path, content: bytes) -> None:
    """Replace a file by atomic rename; raises OSError where the disk refuses, and leaves no draft behind."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
