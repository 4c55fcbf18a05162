"""Columns out of many requests: laying them end to end, and giving each its Arrow type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wardline.features import Feature
from wardline.record import Records


@dataclass(frozen=True)
class Layout:
    """Where the rows of each request stand in the batch."""

    counts: NDArray[np.intp]
    starts: NDArray[np.intp]
    total: int

    @classmethod
    def of(cls, records: Sequence[Records]) -> Self:
        """Lay the requests end to end."""
        counts = np.array([len(record.actions) for record in records], dtype=np.intp)
        ends = np.cumsum(counts)
        return cls(counts, ends - counts, int(ends[-1]) if len(ends) else 0)

    @property
    def single(self) -> bool:
        """Whether every request is one row: then its values are the rows' values."""
        return len(self.counts) == self.total and bool((self.counts == 1).all())

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Repeat each request's value for each of its rows."""
        return values if self.single else np.repeat(values, self.counts)


def flatten(layout: Layout, mappings: Iterable[Mapping[int, Sequence[Any]]]) -> tuple[pa.Array, list[Any]]:
    """Return the items of all rows end to end, and where each row's begin."""
    sizes = np.zeros(layout.total, dtype=np.int64)
    flat: list[Any] = []
    for start, mapping in zip(layout.starts.tolist(), mappings, strict=True):
        if mapping:
            for place in sorted(mapping):
                items = mapping[place]
                sizes[start + place] = len(items)
                flat.extend(items)
    return offsets(sizes), flat


def offsets(sizes: NDArray[Any]) -> pa.Array:
    """Return where lists of these sizes begin and end."""
    return pa.array(np.concatenate(([0], np.cumsum(sizes))).astype(np.int32))


def gather(
    records: Sequence[Records],
    layout: Layout,
    name: str,
    fill: float | None = None,
    width: int | None = None,
) -> NDArray[Any]:
    """Put one column of all requests end to end; `fill` stands in where a request did not measure it."""
    parts = [getattr(record, name) for record in records]
    given = [part for part in parts if part is not None]
    if len(given) == len(parts):
        if set(map(type, parts)) == {list}:  # requests of one row
            return np.array(list(chain.from_iterable(parts)))
        return np.concatenate(parts)
    whole = np.full(layout.total if width is None else (layout.total, width), fill)
    if given:
        whole[layout.spread(np.array([part is not None for part in parts]))] = np.concatenate(given)
    return whole


def placed(records: Sequence[Records], layout: Layout) -> NDArray[np.intp]:
    """Return the rows of the batch that have features, in the order their blocks are stacked."""
    admitted = [
        record.admitted + start
        for record, start in zip(records, layout.starts.tolist(), strict=True)
        if record.block is not None
    ]
    return np.concatenate(admitted or [np.zeros(0, np.intp)])


def scattered(parts: Sequence[Sequence[Any]], places: NDArray[np.intp] | None, total: int) -> list[Any]:
    """Put the columns of the admitted rows end to end, with None for every row that was not admitted."""
    flat: list[Any] = []
    for part in parts:
        flat += part.tolist() if isinstance(part, np.ndarray) else part
    if places is None:
        return flat
    whole: list[Any] = [None] * total
    for place, value in zip(places.tolist(), flat, strict=True):
        whole[place] = value
    return whole


def typed(column: Feature, values: NDArray[np.float64], *, missing: bool) -> pa.Array:
    """Return a feature in its own type; a value that is not of that type is null.

    `missing` says whether any feature has NaN at all: looking for it costs as much as the copy.
    """
    if column.dtype == "int64":
        with np.errstate(invalid="ignore"):  # NaN has no integer; it differs from whatever it becomes
            integers = values.astype(np.int64)
        return pa.array(integers, mask=(integers != values) | (values >= 2.0**63))
    if column.dtype == "bool":
        return pa.array(values == 1, mask=(values != 0) & (values != 1))
    return pa.array(values, from_pandas=missing)


def coded(
    codes: NDArray[Any], dictionary: pa.Array, mask: NDArray[np.bool_] | None = None
) -> pa.DictionaryArray:
    """Return places in a dictionary as a column; null where `mask` is set."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=mask), dictionary)


def strings(values: Sequence[Any]) -> pa.Array:
    """Return values as text; None and NaN are null.

    What UTF-8 cannot hold (a lone surrogate) is kept escaped rather than lost.
    """
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        if set(map(type, values)) in _ALIKE:  # 1 is True and 1.0, but neither reads as the other
            known = {value: _text(value) for value in set(values)}
            return pa.array([known[value] for value in values], pa.string())
        return pa.array([_text(value) for value in values], pa.string())


_ALIKE = [{int}, {int, type(None)}, {bool}, {bool, type(None)}]


def _text(value: Any) -> str | None:
    if value is None or value != value:
        return None
    return str(value).encode("utf-8", "backslashreplace").decode()
