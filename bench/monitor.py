"""What the monitor costs: records a second on one core, the price of a look, memory over many.

`python -m bench.monitor --records 10_000_000` counts so many; the default is two million.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import psutil
import pyarrow as pa

from wardline.features import Kind
from wardline.log.columns import Columns
from wardline.monitor.ladder import Ladder
from wardline.monitor.look import look
from wardline.monitor.plan import Plan, Watched
from wardline.testing import example_reference

FEATURES = 30
PIECE = 65_536
ROWS = 2_000_000


def known() -> Watched:
    rng = np.random.default_rng(0)
    columns = {f"f{i}": rng.normal(size=20_000).tolist() for i in range(FEATURES)}
    answers = rng.normal(size=20_000).tolist()
    reference = example_reference(columns, rungs={"model": answers}, targets=answers)
    kinds = dict.fromkeys(columns, Kind.CONTINUOUS)
    return Watched("bench", reference, kinds, ("model",), slices=("region",))


def piece(rng: np.random.Generator, at: float, shift: float = 0.0, rows: int = PIECE) -> pa.Table:
    """Records as the log holds them: names as codes, numbers as doubles."""
    names = pa.array(["north", "south", "west"])
    coded = pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, 3, rows).astype(np.int32)), names)
    one = np.zeros(rows, np.int32)
    serve = pa.DictionaryArray.from_arrays(pa.array(one), pa.array(["serve"]))
    model = pa.DictionaryArray.from_arrays(pa.array(one), pa.array(["model"]))
    times = (at * 1e9 + np.linspace(0, 1e9 * rows / 20_000, rows)).astype(np.int64)
    return pa.table({
        "time": pa.array(times, pa.timestamp("ns", tz="UTC")), "action": serve, "served_by": model,
        "slice.region": coded, "prediction": rng.normal(size=rows), "ood_p": rng.random(rows),
        **{f"feature.f{i}": rng.normal(shift, 1.0, rows) for i in range(FEATURES)},
        **{f"us.{stage}": rng.gamma(2.0, 20.0, rows) for stage in ("contract", "features", "input", "chain")},
    })  # fmt: skip


def counting(rows: int) -> None:
    ladder = Ladder(Plan(known()))
    rng = np.random.default_rng(1)
    pieces = [piece(rng, 0.0) for _ in range(3)]
    times = [np.asarray(each["time"].cast(pa.int64())) for each in pieces]
    process = psutil.Process()
    spent, looked, memory = 0.0, [], []
    for number in range(-(-rows // PIECE)):
        at = int(number * PIECE / 20_000 * 1e9)
        table = pieces[number % 3]
        moved = pa.array(times[number % 3] + at, pa.timestamp("ns", tz="UTC"))
        table = table.set_column(0, "time", moved)
        began = time.process_time()
        ladder.add(Columns(table), "host")
        spent += time.process_time() - began
        began = time.process_time()
        look(ladder, ladder.now)
        looked.append(time.process_time() - began)
        if number >= 3:
            memory.append(process.memory_info().rss / 2**20)
    count = -(-rows // PIECE) * PIECE
    print(f"{count:,} records of {FEATURES} features, 4 slices: {count / spent:,.0f} a CPU second")
    print(f"a look: {1000 * float(np.median(looked)):.0f} ms of CPU")
    print(f"memory: {memory[0]:.0f} MB after {4 * PIECE:,} records, {memory[-1]:.0f} MB at the end")


def main() -> None:
    asked = [each.replace("_", "") for each in sys.argv[1:]]
    counting(next((int(each) for each in asked if each.isdigit()), ROWS))


if __name__ == "__main__":
    main()
