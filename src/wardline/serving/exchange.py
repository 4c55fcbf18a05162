"""One request on a connection of ours: a short way past ASGI's messages, and the same meaning.

ASGI hands over a body and an answer in messages, each with waits and checks of its own. Where the body is
here already and the answer is one piece, that costs more than the gate's guards. Under another server's
protocol there is no exchange, and the messages are used.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_KEY = "wardline.exchange"
_SMALL = 65_536  # bytes; the protocol stops reading from connections that sent more, and ASGI's way resumes


class Exchange:
    """What the protocol knows of one request, and of all that are being answered."""

    __slots__ = ("_cycle", "_tasks")

    def __init__(self, cycle: RequestResponseCycle, tasks: Collection[Any]) -> None:
        self._cycle = cycle
        self._tasks = tasks

    @property
    def alive(self) -> int:
        """How many requests have come and are not answered, in the whole worker."""
        return len(self._tasks)

    def body(self) -> bytes | None:
        """Take the body, if it is whole and here; None says that it must be received."""
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected or len(cycle.body) > _SMALL:
            return None
        body = bytes(cycle.body)
        cycle.body = bytearray()
        cycle.message_event.clear()  # what is awaited from here on is that the caller leaves
        return body

    def answer(self, status: int, head: bytes, body: bytes) -> bool:
        """Write a whole response at once; False where something about it is not plain."""
        cycle = self._cycle
        if cycle.response_started or not cycle.keep_alive or cycle.flow.write_paused or cycle.disconnected:
            return False
        if cycle.scope["method"] == "HEAD":
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        usual = [b"%b: %b\r\n" % each for each in cycle.default_headers]
        cycle.transport.write(b"".join([STATUS_LINE[status], *usual, head, b"\r\n", body]))
        cycle.message_event.set()
        cycle.on_response()
        return True


def begin(cycle: RequestResponseCycle, tasks: Collection[Any]) -> None:
    """Offer the short way to whoever answers the request."""
    scope: Any = cycle.scope
    scope[_KEY] = Exchange(cycle, tasks)


def of(scope: Scope | None) -> Exchange | None:
    """Return the request's exchange, where the connection is ours."""
    return None if scope is None else scope.get(_KEY)
