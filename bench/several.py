"""What it costs a request that its gate shares a process with another: one gate alone beside two together.

CPU time of whole server trees, in alternating rounds of one run.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import tempfile
from pathlib import Path

from bench.load import drive
from bench.serving import REQUESTS, ROUNDS, serving
from guards.employment import gate


def main() -> None:
    body = json.dumps(gate.contract.examples[0]).encode()
    ours = [sys.executable, "-m", "wardline", "serve", "--no-monitor"]
    under, alone = "/gates/employment/predict", "/predict"
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        servers = {
            "alone": (serving("alone", [*ours, "guards.employment"], body, home), alone),
            "beside another": (
                serving("both", [*ours, "guards.employment", "guards.taxi"], body, home, under), under,
            ),
        }  # fmt: skip
        opened = {name: (stack.enter_context(server), path) for name, (server, path) in servers.items()}
        for server, path in opened.values():
            drive(server.port, path, body, requests=800)
        cpu: dict[str, list[float]] = {name: [] for name in opened}
        median: dict[str, list[float]] = {name: [] for name in opened}
        for _ in range(ROUNDS):
            for name, (server, path) in opened.items():
                before = server.cpu_s()
                latencies = drive(server.port, path, body, requests=REQUESTS)
                cpu[name].append((server.cpu_s() - before) / len(latencies) * 1e6)
                median[name].append(statistics.median(latencies) * 1e6)
        print(f"{ROUNDS} rounds of {REQUESTS} requests to one gate, 8 connections, one worker")
        for name in opened:
            print(f"  {name:15} {statistics.median(cpu[name]):7.0f} µs CPU a request   "
                  f"{statistics.median(median[name]):7.0f} µs median latency")  # fmt: skip
        ratios = [b / a for a, b in zip(*cpu.values(), strict=True)]
        print(f"  beside another / alone: CPU {statistics.median(ratios):.3f} "
              f"(min {min(ratios):.3f}, max {max(ratios):.3f})")  # fmt: skip


if __name__ == "__main__":
    main()
