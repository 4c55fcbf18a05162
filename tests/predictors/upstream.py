"""A small real V2 server on loopback that can be told to lie, to dawdle and to break off."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, bytes]


@dataclass
class Upstream:
    """What it was asked, and how it answers: `answer` gets the request and the sound reply to it."""

    port: int = 0
    answer: Callable[[dict[str, Any], dict[str, Any]], Any] = lambda _, sound: sound
    raw: Callable[[BaseHTTPRequestHandler, bytes], None] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    connections: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def sound(request: dict[str, Any], values: list[Any] | None = None) -> dict[str, Any]:
    """Answer each row with the sum of its features."""
    (tensor,) = request["inputs"]
    rows, width = tensor["shape"]
    data = tensor["data"]
    sums = [sum(data[i * width : (i + 1) * width]) for i in range(rows)]
    output = {"name": "out", "shape": [rows], "datatype": "FP64", "data": sums if values is None else values}
    return {"model_name": "sums", "model_version": "1", "id": request["id"], "outputs": [output]}


@contextmanager
def upstream(port: int = 0, **told: Any) -> Iterator[Upstream]:
    """Run one until the block ends."""
    state = Upstream(**told)
    state.metadata = state.metadata or {
        "name": "sums", "versions": ["1"], "platform": "test",
        "inputs": [{"name": "in", "datatype": "FP64", "shape": [-1, 2]}],
        "outputs": [{"name": "out", "datatype": "FP64", "shape": [-1]}],
    }  # fmt: skip

    live: set[socket.socket] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            state.connections += 1
            live.add(self.connection)

        def finish(self) -> None:
            live.discard(self.connection)
            super().finish()

        def say(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            told = {"name": "test", "extensions": []} if self.path == "/v2" else state.metadata
            self.say(200, json.dumps(told).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = json.loads(body)
            state.asked.append(request)
            state.headers.append({name.lower(): value for name, value in self.headers.items()})
            if state.raw is not None:
                state.raw(self, body)
                return
            answer = state.answer(request, sound(request))
            status, content = answer if isinstance(answer, tuple) else (200, json.dumps(answer).encode())
            self.say(status, content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # callers that leave in the middle are what these tests are about

    server = Server(("127.0.0.1", port), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
        for connection in list(live):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join(120)
