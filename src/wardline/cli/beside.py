"""The monitor as a thread beside a loop in the same process: edge devices run one program."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wardline.cli.target import watched
from wardline.errors import WardlineError
from wardline.gate import Gate
from wardline.monitor.alerts import Event
from wardline.monitor.process import Monitor
from wardline.settings import Settings


@contextmanager
def monitored(gate: Gate, settings: Settings, on_event: Callable[[Event], object]) -> Iterator[str]:
    """Run a gate's monitor in a thread while it lasts; give why there is none, else nothing.

    It is the monitor of `wardline monitor`: it reads the log, writes health.json and alerts.jsonl, and needs
    no network. It ends after a last look at what the loop left. A gate without a reference has none, and
    where another process already monitors this home that one goes on.
    """
    try:
        working = Monitor(watched(gate), settings.home)
    except WardlineError as error:
        yield str(error)
        return
    stopped = threading.Event()
    thread = threading.Thread(target=working.run, args=(stopped, on_event), name="wardline-monitor")
    thread.start()
    try:
        yield ""
    finally:
        stopped.set()
        thread.join()
