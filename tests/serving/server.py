"""A real server on a loopback port, in a thread of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from wardline.serving.protocol import protocol
from wardline.settings import ServingSettings


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@contextmanager
def serving(
    app: Any, *, host: str = "127.0.0.1", limits: ServingSettings | None = None
) -> Iterator[httpx.Client]:
    """Serve an app and give a client of it; the app's lifespan runs as in production."""
    listener = socket.socket()
    listener.bind((host, 0))
    config = uvicorn.Config(
        app, log_level="warning", lifespan="on", http=protocol(limits or ServingSettings())
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert server.up.wait(120)
        with httpx.Client(base_url=f"http://{host}:{listener.getsockname()[1]}", timeout=120) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(120)
        listener.close()
