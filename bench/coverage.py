"""Does the stated coverage hold? `python -m bench.coverage` asks both services, on rows they never saw.

The reference months first, on the held-back rows, where it must; then the later months of 2018 one by one,
where traffic has moved on and it may honestly not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from guards import employment, taxi
from models.building import ROOT
from models.taxi.build import TARGET, trips
from wardline import Gate
from wardline.testing import MemorySink

LATER_MONTHS = ("07", "08", "09", "10", "11", "12")
ROWS = 500  # a request; well within the rungs' deadlines


class Covered(NamedTuple):
    """How often the stated interval or set held the truth, over the rows that were given one."""

    share: float
    stated: int
    rows: int
    size: float  # mean width of the interval, in the gate's unit, or mean number of classes in the set
    fallbacks: int
    flags: int


def covered(gate: Gate, table: pa.Table, target: str) -> Covered:
    """Send a file's rows through the open gate and compare what it stated with what was true.

    Every rung that answers counts: the promise is the gate's. Rows without an answer, or whose rung is not
    calibrated, were promised nothing.
    """
    held, sizes, rungs, actions = [], [], [], []
    truths = table[target].to_numpy()
    for start in range(0, table.num_rows, ROWS):
        rows = [gate.contract.adopt(row) for row in table.slice(start, ROWS).to_pylist()]
        records = gate.batch(rows).records
        truth = truths[start : start + ROWS]
        if gate.classes:
            members = records.members if records.members is not None else np.zeros((len(rows), 2), np.bool_)
            stated = (records.rungs >= 0) & members.any(axis=1)
            held.append(members[np.arange(len(rows)), truth][stated])
            sizes.append(members.sum(axis=1)[stated])
        else:
            low, high = (
                records.interval if records.interval is not None else np.full((len(rows), 2), np.nan)
            ).T
            stated = (records.rungs >= 0) & ~np.isnan(low)
            held.append(((low <= truth) & (truth <= high))[stated])
            sizes.append((high - low)[stated])
        rungs.append(records.rungs)
        actions.append(records.actions)
    hits, every = np.concatenate(held), np.concatenate(rungs)
    return Covered(
        share=float(hits.mean()),
        stated=len(hits),
        rows=table.num_rows,
        size=float(np.concatenate(sizes).mean()),
        fallbacks=int((every > 0).sum()),
        flags=int((np.concatenate(actions) == 1).sum()),
    )


def held_back(name: str) -> pa.Table:
    """Read the part of a service's reference months that neither model nor calibration has seen."""
    return pq.read_table(ROOT / "models" / name / "data" / "split" / "held_back.parquet")


def taxi_months() -> Iterator[tuple[str, Covered]]:
    """Ask the open taxi gate about the months after its reference."""
    for month in LATER_MONTHS:
        yield f"2018-{month}", covered(taxi.gate, trips(month), TARGET)


def line(what: str, found: Covered, unit: str) -> str:
    """Format one row of the table."""
    return (
        f"{what:<28} {found.share:8.3f} {found.size:8.2f} {unit:<8} {found.stated:6d}/{found.rows:<6d} "
        f"{found.fallbacks:5d} {found.flags:5d}"
    )


def main() -> None:
    """Print the table."""
    head = f"{'declared 0.900':<28} {'coverage':>8} {'mean size':>14} {'stated/rows':>16}"
    print(head, f"{'fell':>6} {'flag':>5}")
    employment.gate.open(sink=MemorySink())
    print(
        line(
            "employment, held back", covered(employment.gate, held_back("employment"), "employed"), "classes"
        )
    )
    taxi.gate.open(sink=MemorySink())
    print(line("taxi, held back", covered(taxi.gate, held_back("taxi"), TARGET), "minutes"))
    for month, found in taxi_months():
        print(line(f"taxi, {month}", found, "minutes"))


if __name__ == "__main__":
    main()
