"""What the gate costs in process, beyond the model's own run: one row, and a batch of 1,024 rows.

The model is timed where it runs, inside the gate: in a loop of its own it would find its caches warm, and
its missing time would be laid at the gate's door. Many different rows take turns, as callers' do. Records
are handed to a queue that nobody writes; `python -m bench log` is about the writing. Each figure is the
lowest of alternating rounds, which is what the machine's other work spoils least.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from guards.employment import gate
from wardline.inference import Batch, Outputs
from wardline.record import Records

ROUNDS = 40
ROWS = 1024


class Timed:
    """A predictor with a stopwatch."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self.spent_ns = 0

    def predict(self, batch: Batch, deadline: float | None) -> Outputs:
        began = time.perf_counter_ns()
        try:
            return self._opened.predict(batch, deadline)
        finally:
            self.spent_ns += time.perf_counter_ns() - began

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)


class Queue:
    """Takes records and forgets them."""

    def append(self, records: Records) -> bool:
        return True


def lowest(model: Timed, calls: Sequence[Callable[[], Any]], rows: int = 1) -> tuple[float, float]:
    """Return the least µs a row in any round: the gate beyond its model, and the model."""
    rounds = []
    for _ in range(ROUNDS):
        model.spent_ns, began = 0, time.perf_counter_ns()
        for call in calls:
            call()
        whole = time.perf_counter_ns() - began
        times = len(calls) * rows * 1000
        rounds.append(((whole - model.spent_ns) / times, model.spent_ns / times))
    return min(rounds)


def main() -> None:
    table = pq.read_table("models/employment/data/split/held_back.parquet")
    fields = gate.contract.fields
    columns = {name: np.asarray(table[name].to_pylist()[:ROWS], dtype=np.int64) for name in fields}
    rows = [
        dict(zip(fields, values, strict=True))
        for values in zip(*(columns[n].tolist() for n in fields), strict=True)
    ]
    opened = gate.open(sink=Queue())
    served = [row for row, verdict in zip(rows, gate.batch(rows), strict=True) if verdict.action == "serve"]
    rung = opened.chain.rungs[0]
    rung.opened = model = Timed(rung.opened)
    width = len(gate.features.schema.names)
    print(f"{len(fields)} fields, {width} features, {len(gate.guards)} guards; µs a row, lowest of {ROUNDS}:")

    def walk(body: bytes) -> Callable[[], Any]:
        return lambda: opened.walk(lambda: gate.contract.admit(body, 0.0), "id", "trace")

    bodies = [json.dumps(row).encode() for row in served[:256]]
    for name, calls, count in (
        ("one row, JSON", [walk(body) for body in bodies], 1),
        (f"{ROWS} rows, columns", [lambda: gate.batch(columns)] * 5, ROWS),
        (f"{ROWS} rows, dictionaries", [lambda: gate.batch(rows)], ROWS),
    ):
        beyond, inside = lowest(model, calls, count)
        print(f"  {name:24} model {inside:7.2f}   beyond the model {beyond:7.2f}")
    spent = [walk(body)().stages_us for body in bodies for _ in range(4)]
    medians = [round(statistics.median(stage), 1) for stage in zip(*spent, strict=True)]
    print("  stages of one row:", dict(zip(opened.schema.stages, medians, strict=True)))
    gate.close()


if __name__ == "__main__":
    main()
