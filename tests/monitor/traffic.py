"""Traffic of a small gate: a reference, and records of rows like it or not, written as servers write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from wardline.features import FeatureBlock
from wardline.log.columns import Columns
from wardline.log.encoder import Encoder
from wardline.log.segment import Segment
from wardline.monitor.plan import Watched
from wardline.monitoring import Monitoring
from wardline.owner import Owner
from wardline.record import STAGES, Records, RecordSchema
from wardline.testing import example_reference
from wardline.testing.examples import example_schema
from wardline.verdict import Coverage, Finding

START = 1_530_446_400.0  # 2018-07-01 12:00 UTC
OWNER = Owner("loans", page="loans-oncall", escalate="platform", runbook="docs/loans.md")
REGIONS = ("north", "south", "west")


def columns(rng: np.random.Generator, rows: int, **changed: Any) -> dict[str, Any]:
    """Rows as they usually are; `changed` replaces columns."""
    usual = {
        "income": rng.lognormal(1.0, 0.5, rows).tolist(),
        "age": rng.normal(40.0, 12.0, rows).tolist(),
        "housing": rng.choice(3, rows, p=[0.6, 0.3, 0.1]).tolist(),
        "region": rng.choice(REGIONS, rows).tolist(),
    }
    return {**usual, **changed}


def watched(rng: np.random.Generator, monitoring: Monitoring | None = None, rows: int = 20_000) -> Watched:
    """What a monitor knows of the small gate."""
    usual = columns(rng, rows)
    answers = np.array(usual["income"]) * 2
    reference = example_reference(
        usual,
        rungs={"model": answers.tolist(), "rule": np.full(rows, 5.0).tolist()},
        targets=(answers + rng.normal(0, 0.1, rows)).tolist(),
    )
    return Watched(
        name="loan",
        reference=reference,
        features={column.name: column.kind for column in example_schema(usual).columns},
        rungs=("model", "rule"),
        slices=("channel",),
        owner=OWNER,
        monitoring=monitoring or Monitoring(cohorts=(("channel", "web"), ("channel", "app"))),
    )


def schema(known: Watched) -> RecordSchema:
    """What the server that writes these records says of itself."""
    some = columns(np.random.default_rng(0), 5)
    return RecordSchema(
        gate="loan",
        features=example_schema(some),
        slices=("channel",),
        classes=(),
        rungs=("model", "rule"),
        stages=STAGES,
        models=("loan/1", "rule"),
        constants={"reference": known.reference.id, "model": "loan/1", "features_version": "1"},
        coverage=(Coverage.VALID, Coverage.VOID),
    )


def requests(
    rng: np.random.Generator,
    rows: int,
    *,
    at: float = START,
    rate: float = 100.0,
    size: int = 20,
    channel: Sequence[str] = ("web", "app"),
    rungs: int = 0,
    findings: Mapping[int, Sequence[Finding]] | None = None,
    spent: float = 20.0,
    **changed: Any,
) -> list[Records]:
    """Batches of `size` rows, `rate` rows a second from `at` on, all answered by one rung."""
    made = []
    whole = columns(rng, rows, **changed)
    layout = example_schema(columns(rng, 5))
    for start in range(0, rows, size):
        some = {name: values[start : start + size] for name, values in whole.items()}
        count = len(some["income"])
        block: FeatureBlock = layout.block(list(zip(*some.values(), strict=True)))
        values = block.matrix[:, 0] * 2 if rungs == 0 else np.full(count, 5.0)
        made.append(
            Records(
                time=int((at + start / rate) * 1e9),
                request_id=f"r{start}-{at:.0f}",
                trace_id="0" * 32,
                batch=count > 1,
                actions=np.full(count, 0 if rungs == 0 else 2, np.int8),
                rungs=np.full(count, rungs, np.int8),
                values=values,
                admitted=np.arange(count),
                block=block,
                slices={"channel": [channel[i % len(channel)] for i in range(start, start + count)]},
                findings=findings or {},
                stages_us=(spent, 5.0, 10.0, spent, 5.0, 3.0),
                ood_p=rng.uniform(size=count),
            )
        )
    return made


def table(known: Watched, made: Sequence[Records]) -> pa.Table:
    """The records as the log has them."""
    return pa.Table.from_batches([Encoder(schema(known))(list(made))])


def read(known: Watched, made: Sequence[Records]) -> Columns:
    """The records as the monitor reads them."""
    return Columns(table(known, made))


def segment(known: Watched, folder: Path, name: str) -> Segment:
    """Begin a segment as a server on some host would: `name` is HOST-PID-NUMBER."""
    folder.mkdir(parents=True, exist_ok=True)
    return Segment(folder / f"20180701T120000.000000-{name}.arrow", Encoder(schema(known)).arrow)


def batch(known: Watched, made: Sequence[Records]) -> pa.RecordBatch:
    """One flush of a server."""
    return Encoder(schema(known))(list(made))
