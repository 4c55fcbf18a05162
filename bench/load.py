"""A small closed-loop HTTP client for loopback: keeps a few connections busy, and checks every status."""

from __future__ import annotations

import asyncio
import time

JSON = "content-type: application/json"


def _request(path: str, body: bytes, kind: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{kind}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def _connection(port: int, request: bytes, times: int, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(times):
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"not a 200: {head[:200]!r}")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - began)
    writer.close()


def drive(
    port: int,
    path: str,
    body: bytes,
    *,
    requests: int,
    connections: int = 8,
    kind: str = JSON,
) -> list[float]:
    """Send `requests` and return their latencies in seconds."""
    latencies: list[float] = []
    request = _request(path, body, kind)

    async def all_of_them() -> None:
        share = requests // connections
        await asyncio.gather(*(_connection(port, request, share, latencies) for _ in range(connections)))

    asyncio.run(all_of_them())
    return latencies
