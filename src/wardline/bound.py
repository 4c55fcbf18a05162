"""The bound: a guard that hangs is interrupted, so that it costs its own rows and not the server."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
import weakref

from wardline.errors import GuardTimeoutError

log = logging.getLogger(__name__)


class Watch:
    """One judgement under way, and what became of it. Made for each, so it is made of nothing."""

    caught = False
    sent = False


class Bound:
    """Raises GuardTimeoutError in any thread that judges for longer than `limit_s` seconds.

        watch = Watch()
        bound.running[watch] = get_ident()
        try: ...
        finally:
            if bound.running.pop(watch, None) is None: settle(watch)

    A watched judgement costs two operations on a dictionary and no look at the clock: one thread looks four
    times a limit, and acts on a judgement that it has known for as long as the limit. Only Python code can
    be interrupted: what hangs inside a C function is `stuck`, and ends with its process.
    """

    def __init__(self, limit_s: float = 1.0) -> None:
        self.running: dict[Watch, int] = {}
        self._interrupted: list[Watch] = []
        stop = threading.Event()
        weakref.finalize(self, stop.set)  # the thread holds no reference to this object
        arguments = (self.running, self._interrupted, stop, limit_s)
        threading.Thread(target=_look, args=arguments, name="wardline-bound", daemon=True).start()

    @property
    def stuck(self) -> bool:
        """Whether a judgement was interrupted a limit ago and has not come back."""
        return any(not watch.caught for watch in self._interrupted)


def settle(watch: Watch) -> None:
    """Await an interrupt that is under way, so that it hits nobody else."""
    try:
        if watch.caught:
            return
        while not watch.sent:
            time.sleep(0.001)
        time.sleep(0.001)  # Python delivers what was sent before it goes on
    except GuardTimeoutError:
        return
    finally:
        watch.caught = True


def _look(running: dict[Watch, int], interrupted: list[Watch], stop: threading.Event, limit_s: float) -> None:
    """Interrupt what has run for too long, until nobody needs it any more.

    Who takes a watch out of `running` settles it: either it came to its end, or it is interrupted.
    """
    seen: dict[Watch, float] = {}
    sent: dict[Watch, float] = {}
    while not stop.wait(limit_s / 4):
        now = time.monotonic()
        seen = {watch: seen.get(watch, now) for watch in list(running)}
        for watch, first in seen.items():
            if now - first < limit_s:
                continue
            thread = running.pop(watch, None)
            if thread is not None:
                log.error("guards have not answered for %.1f s: interrupted", now - first)
                _interrupt(watch, thread)
                sent[watch] = now
        sent = {watch: at for watch, at in sent.items() if not watch.caught and watch not in running}
        interrupted[:] = [watch for watch, at in sent.items() if now - at >= limit_s]


def _interrupt(watch: Watch, thread: int) -> None:
    """Raise in another thread, at its next line of Python."""
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in(ctypes.c_ulong(thread), ctypes.py_object(GuardTimeoutError))
    watch.sent = True
