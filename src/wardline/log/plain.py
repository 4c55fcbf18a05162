"""Records as plain objects, for whatever speaks JSON."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def objects(table: pa.Table) -> list[dict[str, Any]]:
    """Return one object a record that JSON can say: times in ISO 8601, `inf` and `nan` by their names."""
    return [plain(row) for row in readable(table).to_pylist()]


def readable(table: pa.Table) -> pa.Table:
    """Write times out as ISO 8601 to the nanosecond, which Python's own datetime cannot hold."""
    if "time" not in table.column_names:
        return table
    text = pc.binary_join_element_wise(pc.strftime(table["time"], "%Y-%m-%dT%H:%M:%S"), "Z", "")
    return table.set_column(table.column_names.index("time"), "time", text)


def plain(value: Any) -> Any:
    """Make a value JSON: what JSON has no number for becomes its name."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
