"""Trace context: the W3C `traceparent` that comes in and goes out."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import MutableMapping
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any, NamedTuple

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = frozenset(
    {b"x-request-id", b"traceparent", b"tracestate", b"baggage", b"x-force-trace", b"x-wardline-debug"}
)
_STATE, _BAGGAGE = 512, 8192
"""What W3C asks to be passed on at least, in characters; more is not."""


class TraceContext(NamedTuple):
    """Who asked: the trace this request belongs to, the span of ours, and whether the caller samples it.

    `parent_id` is the caller's span, `forced` and `token` are how it asked for a trace, `tracestate` and
    `baggage` are passed on as they came. `scope` is the HTTP request, read when a trace is built of it.
    """

    trace_id: str
    span_id: str
    sampled: bool
    parent_id: str = ""
    tracestate: str = ""
    baggage: str = ""
    forced: bool = False
    token: str = ""
    scope: MutableMapping[str, Any] | None = None

    @property
    def traceparent(self) -> str:
        """The header that goes out with the response."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def trace_context(traceparent: str | None, scope: MutableMapping[str, Any] | None = None) -> TraceContext:
    """Join the caller's trace, or start one where the header is missing or malformed (W3C Trace Context).

    >>> context = trace_context("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    >>> context.trace_id, context.sampled
    ('4bf92f3577b34da6a3ce929d0e0e4736', True)
    >>> trace_context("00-" + "0" * 32 + "-00f067aa0ba902b7-01").trace_id == "0" * 32
    False
    """
    if traceparent is None:
        ids = random_hex(24)
        return TraceContext(ids[:32], ids[32:], False, scope=scope)
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is not None:
        version, trace_id, parent_id, flags, more = found.groups()
        known = version != "ff" and (version != "00" or more is None)
        if known and trace_id.strip("0") and parent_id.strip("0"):
            return TraceContext(trace_id, random_hex(8), bool(int(flags, 16) & 1), parent_id, scope=scope)
    return TraceContext(random_hex(16), random_hex(8), False, scope=scope)


_OWN = random.Random()  # noqa: S311 - ids tell requests apart and keep no secret
_BITS = _OWN.getrandbits
os.register_at_fork(after_in_child=_OWN.seed)  # two workers with one state would give the same ids

CALLER: ContextVar[TraceContext | None] = ContextVar("wardline_caller", default=None)
"""The trace of the request being answered, for what is asked of other servers on its behalf."""

REQUEST: ContextVar[str] = ContextVar("wardline_request", default="")
"""The id of the request being answered, for the lines that are logged meanwhile."""

STATUS = "wardline.status"
"""Where a request's scope says what was answered, once it was."""


def outgoing(rung: str) -> dict[str, str]:
    """Return the headers that pass the caller's trace on to a server asked by `rung`; none outside a request.

    The server's span becomes the child of the rung's own, whose id is known before the span is built.
    `tracestate` and `baggage` go on as they came.
    """
    context = CALLER.get()
    if context is None:
        return {}
    headers = {"traceparent": context._replace(span_id=child_id(context.span_id, rung)).traceparent}
    if context.tracestate:
        headers["tracestate"] = context.tracestate
    if context.baggage:
        headers["baggage"] = context.baggage
    return headers


def child_id(span_id: str, name: str) -> str:
    """Return the id of a span below another: the same whoever computes it, and never all zeros.

    >>> child_id("00f067aa0ba902b7", "taxi") == child_id("00f067aa0ba902b7", "taxi") != "0" * 16
    True
    """
    return blake2b(f"{span_id}/{name}".encode(), digest_size=8).hexdigest()


def from_http(scope: MutableMapping[str, Any]) -> tuple[str, TraceContext]:
    """Read the request's id and its trace from the headers of an ASGI scope, or make them."""
    given: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in _HEADERS:
            given[name] = value.decode("latin-1")
    trace = trace_context(given.get(b"traceparent"), scope)
    if len(given) > (b"traceparent" in given) + (b"x-request-id" in given):
        joined = bool(trace.parent_id)  # state and baggage without a parent are nobody's
        state, baggage = given.get(b"tracestate", ""), given.get(b"baggage", "")
        trace = trace._replace(
            tracestate=state if joined and len(state) <= _STATE and state.isascii() else "",
            baggage=baggage if len(baggage) <= _BAGGAGE and baggage.isascii() else "",
            forced=given.get(b"x-force-trace", "").lower() in {"1", "true", "yes"},
            token=given.get(b"x-wardline-debug", ""),
        )
    return request_id(given.get(b"x-request-id")), trace


def request_id(given: str | None = None) -> str:
    """Take the caller's id where it is a plain token of at most 64 characters, else make one.

    Made ids sort by time: 12 hex digits of milliseconds, 20 random ones.

    >>> request_id("order-17"), len(request_id("no spaces, please"))
    ('order-17', 32)
    """
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"{time.time_ns() // 1_000_000:012x}{random_hex(10)}"


def random_hex(size: int) -> str:
    """Return so many random bytes as hex, from a generator of our own: a caller's seed is left alone."""
    return f"{_BITS(8 * size) or 1:0{2 * size}x}"
