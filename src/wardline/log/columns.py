"""Records as plain numpy columns: what counts them needs no Arrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from wardline.log.schema import FEATURE, MICROSECONDS, SLICE


class Coded(NamedTuple):
    """A column of names: `codes` are places in `names`, -1 where there is none."""

    codes: NDArray[np.int32]
    names: Sequence[str]

    def lookup(self, places: Mapping[str, int], unknown: int, missing: int) -> NDArray[np.intp]:
        """Translate every name into a place of the caller's: `unknown` and `missing` stand for the rest."""
        table = np.array([*(places.get(name, unknown) for name in self.names), missing], dtype=np.intp)
        return table[self.codes]  # -1 is the last: missing


class Findings(NamedTuple):
    """All findings of some records: the row each is about, and what it says."""

    rows: NDArray[np.intp]
    guard: Coded
    severity: Coded
    reason: Coded
    subject: Coded


class Columns:
    """The columns of some records, each turned into numpy when it is first asked for.

    A column that these records do not have is all missing.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.rows = int(table.num_rows)
        self._numbers: dict[str, NDArray[np.float64]] = {}
        self._coded: dict[str, Coded] = {}

    def __len__(self) -> int:
        return self.rows

    @property
    def names(self) -> list[str]:
        """The columns there are."""
        return list(self._table.column_names)

    @cached_property
    def time(self) -> NDArray[np.int64]:
        """Nanoseconds since the epoch."""
        values: NDArray[np.int64] = self._whole("time").cast(pa.int64()).to_numpy(zero_copy_only=False)
        return values

    def number(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers; missing is NaN."""
        if name not in self._numbers:
            self._numbers[name] = self._number(name)
        return self._numbers[name]

    def coded(self, name: str) -> Coded:
        """Return a column of names."""
        if name not in self._coded:
            self._coded[name] = self._code(self._whole(name)) if name in self._table.column_names else Coded(
                np.full(self.rows, -1, np.int32), []
            )  # fmt: skip
        return self._coded[name]

    def feature(self, name: str) -> NDArray[np.float64]:
        """Return a feature that is a number."""
        return self.number(FEATURE + name)

    def text(self, name: str) -> Coded:
        """Return a feature that is a name."""
        return self.coded(FEATURE + name)

    def slice(self, name: str) -> Coded:
        """Return the values of a slice column; else of any column of names, such as model or camera."""
        return self.coded(SLICE + name if SLICE + name in self._table.column_names else name)

    def stage(self, name: str) -> NDArray[np.float64]:
        """Return the microseconds a stage took."""
        return self.number(MICROSECONDS + name)

    @cached_property
    def findings(self) -> Findings:
        """Every finding that is not ok."""
        if "findings" not in self._table.column_names:
            nothing = Coded(np.zeros(0, np.int32), [])
            return Findings(np.zeros(0, np.intp), nothing, nothing, nothing, nothing)
        lists = self._whole("findings")
        rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.intp)
        flat = lists.flatten()
        guard, severity, reason, subject = (
            self._code(flat.field(flat.type.get_field_index(name)))
            for name in ("guard", "severity", "reason", "subject")
        )
        return Findings(rows, guard, severity, reason, subject)

    def ids(self, rows: NDArray[np.intp]) -> list[str]:
        """Return the request ids of some rows."""
        names: list[str] = self._whole("request_id").take(pa.array(rows)).to_pylist()
        return names

    def take(self, rows: NDArray[Any]) -> Columns:
        """Return these rows only; booleans choose, whole numbers pick."""
        chosen = pa.array(rows)
        return Columns(self._table.filter(chosen) if rows.dtype == np.bool_ else self._table.take(chosen))

    def _whole(self, name: str) -> Any:
        column = self._table[name]
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()

    def _number(self, name: str) -> NDArray[np.float64]:
        if name not in self._table.column_names:
            return np.full(self.rows, np.nan)
        column = self._whole(name)
        if isinstance(column, pa.ChunkedArray):  # no rows at all
            return np.zeros(0)
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            return np.full(self.rows, np.nan)
        values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False)  # nulls become NaN
        return values.astype(np.float64, copy=False)

    @staticmethod
    def _code(column: Any) -> Coded:
        if not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()).dictionary_encode()
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            return Coded(np.zeros(0, np.int32), [])
        codes = column.indices
        if codes.null_count:
            codes = pc.fill_null(codes, -1)
        return Coded(codes.to_numpy(zero_copy_only=False).astype(np.int32), column.dictionary.to_pylist())
