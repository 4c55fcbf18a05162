"""Frozen bins for a plain file: what a reference bundle has, cut from a sample of the file itself."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.profiles import Limits
from wardline.reference import Profile
from wardline.stats import bins

SAMPLE = 100_000
"""Rows that shape the bins; all rows are counted into them."""

_GLIMPSE = 1000  # values that show whether there are many different ones
_CUT = 25_000  # numbers that say where bins of equal weight lie: to a fifth of a percent of the rows
_FEW = 12  # different whole numbers up to which they are categories
_PLACES = 16  # row groups that the sample is taken from, evenly


def freeze(files: Sequence[Path], columns: Sequence[str]) -> dict[str, Profile]:
    """Cut the bins of each column from evenly spaced rows of Parquet files; no count is in them yet."""
    table = _sample(files, columns)
    return {name: _profile(name, table[name].combine_chunks()) for name in columns}


def _sample(files: Sequence[Path], columns: Sequence[str]) -> pa.Table:
    groups = [
        (file, group) for file in files for group in range(pq.ParquetFile(file).metadata.num_row_groups)
    ]
    places = sorted({len(groups) * place // _PLACES for place in range(_PLACES)})
    each = -(-SAMPLE // len(places))
    parts = []
    for place in places:
        path, group = groups[place]
        parts.append(_head(path, group, each, columns))
    return pa.concat_tables(parts, promote_options="permissive")


def _head(path: Path, group: int, rows: int, columns: Sequence[str]) -> pa.Table:
    """Return the first rows of a row group, which may be all there is: a column at a time, nothing ahead."""
    with pq.ParquetFile(path, buffer_size=1 << 16, pre_buffer=False) as file:
        parts = {}
        for name in columns:
            if name not in file.schema_arrow.names:
                continue
            batches = file.iter_batches(rows, row_groups=[group], columns=[name], use_threads=False)
            parts[name] = pa.chunked_array([each.column(0) for each in itertools.islice(batches, 1)],
                                           file.schema_arrow.field(name).type)  # fmt: skip
        return pa.table(parts)


def _profile(name: str, values: pa.Array) -> Profile:
    kind = values.type
    if pa.types.is_boolean(kind) or pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        if pa.types.is_dictionary(kind):
            values = values.cast(kind.value_type)
        text = [None if value is None else bins.label(value) for value in values.to_pylist()]
        return _names(name, Kind.TEXT, bins.tally(text), len(text))
    amounts = numbers(values, pa.float32() if kind == pa.float32() else pa.float64())
    finite = amounts[np.isfinite(amounts)]
    if len(set(finite[:_GLIMPSE].tolist())) <= _FEW:  # most columns are told by a glimpse
        different, _ = np.unique(finite, return_counts=True)
        if 0 < len(different) <= _FEW and (different == np.floor(different)).all():
            return _names(name, Kind.CATEGORICAL, bins.tally(amounts), len(amounts))
    edges, atoms = bins.cut(finite[:: max(1, len(finite) // _CUT)], window=Limits().window)
    counts = np.zeros(len(edges) + 1 + len(atoms) + 2, dtype=np.int64)
    return Profile(name, Kind.CONTINUOUS, len(amounts), edges=edges, atoms=atoms, counts=counts)


def numbers(values: pa.Array, kind: pa.DataType) -> NDArray[Any]:
    """Return a column of numbers, missing as NaN. (`Array.to_numpy` loads pandas, which takes a second.)"""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    values = values.cast(kind, safe=False)
    if values.null_count:
        values = pc.fill_null(values, pa.scalar(np.nan, kind))
    return np.from_dlpack(values)


def _names(name: str, kind: Kind, counts: dict[str | None, int], rows: int) -> Profile:
    most = bins.top(counts, Limits().categories)
    return Profile(
        name, kind, rows, categories={each: counts[each] for each in most},
        counts=np.zeros(len(most) + 2, dtype=np.int64),
    )  # fmt: skip


def bin_names(profile: Profile) -> list[str]:
    """Name the bins of a profile in the order of its counts, as a person reads them.

    >>> bin_names(Profile("x", Kind.CONTINUOUS, 0, edges=np.array([1.0]), atoms=(0.0,)))
    ['< 1', '>= 1', '= 0', 'missing', 'not finite']
    """
    if profile.kind is not Kind.CONTINUOUS:
        return [*profile.categories, "other", "missing"]
    edges = [f"{edge:.6g}" for edge in profile.edges]
    inner = [f"{low} to {high}" for low, high in itertools.pairwise(edges)]
    bounds = [f"< {edges[0]}", *inner, f">= {edges[-1]}"] if edges else ["elsewhere"]
    return [*bounds, *(f"= {atom:.6g}" for atom in profile.atoms), "missing", "not finite"]
