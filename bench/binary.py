"""1,000 rows of 30 numbers: binary tensors beside JSON, through the whole server in this process.

The gate is what `wardline new` writes from a table of 30 columns (its guards, a linear model, its reference),
told that its features are columnar, which they are.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from wardline import Settings
from wardline.serving import app

ROWS, FIELDS, ROUNDS = 1000, 30, 15


def made(folder: Path) -> Any:
    """Write the table, let `wardline new` make the gate, import it."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, FIELDS)).round(4)
    y = X @ rng.normal(size=FIELDS) + rng.normal(size=len(X))
    table = pa.table({**{f"f{i}": X[:, i] for i in range(FIELDS)}, "y": y})
    pyarrow.csv.write_csv(table, folder / "wide.csv")
    command = [sys.executable, "-m", "wardline", "new", "wide", "--data", "wide.csv", "--target", "y"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    file = folder / "guards/wide.py"
    file.write_text(
        file.read_text().replace('@features(version="1")', '@features(version="1", columnar=True)')
    )
    spec = importlib.util.spec_from_file_location("wide", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["wide"] = module
    spec.loader.exec_module(module)
    return module.gate


def bodies(X: np.ndarray) -> dict[str, tuple[str, bytes, dict[str, str]]]:
    names = [f"f{i}" for i in range(FIELDS)]
    rows = {"rows": [dict(zip(names, row, strict=True)) for row in X.tolist()]}
    tensors = [
        {"name": name, "shape": [ROWS], "datatype": "FP64", "data": column.tolist()}
        for name, column in zip(names, X.T, strict=True)
    ]
    infer = "/v2/models/wide/infer"
    found = {
        "/predict, JSON rows": ("/predict", json.dumps(rows).encode(), {}),
        "v2, JSON": (infer, json.dumps({"inputs": tensors}).encode(), {}),
    }
    for kind, datatype in (("f8", "FP64"), ("f4", "FP32")):
        raw = [column.astype(kind).tobytes() for column in X.T]
        sizes = [{"binary_data_size": len(each)} for each in raw]
        inputs = [
            {"name": name, "shape": [ROWS], "datatype": datatype, "parameters": size}
            for name, size in zip(names, sizes, strict=True)
        ]
        head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        headers = {"inference-header-content-length": str(len(head))}
        found[f"v2, binary {datatype}"] = (infer, head + b"".join(raw), headers)
    return found


async def asked(served: Any, path: str, body: bytes, headers: dict[str, str]) -> float:
    """Send one request through the app and return the seconds it took."""
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
             "root_path": "", "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
             "http_version": "1.1", "scheme": "http"}  # fmt: skip
    statuses: list[int] = []

    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Event().wait()  # the caller stays
        return messages.pop()

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    began = time.perf_counter()
    await served(scope, receive, send)
    took = time.perf_counter() - began
    assert statuses == [200], statuses
    return took


async def measured(gate: Any, home: Path) -> dict[str, list[float]]:
    served = app(gate, Settings(home=home))
    X = np.random.default_rng(1).uniform(-2, 2, (ROWS, FIELDS))
    times: dict[str, list[float]] = {}
    async with served.router.lifespan_context(served):
        for round_ in range(ROUNDS + 1):
            for name, asking in bodies(X).items():
                took = await asked(served, *asking)
                if round_:  # the first warms
                    times.setdefault(name, []).append(took)
    return times


def binary(folder: Path) -> None:
    gate = made(folder)
    times = asyncio.run(measured(gate, folder / "home"))
    print(f"{ROWS} rows x {FIELDS} numbers, {len(gate.guards)} guards, in one process, {ROUNDS} rounds:")
    base = times["v2, binary FP64"]
    for name, spent in times.items():
        ratio = statistics.median(a / b for a, b in zip(spent, base, strict=True))
        print(f"  {name:20} {statistics.median(spent) * 1000:7.2f} ms   {ratio:5.2f} x binary FP64")


def main() -> None:
    import tempfile  # noqa: PLC0415 - alone, it needs a folder of its own

    with tempfile.TemporaryDirectory() as folder:
        binary(Path(folder) / "wide")


if __name__ == "__main__":
    main()
