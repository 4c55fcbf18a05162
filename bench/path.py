"""What the gate costs in process, beyond the model's own run: one row, and a batch of 1,024 rows.

CPU time of this process, so that the log's writer thread is counted too. Medians of rounds in which the
gate and the bare model alternate.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from guards.employment import gate
from wardline import LogSettings, Settings
from wardline.inference import Batch

ROUNDS = 15
ROWS = 1024


def cpu_us(call: Callable[[], Any], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) / times * 1e6


def compare(guarded: Callable[[], Any], model: Callable[[], Any], times: int) -> tuple[float, float]:
    """Medians over alternating rounds."""
    pairs = [(cpu_us(guarded, times), cpu_us(model, times)) for _ in range(ROUNDS)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def main() -> None:
    table = pq.read_table("models/employment/data/split/held_back.parquet")
    fields = gate.contract.fields
    columns = {name: np.asarray(table[name].to_pylist()[:ROWS], dtype=np.int64) for name in fields}
    rows = [
        dict(zip(fields, values, strict=True))
        for values in zip(*(columns[n].tolist() for n in fields), strict=True)
    ]
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), log=LogSettings(flush_s=0.1, queue_rows=10**7))
        opened = gate.open(settings)
        good = [row for row, verdict in zip(rows, gate.batch(rows), strict=True) if verdict.action == "serve"]
        body = json.dumps(good[0]).encode()
        admitted = gate.contract.admit(body)
        single = Batch(admitted.rows, gate.features.of_rows(admitted.rows))
        many = Batch(rows, gate.features.of_rows(gate.contract.admit_rows(rows).rows))
        predict = opened.chain.rungs[0].opened.predict
        deadline = time.monotonic() + 1e6

        def walk() -> Any:
            return opened.walk(lambda: gate.contract.admit(body, 0.0), "id", "trace")

        for _ in range(300):
            walk()
        one, bare = compare(walk, lambda: predict(single, deadline), 400)
        width = len(gate.features.schema.names)
        print(
            f"one row, {len(fields)} fields, {width} features, {len(gate.guards)} guards, JSON in, recorded:"
        )
        print(f"  guarded {one:7.1f} µs   model {bare:6.1f} µs   beyond the model {one - bare:6.1f} µs")
        whole, bare = compare(lambda: gate.batch(columns), lambda: predict(many, deadline), 10)
        beyond = (whole - bare) / ROWS
        print(f"a batch of {ROWS} rows as columns:")
        print(f"  guarded {whole / ROWS:6.2f} µs/row   model {bare / ROWS:6.2f}   beyond {beyond:6.2f}")
        as_rows, _ = compare(lambda: gate.batch(rows), lambda: None, 3)
        print(f"a batch of {ROWS} rows as dictionaries:")
        print(
            f"  guarded {as_rows / ROWS:7.2f} µs/row   beyond the model {(as_rows - bare) / ROWS:6.2f} µs/row"
        )
        spent = [statistics.median(walk().stages_us[i] for _ in range(300)) for i in range(6)]
        print(
            "stages of one row, µs:",
            dict(zip(opened.schema.stages, [round(s, 1) for s in spent], strict=True)),
        )
        gate.close()


if __name__ == "__main__":
    main()
