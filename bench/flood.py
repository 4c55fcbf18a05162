"""Open load on one server, as a process of its own: callers who come when they come, and wait for nobody.

    python -m bench.flood PORT RATE SECONDS [--seed 1] < body

Arrivals are Poisson, as of many callers who do not know each other; each takes a connection that is free, or
opens one. A latency counts from the moment the caller came, so that a slow server cannot hide behind callers
who wait. Prints JSON: [seconds since the first, status, milliseconds] of every request, status 0 where none
came, and which share of a processor this process was busy: near 1 it measures itself.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import random
import sys
import time
from typing import Any

import uvloop

from bench.load import JSON

_DRAIN_S = 10.0  # how long the last answers are waited for


class Line(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self._came = 0.0
        self._left = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, came: float) -> None:
        self._came, self._left = came, b""
        self._transport.write(self._flood.request)

    def data_received(self, data: bytes) -> None:
        self._left += data
        head, mark, body = self._left.partition(b"\r\n\r\n")
        if not mark:
            return
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        if len(body) < int(lower[at : (lower.find(b"\r", at) + 1 or len(lower) + 1) - 1]):
            return
        came, self._came = self._came, 0.0
        self._flood.answered(self, int(head[9:12]), came, closing=b"connection: close" in lower)

    def connection_lost(self, exc: Exception | None) -> None:
        self._flood.lost(self, self._came)


class Flood:
    """The callers, and what became of them."""

    def __init__(self, port: int, request: bytes, most: int) -> None:
        self.request = request
        self.results: list[tuple[float, int, float]] = []
        self._began = 0.0
        self._port, self._most = port, most
        self._free: list[Line] = []
        self._open = 0
        self._waiting: list[float] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def answered(self, line: Line, status: int, came: float, *, closing: bool) -> None:
        """Note an answer; the connection goes to whoever waits longest."""
        self._note(status, came)
        if not closing:
            self._take(line)

    def lost(self, line: Line, came: float) -> None:
        """A connection went; so did the answer that was due on it."""
        self._open -= 1
        if came:
            self._note(0, came)
        if line in self._free:
            self._free.remove(line)

    def _note(self, status: int, came: float) -> None:
        self.results.append((came - self._began, status, (time.perf_counter() - came) * 1000))

    def _take(self, line: Line) -> None:
        if self._waiting:
            line.ask(heapq.heappop(self._waiting))
        else:
            self._free.append(line)

    def come(self, came: float) -> None:
        """One more caller."""
        if self._free:
            self._free.pop().ask(came)
            return
        heapq.heappush(self._waiting, came)
        if self._open < self._most:
            self._open += 1
            task = asyncio.ensure_future(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(lambda: Line(self), "127.0.0.1", self._port)
        self._take(line)

    async def run(self, rate: float, seconds: float, seed: int) -> int:
        """Let callers come for so long; return how many did."""
        rng = random.Random(seed)  # noqa: S311 - arrivals
        self._began = began = time.perf_counter()
        due, asked = began + rng.expovariate(rate), 0
        while due < began + seconds:
            now = time.perf_counter()
            while due <= now:
                self.come(due)
                asked += 1
                due += rng.expovariate(rate)
            await asyncio.sleep(max(0.0, min(due - time.perf_counter(), 0.01)))
        end = time.perf_counter() + _DRAIN_S
        while len(self.results) < asked and time.perf_counter() < end:  # noqa: ASYNC110 - a poll a run
            await asyncio.sleep(0.01)
        return asked


def request(path: str, body: bytes, kind: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{kind}\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.flood")
    parser.add_argument("port", type=int)
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--path", default="/predict")
    parser.add_argument("--headers", default=JSON)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=512)
    asked = parser.parse_args()
    body = sys.stdin.buffer.read()
    flood = Flood(asked.port, request(asked.path, body, asked.headers), asked.connections)
    began = time.process_time()
    came = uvloop.run(flood.run(asked.rate, asked.seconds, asked.seed))
    unanswered = came - len(flood.results)
    answers = [*flood.results, *[(asked.seconds, 0, _DRAIN_S * 1000)] * unanswered]
    json.dump({"answers": answers, "busy": (time.process_time() - began) / asked.seconds}, sys.stdout)


if __name__ == "__main__":
    main()
