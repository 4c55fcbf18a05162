"""`wardline serve` as a process: started, watched, asked, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.waiting import free_port, until

ROOT = Path(__file__).parents[2]


@dataclass
class Running:
    """A running server: its supervisor's process, its port, its home, what it printed."""

    process: subprocess.Popen[str]
    port: int
    home: Path
    screen: list[str]
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def workers(self) -> list[psutil.Process]:
        """The processes that answer: the supervisor's children that listen or inherited the socket."""
        return [child for child in self.children() if any("_impl.worker" in part for part in command(child))]

    def children(self) -> list[psutil.Process]:
        """Whatever the supervisor started and that is still there."""
        return psutil.Process(self.process.pid).children()

    def says(self, *words: str) -> None:
        """Wait until each of these words stood on the screen; a pipe may be read later than all else."""
        for word in words:
            until(lambda word=word: word in "".join(self.screen))


def command(process: psutil.Process) -> list[str]:
    """How a process was started; nothing of one that ended meanwhile."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def answers(url: str, tls: ssl.SSLContext | None = None) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=20, verify=tls or False).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def started(
    home: Path,
    *options: str,
    target: str = "guards.taxi",
    tls: ssl.SSLContext | None = None,
    **settings: str,
) -> Iterator[Running]:
    """Start a server with its own home, wait until it is ready, and stop it in the end."""
    port = free_port()
    env = {**os.environ, "HOME": str(home), "WARDLINE_LOG_FLUSH_S": "0.05", **settings}
    serve = [sys.executable, "-m", "wardline", "serve", target]
    process = subprocess.Popen(
        [*serve, "--port", str(port), "--home", str(home / "w"), *options],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    screen: list[str] = []
    assert process.stdout is not None
    reading = threading.Thread(target=lambda: screen.extend(process.stdout or []))
    reading.start()
    running = Running(process, port, home / "w", screen, tls)
    try:
        until(lambda: answers(running.url, tls) or process.poll() is not None, 600)
        assert process.poll() is None, "".join(screen)
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(180)
        reading.join(60)
        process.stdout.close()


class Load:
    """Callers that ask without a pause, and remember what they were answered."""

    def __init__(self, running: Running, row: Mapping[str, Any], callers: int = 3) -> None:
        self.url, self.row = running.url, row
        self.served: list[str] = []
        self.odd: list[str] = []
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(callers)
        for _ in range(callers):
            self._pool.submit(self._ask)

    def _ask(self) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self._stop.is_set():
                try:
                    reply = client.post("/predict", json=self.row)
                except httpx.TransportError:
                    self._stop.wait(0.02)
                    continue
                if reply.status_code == 200:
                    self.served.append(reply.json()["request_id"])
                elif reply.status_code not in {429, 503}:
                    self.odd.append(reply.text)

    def stop(self) -> None:
        self._stop.set()
        self._pool.shutdown()


@contextmanager
def loaded(running: Running, row: Mapping[str, Any]) -> Iterator[Load]:
    """Keep a server busy; the load is under way when this is entered, and over when it is left."""
    load = Load(running, row)
    try:
        until(lambda: len(load.served) > 100)
        yield load
    finally:
        load.stop()
