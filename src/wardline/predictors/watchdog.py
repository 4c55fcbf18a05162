"""The watchdog: one thread that stops model runs at their deadline, and sleeps when there are none."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

_IDLE_S = 1.0  # how long without runs before it stops looking
_TICK_S = 0.025  # longest time between two looks while there are runs


class Watchdog:
    """Sets `terminate` on the run options of a run whose deadline passed.

    A timer per run would start a thread per request. Here a run costs two dictionary operations; the thread
    looks every `deadline / 4`, at most every 25 ms, while there is traffic, and waits on an event otherwise.
    """

    def __init__(self) -> None:
        self._runs: dict[int, tuple[float, Any]] = {}
        self._keys = itertools.count()
        self._wake = threading.Event()
        self._tick = _TICK_S
        self._closed = False
        self._thread: threading.Thread | None = None

    def guard(self, deadline: float, options: Any) -> int:
        """Watch a run until `release`; returns its key."""
        key = next(self._keys)
        self._runs[key] = (deadline, options)
        left = deadline - time.monotonic()
        if left / 4 < self._tick:
            self._tick = max(left / 4, 0.001)
        if not self._wake.is_set():
            self._wake.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="wardline-watchdog", daemon=True)
                self._thread.start()
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

    def _watch(self) -> None:
        quiet_since = time.monotonic()
        while not self._closed:
            self._wake.wait()
            now = time.monotonic()
            runs = list(self._runs.values())
            for deadline, options in runs:
                if now >= deadline:
                    options.terminate = True
            if runs:
                quiet_since = now
            elif now - quiet_since > _IDLE_S:
                self._wake.clear()
                # A run that came between the look and the clear would wait for ever without this.
                if self._runs:
                    self._wake.set()
                quiet_since = now
                continue
            time.sleep(self._tick)
