"""Draining: at SIGTERM the server first says that it is not ready, and stops taking callers later."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType

log = logging.getLogger(__name__)


def drain_first(drain: Callable[[], bool], seconds: float) -> None:
    """Put `seconds` of not being ready before what SIGTERM does so far; for the loop's own thread.

    `drain` stops being ready, and says False where that was so already. Balancers need that time to send
    their callers elsewhere; who still comes meanwhile is answered.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # a server in a thread gets no signals
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before):
        return
    loop = asyncio.get_running_loop()

    def stop() -> None:
        before(signal.SIGTERM, None)

    def begin() -> None:
        log.info("stopping in %g s: not ready from now on", seconds)
        loop.call_later(seconds, stop)

    def told(_signal: int, _frame: FrameType | None) -> None:
        if drain():
            loop.call_soon_threadsafe(begin)
        else:
            stop()  # asked twice: at once

    signal.signal(signal.SIGTERM, told)
