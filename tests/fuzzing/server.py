"""An app asked in process, as a server would ask it."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.examples import MemorySink
from wardline import Gate, Settings
from wardline.serving import app


@dataclass
class Server:
    """An app asked in process: every byte of a request takes the path it takes from a socket."""

    gate: Gate
    home: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)

    def __post_init__(self) -> None:
        settings = Settings(home=Path(self.home.name))
        self.gate.open(settings, sink=MemorySink())
        self.app = app(self.gate, settings)
        self.loop = asyncio.new_event_loop()
        self._lifespan = self.app.router.lifespan_context(self.app)
        self.loop.run_until_complete(self._lifespan.__aenter__())

    def close(self) -> None:
        """Stop as a server stops, and close the gate: it may be one that others open too."""
        self.loop.run_until_complete(self._lifespan.__aexit__(None, None, None))
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.home.cleanup()

    def ask(self, path: str, body: bytes, *headers: tuple[bytes, bytes]) -> tuple[int, bytes]:
        """POST a body; return status and answer."""
        sink = self.gate.open().sink
        assert isinstance(sink, MemorySink)
        sink.records.clear()
        return self.loop.run_until_complete(self._ask(path, body, list(headers)))

    async def _ask(self, path: str, body: bytes, headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path,
            "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        }  # fmt: skip
        waiting = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if waiting:
                return waiting.pop()
            return await asyncio.get_running_loop().create_future()  # the caller stays

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])
