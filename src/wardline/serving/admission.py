"""Admission: how much work is in flight at once, until when it may take, and who still wants it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

from wardline.errors import LogError, PayloadError, TooLargeError, WardlineError
from wardline.serving import exchange
from wardline.serving.metrics import Metrics
from wardline.serving.replies import Caller, Reply, caller, problem
from wardline.settings import ServingSettings
from wardline.verdict import Action

log = logging.getLogger(__name__)

T = TypeVar("T")

GONE = 499
"""What the metrics call a request whose caller left; nobody is there to read it."""

_TIMEOUT = b"x-request-timeout-ms"


class BusyError(WardlineError):
    """As many requests are in flight as may be."""


class SlowError(WardlineError):
    """The body did not come in time."""


class GoneError(WardlineError):
    """The caller left."""


class Slots:
    """The requests in flight in this worker, counted over all endpoints."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def take(self) -> None:
        """Take a slot, or raise BusyError."""
        if self.taken >= self.most:
            raise BusyError(f"{self.taken} requests are in flight, try again shortly")
        self.taken += 1

    def give(self) -> None:
        """Give it back."""
        self.taken -= 1


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
                if here is None or here.alive > self._slots.most:
                    # Everybody who arrived meanwhile is counted before the first of them is worked on.
                    await asyncio.sleep(0)
                answer = await self._answer(scope, receive, who)
            except Exception as error:
                answer, raised = refusal(error, who), True
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


def refusal(error: Exception, who: Caller) -> Reply:
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
