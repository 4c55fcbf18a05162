"""Counting into frozen bins on any engine: one Ibis expression, a long table of slice, feature, bin, n."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import ibis
import numpy as np
from ibis.expr import types as ir
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.reference import Profile

Engine = Literal["duckdb", "spark"]

AT_ONCE = 10
"""Columns counted by one query: between two of them the progress moves."""

BLOCKS = 64
"""Stretches of time by which the dependence between rows is known."""


@dataclass(frozen=True)
class Counted:
    """One column to count: its name, where it stands, how it is binned, and which rows it is about."""

    name: str
    column: str
    profile: Profile
    where: tuple[str, str] | None = None


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: its rows, and what splits them: a slice, and stretches of time."""

    name: str
    rows: ir.Table
    slice: str | None = None
    time: str | None = None


Counts = dict[tuple[str, str, str], NDArray[np.int64]]
"""By side, slice and feature: rows by stretch of time and bin, shape (stretches, bins)."""


def count(
    sides: Sequence[Side],
    columns: Sequence[Counted],
    advance: Callable[[int], None] = lambda _: None,
) -> Counts:
    """Count all columns of all sides. The rows are never here: only the counts come back."""
    stretches = {side.name: _stretches(side) for side in sides}
    found: Counts = {}
    for start in range(0, len(columns), AT_ONCE):
        some = columns[start : start + AT_ONCE]
        expression = long_counts(sides, some, stretches)
        sizes = {column.name: len(column.profile.counts) for column in some}
        for side, slice_, block, feature, place, rows in _fetched(expression):
            key = (side, slice_, feature)
            if key not in found:
                found[key] = np.zeros((BLOCKS, sizes[feature]), dtype=np.int64)
            found[key][block, place] += rows
        advance(len(some))
    return found


def long_counts(
    sides: Sequence[Side], columns: Sequence[Counted], stretches: dict[str, tuple[float, float]]
) -> ir.Table:
    """The expression: for each side and column a group-by, all of them put together.

    Engines read only the column each part is about; what merges is whole numbers.
    """
    parts = []
    for side in sides:
        for column in columns:
            rows = side.rows
            if column.where is not None:
                rows = rows.filter(rows[column.where[0]].cast("string") == column.where[1])
            keys = rows.select(
                slice=_slice(rows, side.slice),
                block=_block(rows, side.time, stretches[side.name]),
                bin=code(rows[column.column], column.profile),
            )
            counted = keys.group_by("slice", "block", "bin").agg(n=keys.count())
            parts.append(
                counted.select(
                    side=ibis.literal(side.name), slice=counted["slice"], block=counted["block"],
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
        number = values.cast("float64")
        missing = missing | number.isnan()
        branches = [(number == _number(name), place) for place, name in enumerate(names)]
    else:
        branches = [(values == name, place) for place, name in enumerate(names)]
    branches = [(missing, size - 1), *branches]
    return ibis.cases(*[(when, _small(place)) for when, place in branches], else_=_small(size - 2))


def _number(name: str) -> float:
    return float({"true": "1", "false": "0"}.get(name.lower(), name))


def _small(value: int) -> Any:
    return ibis.literal(value, type="int32")


def _slice(rows: ir.Table, column: str | None) -> Any:
    return ibis.literal("") if column is None else rows[column].cast("string").fill_null("(none)")


def _block(rows: ir.Table, column: str | None, stretch: tuple[float, float]) -> Any:
    if column is None:
        return _small(0)
    low, high = stretch
    share = (_seconds(rows[column]) - low) / max(high - low, 1e-9) * BLOCKS
    block = share.floor().cast("int32")
    return ibis.cases((block < 0, _small(0)), (block >= BLOCKS, _small(BLOCKS - 1)), else_=block)


def _seconds(values: Any) -> Any:
    kind = values.type()
    if kind.is_timestamp() or kind.is_date():
        moment = values.cast("timestamp")  # whole seconds first: one engine rounds, another cuts off
        return moment.truncate("s").epoch_seconds().cast("float64")
    return values.cast("float64")


def _stretches(side: Side) -> tuple[float, float]:
    """From when to when the rows of a side are."""
    if side.time is None:
        return 0.0, 0.0
    moment = _seconds(side.rows[side.time])
    ((low, high),) = _fetched(side.rows.aggregate(low=moment.min(), high=moment.max()))
    return (0.0, 0.0) if low is None else (float(low), float(high))


def _fetched(expression: ir.Table) -> Iterator[tuple[Any, ...]]:
    table = expression.to_pyarrow()
    yield from zip(*(column.to_pylist() for column in table.columns), strict=True)
