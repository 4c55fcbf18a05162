"""Records to write and read, and what a reader must see of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from wardline.features import Feature, FeatureBlock, FeatureSchema, Kind
from wardline.record import STAGES, Records, RecordSchema, verdict_of
from wardline.settings import LogSettings
from wardline.verdict import Coverage, Finding, Severity, Stage

FEATURES = FeatureSchema(
    (
        Feature("income", Kind.CONTINUOUS, "float64"),
        Feature("region", Kind.TEXT, "string"),
        Feature("children", Kind.CONTINUOUS, "int64"),
        Feature("owner", Kind.CATEGORICAL, "bool"),
        Feature("debt", Kind.CONTINUOUS, "float64"),
    )
)
CONSTANTS = {"model": "loan/3", "features_version": "2", "reference": "ab12", "libraries": "cd34"}
PROMISED = (Coverage.VALID, Coverage.WATCH, Coverage.VOID)
RUNGS, MODELS = ("gbm", "linear", "rule"), ("loan/3", "loan-small/1", "prior")
REGRESSION = RecordSchema("loan", FEATURES, ("channel",), (), RUNGS, STAGES, MODELS, CONSTANTS, PROMISED)
CLASSIFICATION = RecordSchema(
    "loan", FEATURES, ("channel",), ("paid", "late", "lost"), RUNGS, STAGES, MODELS, CONSTANTS, PROMISED
)
# The clock's only part in these tests: a writer flushes when it is told to, or when enough rows wait.
PATIENT = LogSettings(flush_s=60.0)


def request(number: int, rows: int = 1, *, time: int | None = None) -> Records:
    """One plain request; its number is its time in milliseconds, and in every value."""
    place = np.arange(rows)
    matrix = np.column_stack([place + number * 1.5, place % 7, place % 2, np.full(rows, np.inf)])
    finding = Finding(
        "range", Stage.INPUT, Severity.WARN, "range.outside", "income", 1.5, "at most 1", 0.5, 0.1
    )
    return Records(
        time=number * 1_000_000 if time is None else time,
        request_id=f"r{number}",
        trace_id=f"{number:032x}",
        batch=rows > 1,
        actions=np.full(rows, 1 if number % 3 == 0 else 0, np.int8),
        rungs=np.zeros(rows, np.int8),
        values=place + float(number),
        admitted=place,
        block=FeatureBlock(FEATURES, matrix, {"region": [f"region {number}"] * rows}),
        slices={"channel": ["web"] * rows},
        findings={0: (finding,)} if number % 3 == 0 else {},
        stages_us=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
    )


def ids(requests: list[Records]) -> list[str]:
    """The ids of all rows, in order."""
    return [record.id_of(place) for record in requests for place in range(len(record))]


def plain(table: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as plain values; times as nanoseconds, since Python's own datetime holds none."""
    place = table.schema.names.index("time")
    return table.set_column(place, "time", table.column("time").cast(pa.int64())).to_pylist()


def expected(schema: RecordSchema, records: Records) -> list[dict[str, Any]]:
    """What a reader must see of one request, read off its verdicts row by row."""
    return [_row(schema, records, place) for place in range(len(records))]


def _row(schema: RecordSchema, records: Records, place: int) -> dict[str, Any]:
    verdict = verdict_of(records, schema, place)
    known = verdict.uncertainty
    low, high = known.interval or (None, None)
    has = place in records.admitted and records.block is not None
    at = int(np.flatnonzero(records.admitted == place)[0]) if has else -1
    times = [*records.stages_us, *[None] * len(schema.stages)][: len(schema.stages)]
    return {
        "time": records.time,
        "request_id": verdict.request_id,
        "row": place,
        "trace_id": verdict.trace_id,
        "action": verdict.action.value,
        "rung": verdict.rung,
        "served_by": verdict.served_by,
        "model": verdict.model,
        "prediction": verdict.prediction,
        "confidence": known.confidence,
        "set": None if known.set is None else list(known.set),
        "interval_low": low,
        "interval_high": high,
        "level": known.level,
        "coverage_status": known.coverage_status.value,
        "ood_p": known.ood_p,
        "findings": [_finding(finding) for finding in verdict.findings],
        "unknown_fields": list(records.unknown.get(place, ())),
        "camera": records.camera,
        "firmware": records.firmware,
        "shadow_prediction": None,
        **{
            f"feature.{column.name}": _value(records.block, column, at) if has else None
            for column in schema.features.columns
        },
        **{f"slice.{name}": records.slices[name][at] if has else None for name in schema.slices},
        **{
            f"us.{name}": None if value is None else float(np.float32(value))
            for name, value in zip(schema.stages, times, strict=True)
        },
        **{name: value for name, value in schema.constants.items() if name != "model"},
    }


def _finding(finding: Finding) -> dict[str, Any]:
    observed = None if finding.observed is None else str(finding.observed)
    return {
        "guard": finding.guard, "stage": finding.stage.value, "severity": finding.severity.value,
        "reason": finding.reason, "subject": finding.subject, "observed": observed,
        "expected": finding.expected, "score": finding.score, "threshold": finding.threshold,
    }  # fmt: skip


def _value(block: FeatureBlock, column: Feature, at: int) -> Any:
    value = block.column(column.name)[at]
    if value is None or isinstance(value, str):
        return value
    if math.isnan(value):
        return None
    return {"float64": float, "int64": int, "bool": bool}[column.dtype](value)
