"""The log: where records go and how they are read back.

`LogWriter` takes records from the hot path; `read` and `batches` give them back as Arrow, while it writes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wardline.log.reader import batches, read
    from wardline.log.stats import LogStats
    from wardline.log.writer import LogWriter

__all__ = ["LogStats", "LogWriter", "batches", "read"]

_HOMES = {"LogStats": "stats", "LogWriter": "writer", "batches": "reader", "read": "reader"}


def __getattr__(name: str) -> Any:
    """Load what is asked for: a command that looks at a file needs no writer."""
    if name not in _HOMES:
        raise AttributeError(f"module 'wardline.log' has no attribute {name!r}")
    return getattr(importlib.import_module(f"wardline.log.{_HOMES[name]}"), name)
