"""What lies beside a gate's records goes to the store too: kept traces, and alerts. A thread does it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from wardline.errors import LogError
from wardline.log.store import Store

log = logging.getLogger(__name__)

EVERY_S = 30.0
"""Between two looks for what is new."""


class Courier:
    """Puts the traces and alerts of a gate into a store, beside its records; a file that grew goes again.

    Choose it where a machine at the edge is collected from: a store that is away is asked again at the next
    look, and nothing waits for it.
    """

    def __init__(self, home: Path, store: Store, every_s: float = EVERY_S) -> None:
        self._home, self._store, self._every_s = home, store, every_s
        self._stop = threading.Event()
        self._sent = 0
        self._thread = threading.Thread(target=self._run, name="wardline-courier", daemon=True)
        self._thread.start()

    @property
    def sent(self) -> int:
        """How many files were put there, counting one that grew each time."""
        return self._sent

    def close(self, timeout: float) -> None:
        """Make a last round of up to `timeout` seconds."""
        self._stop.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        last = False
        while not last:
            last = self._stop.wait(self._every_s)
            self._round()

    def _round(self) -> None:
        traces = (file for file in (self._home / "traces").rglob("*") if file.is_file())
        for file in [*sorted(traces), *self._home.glob("alerts.jsonl")]:
            try:
                self._sent += self._store.keep(file, file.relative_to(self._home).as_posix())
            except (LogError, OSError) as error:  # it is away: what is not there goes at the next look
                log.info("%s; it is tried again", error)
                return
