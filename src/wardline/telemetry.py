"""Trace context: the W3C `traceparent` that comes in and goes out."""

from __future__ import annotations

import random
import re
import time
from contextvars import ContextVar
from typing import NamedTuple

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class TraceContext(NamedTuple):
    """Who asked: the trace this request belongs to, the span of ours, and whether the caller samples it."""

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def traceparent(self) -> str:
        """The header that goes out with the response."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def trace_context(traceparent: str | None) -> TraceContext:
    """Join the caller's trace, or start one where the header is missing or malformed (W3C Trace Context).

    >>> context = trace_context("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    >>> context.trace_id, context.sampled
    ('4bf92f3577b34da6a3ce929d0e0e4736', True)
    >>> trace_context("00-" + "0" * 32 + "-00f067aa0ba902b7-01").trace_id == "0" * 32
    False
    """
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is not None:
        version, trace_id, parent_id, flags, more = found.groups()
        known = version != "ff" and (version != "00" or more is None)
        if known and trace_id.strip("0") and parent_id.strip("0"):
            return TraceContext(trace_id, _hex(8), bool(int(flags, 16) & 1))
    return TraceContext(_hex(16), _hex(8), False)


CALLER: ContextVar[TraceContext | None] = ContextVar("wardline_caller", default=None)
"""The trace of the request being answered, for what is asked of other servers on its behalf."""


def traceparent() -> str | None:
    """Return the header that passes the caller's trace on; None outside a request."""
    context = CALLER.get()
    return None if context is None else context.traceparent


def request_id(given: str | None = None) -> str:
    """Take the caller's id where it is a plain token of at most 64 characters, else make one.

    Made ids sort by time: 12 hex digits of milliseconds, 20 random ones.

    >>> request_id("order-17"), len(request_id("no spaces, please"))
    ('order-17', 32)
    """
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"{time.time_ns() // 1_000_000:012x}{_hex(10)}"


def _hex(size: int) -> str:
    """Return so many random bytes as hex; ids tell requests apart and keep no secret."""
    return f"{random.getrandbits(8 * size) or 1:0{2 * size}x}"
