"""Guarded V2 beside what others serve unguarded, one worker each, in one run; and binary beside JSON.

The same gradient boosting on the same 25 features behind every endpoint: MLServer has it as scikit-learn
fitted it (its own environment fits it anew), the others as ONNX. Rounds alternate, so that
a machine that slows down slows all of them; ratios are medians over rounds.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq

from bench.binary import binary
from bench.load import drive
from bench.mlserver import running, train
from bench.serving import serving
from guards.employment import gate
from models.building import see
from models.employment.build import boosted

ROUNDS = 5
REQUESTS = 800
CONNECTIONS = (1, 16)
FITTED = 8000  # rows: as many trees of the same depth, in a tenth of the time
TARGETS = {"mlserver": 2.0, "litserve": 2.0, "bentoml": 3.0, "fastapi": 0.6}

FIT = """
import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
with np.load('fit.npz') as rows:
    X, y = rows['X'], rows['y']
model = GradientBoostingClassifier(**{parameters!r}).fit(X, y)
"""


@dataclass
class Endpoint:
    name: str
    port: int
    path: str
    body: bytes
    process: psutil.Process

    def cpu_s(self) -> float:
        tree = [self.process, *self.process.children(recursive=True)]
        return sum(sum(each.cpu_times()[:2]) for each in tree)


def fitted(folder: Path) -> None:
    """Fit MLServer's copy of the model in its environment, on some of the rows that ours was fitted on."""
    part = see(gate, pq.read_table(gate.root / "models/employment/data/split/fit.parquet"), "employed")
    rows = np.random.default_rng(0).permutation(len(part.y))[:FITTED]
    np.savez(folder / "fit.npz", X=part.X[rows], y=part.y[rows])
    train(folder, FIT.format(parameters=boosted().get_params()))


def endpoints(home: Path, stack: contextlib.ExitStack) -> list[Endpoint]:
    """Start every server, and check that it answers."""
    row = gate.contract.examples[0]
    plain, wrapped = json.dumps(row).encode(), json.dumps({"row": row}).encode()
    columns = {"inputs": [
        {"name": name, "shape": [1], "datatype": "INT64", "data": [value]} for name, value in row.items()
    ]}  # fmt: skip
    infer = "/v2/models/employment/infer"
    python = [sys.executable, "-m"]
    fastapi = [*python, "uvicorn", "bench.others:app", "--log-level", "warning"]
    commands = {
        "v2": (
            [*python, "wardline", "serve", "guards.employment"],
            infer,
            matrix_body("rows", list(row.values())),
        ),
        "fastapi": (fastapi, "/predict", plain),
        "litserve": ([*python, "bench.others"], "/predict", plain),
        "bentoml": ([*python, "bentoml", "serve", "bench.peers:Default"], "/predict", wrapped),
    }
    found = []
    for name, (command, path, body) in commands.items():
        server = stack.enter_context(serving(name, command, body, home, path))
        found.append(Endpoint(name, server.port, path, body, server.process))
    ours, quick = found[0], found[1]
    found.append(replace(ours, name="v2, a tensor a field", body=json.dumps(columns).encode()))
    found.append(replace(ours, name="/predict", path="/predict", body=plain))
    found.append(replace(quick, name="fastapi, async def", path="/predict-async"))
    folder = home / "mlserver"
    folder.mkdir()
    fitted(folder)
    process, port = stack.enter_context(running(folder, "employment"))
    vector = [float(value) for value in gate.features(gate.contract.admit(row).rows[0])]
    found.append(
        Endpoint("mlserver", port, infer, matrix_body("x", vector, "FP64"), psutil.Process(process.pid))
    )
    return found


def matrix_body(name: str, row: Sequence[float], datatype: str = "INT64") -> bytes:
    tensor = {"name": name, "shape": [1, len(row)], "datatype": datatype, "data": list(row)}
    return json.dumps({"inputs": [tensor]}).encode()


def throughput(home: Path) -> None:
    with contextlib.ExitStack() as stack:
        servers = endpoints(home, stack)
        for server in servers:
            drive(server.port, server.path, server.body, requests=400)
        for connections in CONNECTIONS:
            rates: dict[str, list[float]] = {server.name: [] for server in servers}
            cpu: dict[str, list[float]] = {server.name: [] for server in servers}
            for _ in range(ROUNDS):
                for server in servers:
                    before, began = server.cpu_s(), time.perf_counter()
                    done = len(
                        drive(
                            server.port, server.path, server.body, requests=REQUESTS, connections=connections
                        )
                    )
                    rates[server.name].append(done / (time.perf_counter() - began))
                    cpu[server.name].append((server.cpu_s() - before) / done * 1e6)
            report(connections, rates, cpu)


def report(connections: int, rates: dict[str, list[float]], cpu: dict[str, list[float]]) -> None:
    print(f"{ROUNDS} rounds of {REQUESTS} requests of one row, {connections} connections, one worker:")
    for name, each in rates.items():
        ratio = statistics.median(a / b for a, b in zip(rates["v2"], each, strict=True))
        spent = statistics.median(b / a for a, b in zip(cpu["v2"], cpu[name], strict=True))
        target = f"   target {TARGETS[name]}" if name in TARGETS else ""
        print(
            f"  {name:20} {statistics.median(each):6.0f} a second {statistics.median(cpu[name]):6.0f} µs CPU"
            f"   v2 / it: {ratio:5.2f} by rate, {spent:5.2f} by CPU{target}"
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        throughput(Path(folder))
        binary(Path(folder) / "wide")


if __name__ == "__main__":
    main()
