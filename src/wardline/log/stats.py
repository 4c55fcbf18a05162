"""How a log is doing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LogStats:
    """How the log is doing, in rows. `queued` wait to be written; `errors` counts failed attempts.

    `last_flush` is the clock's time of the last write, `last_error` stays readable after recovery.
    """

    written: int
    dropped: int
    queued: int
    errors: int
    last_flush: float | None
    segment: str
    healthy: bool
    last_error: str
