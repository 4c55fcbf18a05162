"""Counting into frozen bins on any engine: one Ibis expression, a long table of slice, feature, bin, n."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import ibis
import numpy as np
from ibis.expr import types as ir

from wardline.cli.resuming import Forgetful, Memory
from wardline.cli.sides import BLOCKS, Counted, Counts, Side, number
from wardline.features import Kind
from wardline.reference import Profile

Engine = Literal["duckdb", "spark"]

AT_ONCE = 10
"""Columns counted by one query: between two of them the progress moves."""


def count(
    sides: Sequence[Side],
    columns: Sequence[Counted],
    advance: Callable[[int], None] = lambda _: None,
    memory: Memory | None = None,
) -> Counts:
    """Count all columns of all sides. The rows are never here: only the counts come back.

    `memory` has what an earlier run counted of the same question; it is not counted again.
    """
    memory = Forgetful() if memory is None else memory
    spans = stretches(sides, memory)
    sizes = {column.name: len(column.profile.counts) for column in columns}
    found: Counts = {}
    for side in sides:
        for start in range(0, len(columns), AT_ONCE):
            some = columns[start : start + AT_ONCE]
            unit = f"{side.name}/{side.part}/{start}"
            rows = memory.get(unit)
            if rows is None:
                rows = fetched(long_counts(side, some, spans[side.name]))
                memory.put(unit, rows)
            for slice_, block, feature, place, many in rows:
                key = (side.name, slice_, feature)
                if key not in found:
                    found[key] = np.zeros((BLOCKS, sizes[feature]), dtype=np.int64)
                found[key][block, place] += many
            advance(len(some))
    return found


def long_counts(side: Side, columns: Sequence[Counted], stretch: tuple[float, float]) -> ir.Table:
    """The expression: for each column a group-by, all of them put together.

    Engines read only the column each part is about; what merges is whole numbers. What does not split the
    rows is no part of the keys, for hashing it costs each row.
    """
    parts = []
    for column in columns:
        rows = side.rows
        if column.where is not None:
            rows = rows.filter(rows[column.where[0]].cast("string") == column.where[1])
        split = {} if side.slice is None else {"slice": rows[side.slice].cast("string").fill_null("(none)")}
        split |= {} if side.time is None else {"block": _block(rows[side.time], stretch)}
        keys = rows.select(bin=code(rows[column.column], column.profile), **split)
        counted = keys.group_by("bin", *split).agg(n=keys.count())
        parts.append(
            counted.select(
                slice=counted["slice"] if "slice" in split else ibis.literal(""),
                block=counted["block"] if "block" in split else _small(0),
                feature=ibis.literal(column.name), bin=counted["bin"], n=counted["n"],
            )
        )  # fmt: skip
    return ibis.union(*parts, distinct=False) if len(parts) > 1 else parts[0]


def code(values: Any, profile: Profile) -> Any:
    """The bin of each value, as `Profile.counts` orders them."""
    if profile.kind is not Kind.CONTINUOUS:
        return _category(values, profile)
    number = values.cast("float64")
    bins, size = len(profile.edges) + 1, len(profile.counts)
    branches = [(number.isnull() | number.isnan(), size - 2), (number.isinf(), size - 1)]
    branches += [(number == atom, bins + place) for place, atom in enumerate(profile.atoms)]
    branches += [(number < float(edge), place) for place, edge in enumerate(profile.edges)]
    return ibis.cases(*[(when, _small(place)) for when, place in branches], else_=_small(bins - 1))


def _category(values: Any, profile: Profile) -> Any:
    names, size = list(profile.categories), len(profile.counts)
    branches = []
    missing = values.isnull()
    if values.type().is_numeric() or values.type().is_boolean():
        amount = values.cast("float64")
        missing = missing | amount.isnan()
        branches = [(amount == number(name), place) for place, name in enumerate(names)]
    else:
        branches = [(values == name, place) for place, name in enumerate(names)]
    branches = [(missing, size - 1), *branches]
    return ibis.cases(*[(when, _small(place)) for when, place in branches], else_=_small(size - 2))


def _small(value: int) -> Any:
    return ibis.literal(value, type="int32")


def _block(moments: Any, stretch: tuple[float, float]) -> Any:
    low, high = stretch
    share = (_seconds(moments) - low) / max(high - low, 1e-9) * BLOCKS
    block = share.floor().cast("int32")
    within = ibis.cases((block < 0, _small(0)), (block >= BLOCKS, _small(BLOCKS - 1)), else_=block)
    return within.fill_null(0)  # a row without a time is still a row


def _seconds(values: Any) -> Any:
    kind = values.type()
    if kind.is_timestamp() or kind.is_date():
        moment = values.cast("timestamp")  # whole seconds first: one engine rounds, another cuts off
        return moment.truncate("s").epoch_seconds().cast("float64")
    return values.cast("float64")


def stretches(sides: Sequence[Side], memory: Memory | None = None) -> dict[str, tuple[float, float]]:
    """From when to when the rows of each side are, over all its parts."""
    memory = Forgetful() if memory is None else memory
    ends: dict[str, list[float]] = {side.name: [] for side in sides}
    for side in sides:
        if side.time is None:
            continue
        unit = f"{side.name}/{side.part}/stretch"
        found = memory.get(unit)
        if found is None:
            moment = _seconds(side.rows[side.time])
            found = fetched(side.rows.aggregate(low=moment.min(), high=moment.max()))
            memory.put(unit, found)
        ends[side.name] += [float(each) for row in found for each in row if each is not None]
    return {name: (min(both), max(both)) if both else (0.0, 0.0) for name, both in ends.items()}


def batches(expression: ir.Table) -> Iterator[Any]:
    """Give the rows of a small or ordered answer as Arrow batches, never all at once."""
    backend = expression.get_backend()
    if backend.name == "duckdb":
        yield from backend.con.sql(backend.compile(expression)).to_arrow_reader(65_536)
    else:
        yield from expression.to_pyarrow_batches()


def fetched(expression: ir.Table) -> list[Any]:
    """Return the rows of a small answer."""
    backend = expression.get_backend()
    if backend.name == "duckdb":  # Ibis would load pandas to hand the few numbers over
        return list(backend.raw_sql(backend.compile(expression)).fetchall())
    table = expression.to_pyarrow()
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
