"""When micro-batching pays: the same requests with `Batched` and without, over HTTP, one worker.

Three models, from one that a batch cannot help to one that it must: a small ONNX graph, a scikit-learn forest
(most of a call is Python), and a stand-in for an accelerator: one call at a time, 5 ms whatever the rows.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.load import drive
from bench.serving import Server, serving
from guards.employment import gate as employment
from wardline import Batched, Chain, Gate, Onnx, Python

ROUNDS, CONNECTIONS, REQUESTS = 3, 16, 320


@cache
def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - only this model needs it

    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, len(employment.features.schema.names)))
    return RandomForestClassifier(200, max_depth=8, random_state=0).fit(X, X[:, 0] > 0).predict_proba


def accelerator() -> Callable[[Any], Any]:
    one_at_a_time = threading.Lock()

    def run(matrix: Any) -> Any:
        with one_at_a_time:
            time.sleep(0.005)
        return np.tile([0.25, 0.75], (len(matrix), 1))

    return run


MODELS: dict[str, Any] = {
    "onnx": Onnx("models/employment/1", deadline_ms=1000.0, name="model"),
    "forest": Python(forest, name="model"),
    "accelerator": Python(accelerator, name="model"),
}


def declared(name: str, *, batched: bool) -> Gate:
    predictor = MODELS[name]
    return Gate(
        "batching",
        contract=employment.contract,
        features=employment.features,
        chain=Chain(Batched(predictor, window_ms=2.0) if batched else predictor),
        classes=employment.classes,
        root=employment.root,
    )


def main() -> None:
    if len(sys.argv) > 2:  # a server of ours, started below
        serve(sys.argv[1], sys.argv[2] == "batched", int(sys.argv[4]))
        return
    body = json.dumps(employment.contract.examples[0]).encode()
    print(f"{ROUNDS} rounds of {REQUESTS} requests, {CONNECTIONS} connections, window 2 ms:")
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            compare(name, body, Path(folder))


def compare(name: str, body: bytes, home: Path) -> None:
    with contextlib.ExitStack() as stack:
        servers: dict[str, Server] = {
            way: stack.enter_context(
                serving(f"{name}-{way}", [sys.executable, "-m", "bench.batching", name, way], body, home)
            )
            for way in ("alone", "batched")
        }
        rates: dict[str, list[float]] = {way: [] for way in servers}
        latency: dict[str, list[float]] = {way: [] for way in servers}
        for _ in range(ROUNDS):
            for way, server in servers.items():
                began = time.perf_counter()
                took = drive(server.port, "/predict", body, requests=REQUESTS, connections=CONNECTIONS)
                rates[way].append(len(took) / (time.perf_counter() - began))
                latency[way].append(statistics.median(took) * 1000)
        ratio = statistics.median(b / a for a, b in zip(rates["alone"], rates["batched"], strict=True))
        for way in servers:
            print(
                f"  {name:12} {way:8} {statistics.median(rates[way]):6.0f} a second, "
                f"median {statistics.median(latency[way]):6.1f} ms"
            )
        print(f"  {name:12} batched / alone: {ratio:.2f}")


def serve(name: str, batched: bool, port: int) -> None:
    import uvicorn  # noqa: PLC0415 - only the servers need it

    from wardline.serving import app  # noqa: PLC0415 - the same

    uvicorn.run(app(declared(name, batched=batched)), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
