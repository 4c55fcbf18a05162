"""Answers as arrays: what judging them by their labels needs of the log, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from wardline.log.columns import Coded, Columns
from wardline.log.labelled import Floats
from wardline.log.schema import SLICE

ALWAYS = (
    "time", "request_id", "served_by", "prediction", "confidence", "set", "interval_low", "interval_high",
    "level", "coverage_status", "ood_p", "reference",
)  # fmt: skip
"""The columns of the log that judging answers needs."""

KEPT = ("time", "value", "low", "high", "width", "confidence", "ood_p", "level", "label", "observed",
         "corrected", "covered")  # fmt: skip


def wanted(slices: Sequence[str]) -> tuple[str, ...]:
    """Name the columns that joining reads."""
    return (*ALWAYS, *(SLICE + name for name in slices))


@dataclass
class Part:
    """Answers that came together: numbers by name, names as codes, ids and sets as Arrow has them."""

    ids: pa.StringArray
    numbers: dict[str, NDArray[Any]]
    rung: Coded
    reference: Coded
    slices: dict[str, Coded]
    sets: Any
    labelled: bool = False

    def __len__(self) -> int:
        return len(self.ids)


_SETS = pa.list_(pa.string())
NEVER = -1
SMALL = 65_536  # answers up to which parts are put together


def answers_of(table: pa.Table, classes: Sequence[str], slices: Sequence[str]) -> Part:
    """Take from records what is needed of them; a class becomes its number."""
    columns = Columns(table)
    count = len(columns)
    low, high = columns.number("interval_low"), columns.number("interval_high")
    sets = _sets(table, classes)
    value, width = columns.number("prediction"), high - low
    if classes:
        number = {name: place for place, name in enumerate(classes)}
        places = columns.coded("prediction").lookup(number, -1, -1)
        value = np.where(places >= 0, places, np.nan)
        width = np.zeros(count) if sets is None else _sizes(sets)
    numbers: dict[str, NDArray[Any]] = {
        "time": columns.time if count else np.zeros(0, np.int64), "value": value, "low": low,
        "high": high, "width": width,
        **{name: columns.number(name) for name in ("confidence", "ood_p", "level")},
        "label": np.full(count, np.nan), "observed": np.full(count, NEVER),
        "corrected": np.zeros(count, np.bool_), "covered": np.zeros(count, np.bool_),
    }  # fmt: skip
    ids = table["request_id"].combine_chunks() if count else pa.array([], pa.string())
    ids = ids.chunk(0) if isinstance(ids, pa.ChunkedArray) else ids
    sliced = {name: columns.slice(name) for name in slices}
    return Part(ids, numbers, columns.coded("served_by"), columns.coded("reference"), sliced, sets)


def _sets(table: pa.Table, classes: Sequence[str]) -> pa.ListArray | None:
    """Return the sets of classes as stated; empty ones where the log has none."""
    if not classes:
        return None
    if "set" in table.column_names and table.num_rows:
        sets = table["set"].combine_chunks()
        sets = sets.chunk(0) if isinstance(sets, pa.ChunkedArray) else sets
        if pa.types.is_list(sets.type):
            return sets.cast(_SETS)
    return pa.nulls(table.num_rows, _SETS)


def together(one: Part, other: Part) -> Part:
    """Make one part of two: answers come in a few at a time, and parts are gone through one by one."""
    both = one, other
    sets = None
    if one.sets is not None and other.sets is not None:  # of a gate of classes all have them
        sets = pa.concat_arrays([one.sets, other.sets])
    return Part(
        pa.concat_arrays([one.ids, other.ids]),
        {name: np.concatenate([part.numbers[name] for part in both]) for name in one.numbers},
        coded([part.rung for part in both]), coded([part.reference for part in both]),
        {name: coded([part.slices[name] for part in both]) for name in one.slices}, sets,
        one.labelled or other.labelled,
    )  # fmt: skip


def places_of(parts: Sequence[Part], among: pa.StringArray) -> list[NDArray[np.intp]]:
    """Return the place of each part's ids, -1 where it is not there; what is looked among is hashed once."""
    if not parts:
        return []
    ids = pa.chunked_array([part.ids for part in parts])
    found = pc.fill_null(pc.index_in(ids, value_set=among), -1).to_numpy().astype(np.intp)
    return np.split(found, np.cumsum([len(part) for part in parts])[:-1])


def _sizes(sets: pa.ListArray) -> Floats:
    sizes = pc.fill_null(pc.list_value_length(sets), 0)
    found: Floats = sizes.to_numpy(zero_copy_only=False).astype(np.float64)
    return found


def inside(sets: pa.ListArray, label: pa.Array) -> NDArray[np.bool_]:
    """Say whether each set holds its label."""
    rows = pc.list_parent_indices(sets)
    hit = pc.fill_null(pc.equal(pc.list_flatten(sets), label.take(rows)), False)
    weights = hit.to_numpy(zero_copy_only=False)
    inside: NDArray[np.bool_] = np.bincount(rows.to_numpy(), weights=weights, minlength=len(sets)) > 0
    return inside


def coded(parts: Sequence[Coded], order: Any = slice(None)) -> Coded:
    """Put coded columns one after another, under one list of names."""
    places: dict[str, int] = {}
    for part in parts:
        for name in part.names:
            places.setdefault(name, len(places))
    codes = [part.lookup(places, -1, -1).astype(np.int32) for part in parts]
    return Coded(np.concatenate(codes)[order], list(places))


NONE = pa.schema(
    [
        ("time", pa.timestamp("ns", tz="UTC")),
        ("request_id", pa.string()),
        ("served_by", pa.string()),
        ("prediction", pa.float64()),
    ]
).empty_table()
