"""Waiting for what is really there, with a deadline."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_TICK = threading.Event()


def until(condition: Callable[[], T], seconds: float = 20.0) -> T:
    """Ask again until something true comes back; after so many seconds it is a failure."""
    for _ in range(int(seconds / 0.05)):
        found = condition()
        if found:
            return found
        _TICK.wait(0.05)
    raise AssertionError(f"still not so after {seconds:g} s")


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
