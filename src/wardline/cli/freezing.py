"""Frozen bins for a plain file: what a reference bundle has, cut from a sample of the file itself."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.profiles import Limits, NumberColumn
from wardline.reference import Profile
from wardline.stats import bins

SAMPLE = 100_000
"""Rows that shape the bins; all rows are counted into them."""

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
    places = np.unique(np.linspace(0, len(groups) - 1, min(_PLACES, len(groups))).astype(int))
    each = -(-SAMPLE // len(places))
    parts = []
    for place in places.tolist():
        path, group = groups[place]
        with pq.ParquetFile(path, buffer_size=1 << 16) as file:  # a row group may be all there is
            present = [name for name in columns if name in file.schema_arrow.names]
            batches = file.iter_batches(each, row_groups=[group], columns=present)
            parts += [pa.Table.from_batches([batch]) for _, batch in zip(range(1), batches, strict=False)]
    return pa.concat_tables(parts, promote_options="permissive")


def _profile(name: str, values: pa.Array) -> Profile:
    kind = values.type
    if pa.types.is_boolean(kind) or pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        if pa.types.is_dictionary(kind):
            values = values.cast(kind.value_type)
        text = [None if value is None else bins.label(value) for value in values.to_pylist()]
        return _names(name, Kind.TEXT, bins.tally(text), len(text))
    numbers = _numbers(values.cast(pa.float64()))
    different = np.unique(numbers[np.isfinite(numbers)])
    if len(different) <= _FEW and (different == np.floor(different)).all() and len(different):
        return _names(name, Kind.CATEGORICAL, bins.tally(numbers), len(numbers))
    column = NumberColumn(name)
    column.observe(numbers)
    column.freeze(numbers, Limits().window)
    return column.profile()


def _numbers(values: pa.Array) -> NDArray[np.float64]:
    """Return numbers, NaN where there is none. Without holes Arrow need not load pandas for it."""
    if values.null_count:
        return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.asarray(np.from_dlpack(values), dtype=np.float64)


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
