"""Waiting for what is really there, with a deadline that only a fault reaches."""

from __future__ import annotations

import itertools
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_TICK = threading.Event()


def until(condition: Callable[[], T], seconds: float = 300.0) -> T:
    """Ask again until something true comes back; after so many seconds it is a failure."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"still not so after {seconds:g} s"
        _TICK.wait(0.02)
    return found


def _ports() -> list[int]:
    """Ports below those that the kernel gives to callers; each process of tests has some of its own."""
    place = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    mine = list(range(20_000 + place * 1_500, 20_000 + (place + 1) * 1_500))
    random.shuffle(mine)  # beside another run of the tests
    return mine


_PORTS = itertools.cycle(_ports())


def free_port() -> int:
    """A port of loopback that nobody listens at, and that nobody else is given before it is bound."""
    for port in itertools.islice(_PORTS, 1_500):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every port is taken")
