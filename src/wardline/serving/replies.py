"""Replies: every response carries who asked, which trace, and what was done; errors are problem+json."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from starlette.types import Scope, Send

from wardline.serving import exchange
from wardline.telemetry import CALLER, REQUEST, STATUS, TraceContext, from_http
from wardline.tracing.refusal import Refused

_encode = msgspec.json.Encoder().encode
_TITLES = {
    400: "The request cannot be read",
    401: "Who is asking?",
    403: "Not open to this caller",
    404: "No such place",
    405: "No such method here",
    408: "The request came too slowly",
    413: "Too large",
    422: "The input breaks its contract",
    429: "Too many requests in flight",
    431: "Too many headers",
    500: "A fault of ours",
    503: "Not ready",
    504: "No answer within the deadline",
}

_EVERY = (
    (b"cache-control", b"no-store"),  # an answer is about one moment
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_CLOSE = (b"connection", b"close")
_NOTHING = b"default-src 'none'; frame-ancestors 'none'"
PAGE = b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
"""The content security policy of a page for people: what it needs comes from this server."""


class Caller(NamedTuple):
    """Who asked: the ids that go back with every response."""

    request_id: str
    trace: TraceContext


def caller(scope: Scope) -> Caller:
    """Read the ids from the request's headers, or make them; from here on they are the request's."""
    who = Caller(*from_http(scope))
    CALLER.set(who.trace)
    REQUEST.set(who.request_id)
    return who


class Reply(NamedTuple):
    """A response, ready to send."""

    status: int
    body: bytes
    action: str = "none"
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    policy: bytes = _NOTHING
    """What a browser may do with it; `PAGE` for a page."""

    async def send(self, send: Send, who: Caller) -> None:
        """Send it with the headers that every response carries."""
        scope = who.trace.scope
        if scope is not None:
            scope[STATUS] = self.status
        here = exchange.of(scope)
        if here is not None and self._whole(here, who):
            return
        await send({"type": "http.response.start", "status": self.status, "headers": self.head(who)})
        await send({"type": "http.response.body", "body": self.body})

    def _whole(self, here: exchange.Exchange, who: Caller) -> bool:
        return _CLOSE not in self.headers and here.answer(self.status, self.lines(who), self.body)

    def head(self, who: Caller) -> list[tuple[bytes, bytes]]:
        """Return the headers, with those that every response carries."""
        return [
            (b"content-length", str(len(self.body)).encode()),
            (b"x-request-id", who.request_id.encode()),
            (b"traceparent", who.trace.traceparent.encode()),
            (b"x-wardline-action", self.action.encode()),
            (b"content-type", self.content_type),
            (b"content-security-policy", self.policy),
            *_EVERY,
            *self.headers,
        ]

    def lines(self, who: Caller) -> bytes:
        """Return the headers as they stand in a message; what never changes is written once."""
        always = _written(self.content_type, self.policy, self.headers)
        trace = who.trace
        told = (
            f"content-length: {len(self.body)}\r\nx-request-id: {who.request_id}\r\n"
            f"traceparent: {trace.traceparent}\r\nx-wardline-action: {self.action}\r\n"
        )
        return told.encode() + always


@lru_cache(maxsize=64)
def _written(content_type: bytes, policy: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    every = ((b"content-type", content_type), (b"content-security-policy", policy), *_EVERY, *headers)
    return b"".join(b"%b: %b\r\n" % header for header in every)


def reply(status: int, content: Any, action: str = "none") -> Reply:
    """Encode a struct or plain data as JSON; NaN becomes null, which is what it means."""
    return Reply(status, _encode(content), action)


def problem(
    status: int,
    error: str,
    who: Caller,
    *,
    action: str = "none",
    more: Mapping[str, Any] | None = None,
    close: bool = False,
) -> Reply:
    """Make an RFC 9457 problem: `error` is the sentence for a person, `more` what a program may read.

    `close` ends the connection: what is left of the request is not waited for.
    """
    content = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "error": error,
        "request_id": who.request_id,
        "trace_id": who.trace.trace_id,
        "action": action,
        **(more or {}),
    }
    headers: tuple[tuple[bytes, bytes], ...] = ((b"retry-after", b"1"),) if status in (429, 503) else ()
    if close:
        headers += (_CLOSE,)
    return Reply(status, _encode(content), action, b"application/problem+json", headers)


def refused(answer: Reply, who: Caller, began: int) -> Refused:
    """Return what the trace of a request tells that was refused with a problem."""
    sentence = str(msgspec.json.decode(answer.body)["error"])
    ids = who.request_id, who.trace
    return Refused(*ids, answer.status, str(answer.action), sentence, began, time.time_ns())
