"""Does the alarm budget hold? `python -m bench.budget [PERIODS]` simulates healthy traffic of both services.

Rows are drawn from the training data of taxi and of employment, with seeds that nothing was tuned on; one
feature's ranks follow an AR(1) of coefficient 0, 0.5, 0.9 and 0.99, and what hangs on it follows. Each period
stands for thirty days: its looks, one a second, spend the whole budget of `Monitoring`. Printed: false pages
promised and seen, with the exact interval (95 %) of the rate, and what the bare rule of PSI 0.25 did.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Iterator
from statistics import NormalDist
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from guards import employment, taxi
from models.building import ROOT
from wardline.cli.target import watched
from wardline.log.columns import Columns
from wardline.monitor.alerts import Board
from wardline.monitor.budget import LOOK_S
from wardline.monitor.ladder import Ladder
from wardline.monitor.look import look
from wardline.monitor.plan import Plan
from wardline.monitoring import DAY, FAMILIES, AlertRule, Monitoring
from wardline.stats.chi2 import quantile

SEED = 27_112_026  # of this bench alone: it judges what was tuned on others
PERIODS = 20
LOOKS = 240
RATE = 100.0  # rows a second
ROWS = 6000  # of the training data, that rows are drawn from
START = 1_530_446_400.0
RULES = tuple(AlertRule(family, clear_s=0.0) for family in FAMILIES)


@functools.cache
def known(service: ModuleType) -> tuple[Any, NDArray[np.float64]]:
    """What the monitor knows of a gate, and the features of some of its training rows."""
    gate = service.gate
    table = pq.read_table(ROOT / f"models/{gate.name}/data/split/fit.parquet").select(gate.contract.fields)
    picked = np.random.default_rng(0).choice(table.num_rows, ROWS, replace=False)
    rows = [gate.contract.adopt(row) for row in table.take(pa.array(np.sort(picked))).to_pylist()]
    return watched(gate), gate.features.of_rows(gate.contract.admit_rows(rows, START).rows).matrix


def traffic(
    of: Any, matrix: NDArray[np.float64], rng: np.random.Generator, memory: float
) -> Iterator[Columns]:
    """Give the rows of each second; whatever the memory, each alone is as in training."""
    names = [name for name in of.reference.features if name in of.features]
    lead = int(np.argmax([len(np.unique(column)) for column in matrix.T]))
    order = np.argsort(matrix[:, lead], kind="stable")
    last = float(rng.normal())
    count = int(RATE * LOOK_S)
    for second in range(LOOKS):
        latent = np.empty(count)
        for i, noise in enumerate((rng.normal(size=count) * np.sqrt(1 - memory**2)).tolist()):
            last = memory * last + noise
            latent[i] = last
        ranks = np.array([NormalDist().cdf(value) for value in latent.tolist()])
        chosen = matrix[order[np.minimum((ranks * len(matrix)).astype(int), len(matrix) - 1)]]
        at = START + second * LOOK_S
        times = ((at + np.arange(count) / RATE) * 1e9).astype(np.int64)
        table = {
            "time": pa.array(times, pa.timestamp("ns", tz="UTC")),
            "request_id": [f"r{second}-{i}" for i in range(count)],
            "action": pa.array(["serve"] * count), "served_by": pa.array([""] * count),
            **{f"feature.{name}": chosen[:, i] for i, name in enumerate(names)},
            **{
                f"slice.{name}": pa.array([f"{value:g}" for value in chosen[:, names.index(name)]])
                for name in of.slices if name in names
            },
        }  # fmt: skip
        yield Columns(pa.table(table))


def period(service: ModuleType, seed: list[int], memory: float) -> tuple[int, bool, int]:
    """Watch one period; return false pages, whether the bare rule paged, and looks that could not judge."""
    of, matrix = known(service)
    cycles = of.monitoring.cycles
    monitoring = Monitoring(
        false_pages=1.0, days=LOOKS * LOOK_S / DAY, rules=RULES, silent_s=60.0, cycles=cycles
    )
    plan = Plan(dataclasses.replace(of, monitoring=monitoring))
    ladder, board = Ladder(plan), Board(of.name, monitoring, None)
    pages = unknown = 0
    plain = False
    for second, rows in enumerate(traffic(of, matrix, np.random.default_rng(seed), memory)):
        ladder.add(rows, "host")
        now = START + (second + 1) * LOOK_S
        signals = look(ladder, now)
        pages += sum(event.to == "firing" for event in board.update(signals, now))
        plain |= any(each.plain and each.name == "drift.psi" and not each.slice for each in signals)
        unknown += any(each.p_value != each.p_value for each in signals)
    return pages, plain, unknown


def interval(events: int, periods: int) -> tuple[float, float]:
    """The exact interval of a Poisson rate (Garwood 1936)."""
    low = quantile(0.975, 2.0 * events) / 2 if events else 0.0
    return low / periods, quantile(0.025, 2.0 * events + 2.0) / 2 / periods


def main() -> None:
    periods = next((int(each) for each in sys.argv[1:] if each.isdigit()), PERIODS)
    print(
        "| reference | memory | periods | pages promised | seen | a period (95 %) | bare rule | not judged |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for place, service in enumerate((taxi, employment)):
        for step, memory in enumerate((0.0, 0.5, 0.9, 0.99)):
            runs = [period(service, [SEED, place, step, run], memory) for run in range(periods)]
            seen, plain, unknown = (sum(column) for column in zip(*runs, strict=True))
            low, high = interval(seen, periods)
            cells = (
                service.gate.name, f"{memory:g}", periods, periods, seen, f"{low:.2f} to {high:.2f}",
                f"{plain} periods", f"{unknown / periods / LOOKS:.0%} of looks",
            )  # fmt: skip
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
