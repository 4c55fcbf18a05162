"""The log: where records go and how they are read back.

`LogWriter` takes records from the hot path; `read` and `batches` give them back as Arrow, while it writes.
"""

from __future__ import annotations

from wardline.log.reader import batches, read
from wardline.log.stats import LogStats
from wardline.log.writer import LogWriter

__all__ = ["LogStats", "LogWriter", "batches", "read"]
