"""Waiting for what is really there, with a deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_TICK = threading.Event()


def until(condition: Callable[[], T], seconds: float = 60.0) -> T:
    """Ask again until something true comes back; after so many seconds it is a failure."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"still not so after {seconds:g} s"
        _TICK.wait(0.02)
    return found


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
