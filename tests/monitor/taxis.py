"""Traffic made of the real training trips: independent, or with each trip much like the one before."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from guards.taxi import gate
from wardline.cli.target import watched
from wardline.log.columns import Columns
from wardline.monitor.plan import Plan
from wardline.monitoring import Monitoring

ROOT = Path(__file__).parents[2]
NAMES = gate.features.schema.names


@functools.cache
def features() -> NDArray[np.float64]:
    """The features of six thousand training trips."""
    table = pq.read_table(ROOT / "models/taxi/data/split/fit.parquet").select(gate.contract.fields)
    picked = np.random.default_rng(0).choice(table.num_rows, 6_000, replace=False)
    rows = table.take(pa.array(np.sort(picked))).to_pylist()
    for row in rows:
        row["pickup_datetime"] = f"{row['pickup_datetime'].isoformat()}-05:00"
    matrix: NDArray[np.float64] = gate.features.of_rows(gate.contract.admit_rows(rows, 1.6e9).rows).matrix
    return matrix


def plan(monitoring: Monitoring) -> Plan:
    """The taxi gate's plan, under other promises."""
    kept = dataclasses.replace(monitoring, cycles=gate.monitoring.cycles)
    return Plan(dataclasses.replace(watched(gate), monitoring=kept))


def trips(rng: np.random.Generator, rows: int, at: float, rate: float, memory: float) -> Columns:
    """Rows drawn from the training trips; their distances follow an AR(1) of coefficient `memory`.

    Whatever the memory, every row alone is distributed as in training.
    """
    noise = rng.normal(size=rows) * np.sqrt(1 - memory**2)
    latent = np.empty(rows)
    latent[0] = rng.normal()
    for i in range(1, rows):
        latent[i] = memory * latent[i - 1] + noise[i]
    known = features()
    ranks = np.array([NormalDist().cdf(value) for value in latent.tolist()])
    order = np.argsort(known[:, 0], kind="stable")
    chosen = known[order[np.minimum((ranks * len(known)).astype(int), len(known) - 1)]]
    times = ((at + np.arange(rows) / rate) * 1e9).astype(np.int64)
    table = {
        "time": pa.array(times, pa.timestamp("ns", tz="UTC")),
        "request_id": [f"r{at:.0f}-{i}" for i in range(rows)],
        "action": pa.array(["serve"] * rows),
        "served_by": pa.array([""] * rows),  # what was answered is not the question here
        "slice.vendor_id": pa.array([str(int(v)) for v in chosen[:, NAMES.index("vendor")]]),
        "slice.rate_code_id": pa.array([str(int(v)) for v in chosen[:, NAMES.index("rate_code")]]),
        **{f"feature.{name}": chosen[:, i] for i, name in enumerate(NAMES)},
    }
    return Columns(pa.table(table))
