"""One schema for the records of all versions of a gate."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc


def unified(schemas: Sequence[pa.Schema]) -> pa.Schema | None:
    """Return the columns of all schemas, those of the first in front; None where there are no schemas.

    Where versions disagree on a type it becomes one that holds both (int64 and float64: float64), and text
    where there is no other.

    >>> old, new = pa.schema({"a": pa.int64(), "b": pa.bool_()}), pa.schema({"a": pa.float64()})
    >>> unified([new, old]).types
    [DataType(double), DataType(bool)]
    """
    if not schemas:
        return None
    fields: dict[str, pa.Field] = {}
    for schema in dict.fromkeys(schemas):
        for field in schema:
            known = fields.get(field.name)
            fields[field.name] = field if known is None else pa.field(field.name, _joined(known, field))
    return pa.schema(list(fields.values()), metadata=schemas[0].metadata)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with exactly these columns: those it lacks are null, those of another type are cast."""
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.chunked_array([pa.nulls(table.num_rows, field.type)]))
            continue
        column = table[field.name]
        columns.append(column if column.type == field.type else _cast(column, field.type))
    return pa.table(columns, schema=schema)


def _joined(one: pa.Field, other: pa.Field) -> pa.DataType:
    if one.type == other.type:
        return one.type
    try:
        return pa.unify_schemas([pa.schema([one]), pa.schema([other])], promote_options="permissive")[0].type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.string()


def _cast(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """Cast a column; what has no direct way there goes by its text."""
    try:
        return pc.cast(column, wanted)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        text = [None if value is None else str(value) for value in column.to_pylist()]
        return pc.cast(pa.chunked_array([pa.array(text, pa.string())]), wanted)
