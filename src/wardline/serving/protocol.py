"""The connection: heads that are too large, messages that come too slowly, more callers than may be."""

from __future__ import annotations

import asyncio
import functools
import logging
from math import inf
from typing import Any, cast

import uvicorn.config
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from wardline.serving import exchange
from wardline.serving.front import rooms, straight
from wardline.serving.replies import Caller, Reply, problem
from wardline.serving.state import State
from wardline.settings import ServingSettings
from wardline.telemetry import request_id, trace_context

_DROPPED = 262_144  # bytes of a body that are read for nothing to keep a connection


class Patient(HttpToolsProtocol):
    """uvicorn's protocol with limits: its own waits for ever, and keeps whatever headers are sent to it.

    A request in one piece costs two attribute reads more. What arrives in pieces is watched by one timer:
    the head must be whole within `head_s`; a body that nobody reads any more, within `body_s` after it.
    """

    def __init__(self, limits: ServingSettings, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self.app = straight(self.app)
        self._rooms = rooms(self.app)
        self._turned, self._turned_at = False, -inf
        self.access_log = self.access_logger.isEnabledFor(logging.INFO)  # else lines are made for nobody
        self._head_bytes = 0
        self._open = self._whole_head = self._refused = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, if there is room for one more."""
        super().connection_made(cast("asyncio.Transport", transport))
        if len(self.connections) > self._limits.max_connections:
            self._refuse(503, f"{self._limits.max_connections} connections are open, try again shortly")
            return
        self._watch()  # who connects and says nothing does not stay

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; watch what is not whole."""
        if self._refused:
            return
        super().data_received(data)
        if self._open:
            if not self._whole_head:
                self._head_bytes += len(data)
                if self._head_bytes > self._limits.max_head_kb * 1024:
                    self._refuse(431, f"the head is over {self._limits.max_head_kb:g} KiB")
                    return
            if self._timer is None:
                self._watch()
        elif self._timer is not None and not self._idle():
            self._forget()

    def on_message_begin(self) -> None:
        """Start over."""
        self._open, self._whole_head, self._head_bytes = True, False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Refuse a head that is too large before anything is started for it."""
        self._whole_head = True
        size = sum(len(name) + len(value) for name, value in self.headers) + len(self.url)
        if len(self.headers) > self._limits.max_headers or size > self._limits.max_head_kb * 1024:
            most = f"{self._limits.max_headers} headers in {self._limits.max_head_kb:g} KiB"
            self._refuse(431, f"the head is over {most}")
            return
        state = self._rooms.get(self.url)
        if state is not None and len(self.tasks) >= state.slots.few and self._idle():
            if state.slots.full:
                self._turn_away(state)
                return
            state.slots.expect()
        super().on_headers_complete()
        if self.cycle is not None:  # there is none where the caller asks for another protocol
            exchange.begin(self.cycle, self.tasks)

    def on_body(self, body: bytes) -> None:
        """Drop what nobody will read."""
        if not (self._refused or self._turned):
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the message is whole."""
        self._open = False
        if self._turned:
            self._turned, self._turned_at = False, self.loop.time()
            if self._timer is None:
                self._watch()
        elif not self._refused:
            super().on_message_complete()

    def _idle(self) -> bool:
        """Whether nothing that was asked on this connection before is still to be answered."""
        return self.cycle is None or self.cycle.response_complete

    def _turn_away(self, state: State) -> None:
        """Answer a prediction there is no room for: a flood must cost less than what it asks for.

        A small body that was not asked to wait is read and dropped, and the connection stays.
        """
        answer, who = state.turned_away(cast("Scope", self.scope))
        length = next((value for name, value in self.headers if name == b"content-length"), b"")
        stays = length.isdigit() and int(length) <= _DROPPED and not self.expect_100_continue
        if stays and self.parser.should_keep_alive():
            self._turned = True
            self.transport.write(_raw(answer, who))
        else:
            self._hang_up(answer._replace(headers=(*answer.headers, (b"connection", b"close"))), who)

    def _watch(self) -> None:
        seconds = self._limits.body_s + 1.0 if self._whole_head and self._open else self._limits.head_s
        self._timer = self.loop.call_later(seconds, self._late)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        """Close what waits for nothing; whoever reads a body has a limit of its own, and answers."""
        self._timer = None
        if self._open and not self._whole_head:
            self._refuse(408, f"the head was not whole after {self._limits.head_s:g} s")
        elif self._idle() and self.loop.time() - self._turned_at >= self._limits.head_s:
            self.transport.close()
        else:
            self._watch()

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer without the application, and hang up."""
        who = Caller(request_id(), trace_context(None))
        self._hang_up(problem(status, sentence, who, close=True), who)

    def _hang_up(self, answer: Reply, who: Caller) -> None:
        self._refused = True
        self._forget()
        self.transport.write(_raw(answer, who))
        self.transport.close()


def _raw(answer: Reply, who: Caller) -> bytes:
    return b"".join([STATUS_LINE[answer.status], answer.lines(who), b"\r\n", answer.body])


def protocol(limits: ServingSettings) -> Any:
    """Return what makes the protocol of a connection: `uvicorn.run(app, http=protocol(limits))`."""
    return functools.partial(Patient, limits)


def install(limits: ServingSettings) -> None:
    """Make it what uvicorn takes by default: BentoML lets nobody choose."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = protocol(limits)
