"""Admission: how much work is in flight at once, until when it may take, and who still wants it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from math import inf
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

from wardline.errors import LogError, PayloadError, TooLargeError, WardlineError
from wardline.serving import exchange
from wardline.serving.exchange import Exchange
from wardline.serving.metrics import Metrics
from wardline.serving.replies import Caller, Reply, caller, problem
from wardline.settings import ServingSettings
from wardline.verdict import Action

log = logging.getLogger(__name__)

T = TypeVar("T")

GONE = 499
"""What the metrics call a request whose caller left; nobody is there to read it."""

_TIMEOUT = b"x-request-timeout-ms"

_STANDS_S = 0.1  # a line that is there so long is no burst
_LEARN = 0.05  # how much the last request changes what one is expected to take
_FEW = 8  # a client with a few connections is never refused


class BusyError(WardlineError):
    """As many requests are in flight as may be."""


class SlowError(WardlineError):
    """The body did not come in time."""


class GoneError(WardlineError):
    """The caller left."""


class Line:
    """The requests that are ready to be worked on: those that are, and those who wait for them.

    A burst makes a line that goes away. One that does not is another matter: whoever joins it waits for
    everybody in it, and so do all after them. Once there was always somebody waiting for a tenth of a second,
    the line is kept to what leaves it within `most_ms`. That is the idea of CoDel (Nichols and Jacobson,
    2012), applied to servers in "Fail at Scale" (Maurer, 2015): whether a line stands tells an overload from
    a burst, and not how long it is. It counts as gone once it was empty and nobody had to be refused for as
    long.
    """

    def __init__(self, most_ms: float = inf, clock: Callable[[], float] = time.monotonic) -> None:
        self.length = 0
        self.servers, self.few = 1, _FEW
        """How many are worked on at once, and how many are always let in."""
        self._most_s, self._clock = most_ms / 1000, clock
        self._apart_s = 0.0
        self._left_at = self._clear_at = clock()
        self._refused_at = -inf

    def __enter__(self) -> None:
        """Join it."""
        self.length += 1

    def __exit__(self, *_: object) -> None:
        """Leave it; two who leave one after the other while others wait tell how fast it moves."""
        now = self._clock()
        if self.length > self.servers:
            apart = now - self._left_at
            self._apart_s += _LEARN * (apart - self._apart_s) if self._apart_s else apart
        self._left_at = now
        self.length -= 1

    def full(self, coming: int) -> bool:
        """Say whether it stands and is long enough; `coming` are about to join it."""
        ahead, now = self.length + coming, self._clock()
        if ahead < self.servers:
            if now - self._refused_at > _STANDS_S:
                self._clear_at = now
            return False
        if ahead < self.few or now - self._clear_at <= _STANDS_S:
            return False
        if (ahead - self.servers) * self._apart_s < self._most_s:
            return False
        self._refused_at = now
        return True


class Slots:
    """The requests in flight in this worker, counted over all endpoints."""

    def __init__(self, most: int, line_ms: float = inf) -> None:
        self.most = most
        self.taken = 0
        self.line = Line(line_ms)
        self.few = min(most, self.line.few)
        """How many are let in without a look at the line."""
        self._coming = 0

    def serve(self, servers: int) -> None:
        """Say how many are worked on at once."""
        self.line.servers, self.line.few = servers, max(2 * servers, _FEW)
        self.few = min(self.most, self.line.few)

    @property
    def full(self) -> bool:
        """Whether one more would be refused."""
        return self.taken + self._coming >= self.most or self.line.full(self._coming)

    def take(self) -> None:
        """Take a slot, or raise BusyError."""
        if self.taken >= self.few and self.full:
            raise BusyError(self.busy)
        self.taken += 1

    def crowded(self, here: Exchange | None) -> bool:
        """Whether so many may be there that each must be counted before the first of them is worked on."""
        return here is None or here.alive > self.few

    @property
    def busy(self) -> str:
        """Why nobody more is let in."""
        return f"{self.taken} requests are in flight, try again shortly"

    def expect(self) -> None:
        """Count one who was let in at the connection, and takes a slot in the next turn of the loop."""
        if not self._coming:
            asyncio.get_running_loop().call_soon(self._came)
        self._coming += 1

    def _came(self) -> None:
        self._coming = 0

    def give(self) -> None:
        """Give it back."""
        self.taken -= 1


class Turns:
    """One at a time on the event loop, and between two of them a look at who has come meanwhile.

    Without that look a turn of the loop works on everybody who came in the last one, and those who came in
    this one are not even told that there is no room.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().call_soon(self._lock.release)


class Bounded:
    """An endpoint whose work has bounds: a slot, a deadline, a caller. A subclass writes `_answer`.

    Whatever goes wrong, something is answered: `_answer` may raise PayloadError, TooLargeError and the
    errors of this file.
    """

    def __init__(self, slots: Slots, limits: ServingSettings, metrics: Metrics) -> None:
        self._slots = slots
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        who, began, raised = caller(scope), time.time_ns(), False
        here = exchange.of(scope)
        try:
            self._slots.take()
        except BusyError as error:
            answer, raised = problem(429, str(error), who), True
        else:
            try:
                if self._slots.crowded(here):
                    # Everybody who arrived meanwhile is counted before the first of them is worked on.
                    await asyncio.sleep(0)
                answer = await self._answer(scope, receive, who)
            except Exception as error:
                answer, raised = error_reply(error, who), True
            finally:
                self._slots.give()
        self._metrics.responded(answer.status, answer.action)
        await answer.send(send, who)
        if answer.status >= 400 and (raised or answer.action == "none"):  # it left no record that tells why
            self.refused(answer, who, began)

    def refused(self, answer: Reply, who: Caller, began: int) -> None:
        """Note a request that was refused before the path; `began` in nanoseconds since the epoch."""

    async def _answer(self, scope: Scope, receive: Receive, who: Caller) -> Reply:
        raise NotImplementedError


def error_reply(error: Exception, who: Caller) -> Reply:
    """Answer a request that raised; the traceback of a fault of ours goes to our log only."""
    if isinstance(error, TooLargeError):
        return problem(413, str(error), who, action=Action.REJECT)
    if isinstance(error, PayloadError):
        return problem(400, str(error), who, action=Action.REJECT)
    if isinstance(error, SlowError):
        return problem(408, str(error), who, action=Action.REJECT, close=True)
    if isinstance(error, GoneError):
        return problem(GONE, str(error), who, close=True)
    if isinstance(error, LogError):
        return problem(503, f"no answer without its record: {error}", who)
    log.error("request %s failed", who.request_id, exc_info=error)
    return problem(500, "the gate failed on this request; it has been logged", who)


def deadline_of(scope: Scope, most_ms: float) -> float | None:
    """Return when the caller wants to have the answer (monotonic), by `x-request-timeout-ms`."""
    for name, value in scope["headers"]:
        if name == _TIMEOUT:
            try:
                wanted = float(value)
            except ValueError:
                wanted = 0.0
            if not wanted > 0.0:  # NaN too
                shown = value[:40].decode("latin-1")
                raise PayloadError(f"x-request-timeout-ms is {shown!r}: send milliseconds above zero")
            return time.monotonic() + min(wanted, most_ms) / 1000
    return None


async def in_thread(pool: ThreadPoolExecutor, work: Callable[[], T], receive: Receive) -> T:
    """Run work in a thread while the caller stays; work that has not begun when they leave is dropped.

    What has begun runs to its end, for it leaves its record.
    """
    task = pool.submit(copy_context().run, work)
    done = asyncio.wrap_future(task)
    leaving = asyncio.ensure_future(receive())
    either: set[asyncio.Future[Any]] = {done, leaving}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not done.done() and task.cancel():
            raise GoneError("the caller left before the work began")
        return await done
    finally:
        leaving.cancel()
