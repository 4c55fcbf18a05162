"""Late truth at size: `python -m bench.labels` joins a million answers with a million labels and judges them.

The same join is asked of DuckDB over the same files, side by side.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from guards import employment
from wardline.cli.target import watched
from wardline.log import parquet
from wardline.log.joining import labelled
from wardline.log.labels import LabelLog, read_labels
from wardline.log.schema import CODED, TIME
from wardline.monitor.labels import quality
from wardline.truth import Label

ROWS = 1_000_000
START = 1_700_000_000
CLASSES = employment.gate.classes


def records(folder: Path, rng: np.random.Generator) -> list[str]:
    """Write sealed records of a gate of two classes, a day's a file."""
    folder.mkdir(parents=True)
    names = [f"r{number:08d}" for number in range(ROWS)]
    for part in range(10):
        count = ROWS // 10
        first = part * count
        confidence = rng.uniform(0.5, 1.0, count)
        answer = rng.integers(0, 2, count)
        both = confidence < 0.6
        members = [list(CLASSES) if wide else [CLASSES[a]] for wide, a in zip(both, answer, strict=True)]
        table = pa.table({
            "time": pa.array((START + first + np.arange(count)) * 1_000_000_000, TIME),
            "request_id": names[first : first + count],
            "row": pa.array(np.zeros(count, np.int32)),
            "action": pa.array(["serve"] * count).cast(CODED),
            "served_by": pa.array(["employment"] * count).cast(CODED),
            "prediction": [CLASSES[a] for a in answer],
            "confidence": confidence,
            "set": members,
            "level": np.full(count, 0.9),
            "ood_p": rng.uniform(size=count),
            **{f"slice.{name}": rng.choice(["1", "2", "3"], count) for name in employment.gate.slices},
        })  # fmt: skip
        parquet.write(table, folder / f"20231114T22132{part}.000000-bench-1-0.parquet")
    return names


def main() -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        names = records(folder / "records", rng)
        truth = rng.integers(0, 2, ROWS)
        began = time.perf_counter()
        writer = LabelLog(folder / "labels", classes=True)
        for first in range(0, ROWS, 8192):
            some = range(first, min(first + 8192, ROWS))
            at = (START + 3600) * 1_000_000_000
            writer.append([Label(names[i], CLASSES[truth[i]], at + i * 1_000_000_000) for i in some])
        writer.close(60.0)
        spent = time.perf_counter() - began
        print(f"labels kept, each batch of 8192 on the disk: {ROWS / spent:,.0f} a second")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        began = time.perf_counter()
        known = labelled(
            folder / "records", read_labels(folder / "labels", classes=True), classes=CLASSES,
            slices=employment.gate.slices,
        )  # fmt: skip
        ours = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        assert int(known.has.sum()) == ROWS
        began = time.perf_counter()
        found = quality(watched(employment.gate), known, START + 3e6)
        judged = time.perf_counter() - began
        wrong = float(known.loss.mean())
        began = time.perf_counter()
        ((theirs,),) = duckdb.sql(
            f"SELECT avg(CAST(r.prediction <> l.label AS INT)) FROM '{folder}/records/*.parquet' r "  # noqa: S608 - our own folder
            f"JOIN '{folder}/labels/*.parquet' l USING (request_id)"
        ).fetchall()
        plain = time.perf_counter() - began
        assert abs(theirs - wrong) < 1e-12
        print(
            f"join of {ROWS:,} answers with as many labels: {ours:.2f} s, {peak - before:.0f} MB more memory"
        )
        print(f"DuckDB, one mean over the same join: {plain:.2f} s, ours takes {ours / plain:.0f} times that")
        print(f"performance by {len(found.performance)} slices, coverage, estimates: {judged:.2f} s")


if __name__ == "__main__":
    main()
