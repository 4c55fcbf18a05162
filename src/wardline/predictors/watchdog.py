"""The watchdog: one thread that stops model runs at their deadline, and sleeps when there are none."""

from __future__ import annotations

import itertools
import threading
import time
from math import inf
from typing import Any

_IDLE_S = 1.0  # how long without runs before it stops looking


class Watchdog:
    """Sets `terminate` on the run options of a run whose deadline passed.

    A timer per run would start a thread per request. Here a run costs two dictionary operations. Runs are
    given `usual_s` seconds as a rule: whatever begins after a look cannot be late before that long, so the
    thread looks when the first run in flight is due, or after `usual_s`; a run with less time wakes it.
    """

    def __init__(self, usual_s: float) -> None:
        self._usual_s = usual_s
        self._runs: dict[int, tuple[float, Any]] = {}
        self._keys = itertools.count()
        self._wake = threading.Event()
        self._looks_at = inf
        self._closed = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def guard(self, deadline: float, options: Any) -> int:
        """Watch a run until `release`; returns its key."""
        key = next(self._keys)
        self._runs[key] = (deadline, options)
        if deadline < self._looks_at:
            self._wake.set()
            if self._thread is None:
                self._start()
        return key

    def release(self, key: int) -> None:
        """Stop watching a run that came back."""
        self._runs.pop(key, None)

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="wardline-watchdog", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        busy = time.monotonic()
        while not self._closed:
            self._looks_at = inf  # who comes from here on wakes the wait below, seen or not
            now = time.monotonic()
            due = now + self._usual_s
            for deadline, options in list(self._runs.values()):
                busy = now
                if now >= deadline:
                    options.terminate = True
                else:
                    due = min(due, deadline)
            idle = now - busy > _IDLE_S
            if not idle:
                self._looks_at = due
            self._wake.wait(None if idle else due - now)
            self._wake.clear()
