"""No acknowledged record is lost, none is doubled: workers killed at random moments under sustained load.

    python -m bench.durability --kills 100 --seed 1

`wardline serve` runs with `WARDLINE_LOG_FSYNC=flush` and `WARDLINE_LOG_ACK=durable`: a row is answered once
its record is on the disk, so every 200 is an acknowledgement. Callers ask without a pause, each row under an
id of its own that is never sent twice. A worker chosen at random is killed by SIGKILL after a random wait,
whatever it is doing: opening the gate, writing, sealing what a dead one left. In the end the server is
stopped, and the log is held to the acknowledgements. SIGKILL leaves the machine running: what a power cut
does to a disk that lies about its syncs is not tested here.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.serving import free_port
from guards.taxi import gate
from wardline.log import read

ROOT = gate.root
SETTINGS = {
    "WARDLINE_LOG_FSYNC": "flush",
    "WARDLINE_LOG_ACK": "durable",
    "WARDLINE_LOG_SEGMENT_S": "5",  # so that there is sealing to be killed in
}
_BODY = json.dumps(gate.contract.examples[0]).encode()


@dataclass
class Outcome:
    """What a run came to. `lost` were acknowledged and are not in the log, `doubled` are there twice."""

    kills: int
    acknowledged: int
    recorded: int
    lost: list[str]
    doubled: list[str]
    unreadable: list[str]
    statuses: Counter[int] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.acknowledged} acknowledged, {self.recorded} recorded, "
            f"answers {dict(self.statuses)}: {len(self.lost)} lost, {len(self.doubled)} doubled, "
            f"{len(self.unreadable)} files that do not read"
        )


class Callers:
    """Threads that ask without a pause and keep the ids of the rows that were answered with 200."""

    def __init__(self, port: int, seed: int, threads: int) -> None:
        self.acknowledged: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._port = port
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(f"s{seed}c{number}",)) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, name: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        number = 0
        while not self._stop.is_set():
            number += 1
            headers = {"content-type": "application/json", "x-request-id": f"{name}n{number}"}
            try:
                connection.request("POST", "/predict", _BODY, headers)
                reply = connection.getresponse()
                reply.read()
            except (OSError, http.client.HTTPException):
                connection.close()  # its worker died: no answer is no acknowledgement
                self._stop.wait(0.02)
                continue
            self.statuses[reply.status] += 1
            if reply.status == 200:
                self.acknowledged.append(headers["x-request-id"])
            else:
                self._stop.wait(0.02)
        connection.close()

    def stop(self) -> None:
        """Let everybody finish what they asked."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def served(home: Path, workers: int) -> Iterator[tuple[int, psutil.Process]]:
    """Run the server; give its port and its process once it answers, and stop it in the end."""
    port = free_port()
    command = [sys.executable, "-m", "wardline", "serve", "guards.taxi", "--port", str(port)]
    with (home / "server.txt").open("wb") as out:
        process = subprocess.Popen(
            [*command, "--workers", str(workers), "--home", str(home / "w")],
            env={**os.environ, **SETTINGS, "HOME": str(home)}, cwd=ROOT, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        _until_ready(port, process)
        yield port, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def _until_ready(port: int, process: subprocess.Popen[bytes], seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with (
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection,
            contextlib.suppress(OSError, http.client.HTTPException),
        ):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("the server did not come up; server.txt in its home says why")


def kill_some(supervisor: psutil.Process, callers: Callers, kills: int, rng: random.Random) -> None:
    """Kill workers one after the other, each after a random wait, among those that are there."""
    for number in range(kills):
        before = len(callers.acknowledged)
        time.sleep(rng.uniform(0.05, 1.5))
        end = time.monotonic() + 120
        while time.monotonic() < end:  # under load: some rows were answered since the last kill
            workers = [c for c in supervisor.children() if "worker" in " ".join(_command(c))]
            if workers and len(callers.acknowledged) > before:
                break
            time.sleep(0.01)
        else:
            raise SystemExit(f"nobody answered for two minutes after kill {number}")
        with contextlib.suppress(psutil.NoSuchProcess):
            rng.choice(workers).kill()


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def run(home: Path, *, kills: int, seed: int, workers: int = 3, threads: int = 8) -> Outcome:
    """Serve, ask, kill, stop, and compare what was acknowledged with what the log holds."""
    with served(home, workers) as (port, supervisor):
        callers = Callers(port, seed, threads)
        try:
            kill_some(supervisor, callers, kills, random.Random(seed))  # noqa: S311 - a seeded choice
        finally:
            callers.stop()
    unreadable: list[str] = []
    table = read(home / "w" / "taxi" / "records", columns=["request_id"], on_problem=unreadable.append)
    found = Counter(table["request_id"].to_pylist())
    return Outcome(
        kills=kills,
        acknowledged=len(callers.acknowledged),
        recorded=table.num_rows,
        lost=[each for each in callers.acknowledged if each not in found],
        doubled=[each for each, times in found.items() if times > 1],
        unreadable=unreadable,
        statuses=callers.statuses,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.durability")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        outcome = run(Path(folder), kills=asked.kills, seed=asked.seed, workers=asked.workers)
    print(f"seed {asked.seed}, {asked.workers} workers, {time.monotonic() - began:.0f} s: {outcome}")
    print(f"{len(outcome.lost)} lost, {len(outcome.doubled)} doubled")
    if outcome.lost or outcome.doubled or outcome.unreadable:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
