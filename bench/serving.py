"""What a guarded request costs, beside the bare mounted route and the default endpoint, in one run.

CPU time of the whole process tree of each server, from the operating system; rounds alternate, so that a
machine that slows down slows all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.load import JSON, drive
from guards.employment import gate

ROUNDS = 7
REQUESTS = 2400


@dataclass
class Server:
    name: str
    port: int
    body: bytes
    process: psutil.Process

    def cpu_s(self) -> float:
        """User and system time of the server's whole tree so far."""
        tree = [self.process, *self.process.children(recursive=True)]
        return sum(sum(each.cpu_times()[:2]) for each in tree)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(  # noqa: PLR0917 - as the servers' own options
    name: str,
    command: list[str],
    body: bytes,
    home: Path,
    path: str = "/predict",
    kind: str = JSON,
) -> Iterator[Server]:
    port = free_port()
    env = {**os.environ, "WARDLINE_HOME": str(home / name), "BENTOML_HOME": str(home / name / "bento"),
           "BENTOML_DO_NOT_TRACK": "true", "PYTHONPATH": str(gate.root)}  # fmt: skip
    with (home / f"{name}.log").open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port)], env=env, stdout=out, stderr=out, cwd=gate.root
        )
    try:
        for _ in range(360):
            with contextlib.suppress(OSError, RuntimeError, asyncio.IncompleteReadError):
                drive(port, path, body, requests=1, connections=1, kind=kind)
                break
            time.sleep(0.25)
        else:
            raise SystemExit(f"{name} did not come up:\n{(home / f'{name}.log').read_text()[-3000:]}")
        yield Server(name, port, body, psutil.Process(process.pid))
    finally:
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        for child in psutil.wait_procs(children, timeout=5)[1]:
            child.kill()  # some servers leave their workers behind


def main() -> None:
    row = gate.contract.examples[0]
    plain, wrapped = json.dumps(row).encode(), json.dumps({"row": row}).encode()
    bento = [sys.executable, "-m", "bentoml", "serve"]
    ours = [sys.executable, "-m", "wardline", "serve", "guards.employment"]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        servers = [
            stack.enter_context(serving(name, command, body, home))
            for name, command, body in (
                ("guarded", [*ours, "--no-monitor"], plain),  # the monitor is a process beside it
                ("mounted", [*bento, "bench.peers:Mounted"], plain),
                ("default", [*bento, "bench.peers:Default"], wrapped),
            )
        ]
        for server in servers:
            drive(server.port, "/predict", server.body, requests=800)
        cpu: dict[str, list[float]] = {server.name: [] for server in servers}
        median: dict[str, list[float]] = {server.name: [] for server in servers}
        for _ in range(ROUNDS):
            for server in servers:
                before = server.cpu_s()
                latencies = drive(server.port, "/predict", server.body, requests=REQUESTS)
                cpu[server.name].append((server.cpu_s() - before) / len(latencies) * 1e6)
                median[server.name].append(statistics.median(latencies) * 1e6)
        print(f"{ROUNDS} rounds of {REQUESTS} requests, 8 connections, one worker, {len(row)} fields")
        for server in servers:
            print(f"  {server.name:8} {statistics.median(cpu[server.name]):7.0f} µs CPU a request   "
                  f"{statistics.median(median[server.name]):7.0f} µs median latency")  # fmt: skip
        for name in ("mounted", "default"):
            ratios = [a / b for a, b in zip(cpu["guarded"], cpu[name], strict=True)]
            print(
                f"  guarded / {name}: CPU {statistics.median(ratios):.2f} "
                f"(min {min(ratios):.2f}, max {max(ratios):.2f})"
            )


if __name__ == "__main__":
    main()
