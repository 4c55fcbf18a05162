"""The record as an Arrow table: every fact a typed column of its own.

Features, slices and stage times carry a prefix (`feature.income`, `slice.region`, `us.chain`), so that no
name a user chooses can collide with a column of ours.
"""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from wardline.errors import DeclarationError
from wardline.features import Feature, Kind
from wardline.record import RecordSchema

CODED = pa.dictionary(pa.int32(), pa.string())
"""Strings of which there are few: stored once a file, a number a row."""

FINDING = pa.struct(
    [
        pa.field("guard", pa.string()),
        pa.field("stage", pa.string()),
        pa.field("severity", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("subject", pa.string()),
        pa.field("observed", pa.string()),
        pa.field("expected", pa.string()),
        pa.field("score", pa.float64()),
        pa.field("threshold", pa.float64()),
    ]
)

TIME = pa.timestamp("ns", tz="UTC")
FEATURE, SLICE, MICROSECONDS = "feature.", "slice.", "us."
PER_ROW = frozenset({"model"})
"""Constants of the schema that are known better row by row: the rung that answered names its model."""

_TYPES = {"float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_(), "string": pa.string()}


def _core(answer: pa.DataType) -> list[pa.Field]:
    return [
        pa.field("time", TIME),
        pa.field("request_id", pa.string()),
        pa.field("row", pa.int32()),
        pa.field("trace_id", pa.string()),
        pa.field("action", CODED),
        pa.field("rung", pa.int8()),
        pa.field("served_by", CODED),
        pa.field("model", CODED),
        pa.field("prediction", answer),
        pa.field("confidence", pa.float64()),
        pa.field("set", pa.list_(pa.string())),
        pa.field("interval_low", pa.float64()),
        pa.field("interval_high", pa.float64()),
        pa.field("level", pa.float64()),
        pa.field("coverage_status", CODED),
        pa.field("ood_p", pa.float64()),
        pa.field("findings", pa.list_(FINDING)),
        pa.field("unknown_fields", pa.list_(pa.string())),
        pa.field("camera", pa.string()),
        pa.field("firmware", pa.string()),
        pa.field("shadow_prediction", answer),
    ]


CORE = pa.schema(_core(pa.float64()))
"""The columns that every gate's records have: what a log without any record looks like."""


def arrow_schema(schema: RecordSchema) -> pa.Schema:
    """Return the columns of a gate's records, in the order they are stored.

    Raises DeclarationError where two columns would have one name.
    """
    fields = [
        *_core(pa.string() if schema.classes else pa.float64()),
        *(pa.field(FEATURE + column.name, feature_type(column)) for column in schema.features.columns),
        *(pa.field(SLICE + name, pa.string()) for name in schema.slices),
        *(pa.field(MICROSECONDS + name, pa.float32()) for name in schema.stages),
        *(pa.field(name, CODED) for name in schema.constants if name not in PER_ROW),
    ]
    twice = [name for name, times in Counter(field.name for field in fields).items() if times > 1]
    if twice:
        raise DeclarationError(f"two columns of the record are called {twice[0]!r}: rename one")
    return pa.schema(fields, metadata={"wardline.gate": schema.gate, "wardline.format": "1"})


def feature_type(feature: Feature) -> pa.DataType:
    """Return the column type of a feature; what lies in the matrix is a number whatever it was called."""
    if feature.kind is Kind.TEXT:
        return pa.string()
    return pa.float64() if feature.dtype == "string" else _TYPES[feature.dtype]
