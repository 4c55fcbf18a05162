"""Small files that others read while they are written: each is found old or new, never in part."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def put(path: Path, content: bytes, *, synced: bool = False) -> None:
    """Replace a file by atomic rename; raises OSError where the disk refuses, and leaves no draft behind.

    `synced` sees the content on the disk before it gets its name: choose it for what cannot be made anew
    after a power loss. What is too large to hold in memory writes its own draft.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
