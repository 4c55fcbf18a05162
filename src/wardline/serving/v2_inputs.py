"""V2 inputs: the tensors a contract takes, and how they become rows of it.

One tensor a field, `[n]` or `[n, 1]`; where all fields are numbers also one matrix `[n, fields]` called
`rows`, a name that no field can have. Metadata and reading come from one declaration, the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wardline.contract import Admitted, Tabular
from wardline.errors import PayloadError, TooLargeError
from wardline.serving.v2_field import NUMBERS, Input, whole, whole_value, wide
from wardline.tensors import Flat, Tensor

MATRIX = "rows"
_BY_ROW = 8  # up to so many rows, the row's own validator is faster than numpy's calls over columns
_KINDS = {"FP64": "iuf", "INT64": "iu", "BOOL": "b", "BYTES": ""}


@dataclass(frozen=True)
class Inputs:
    """All tensors of a contract."""

    contract: Tabular
    fields: Mapping[str, Input]
    numeric: bool
    whole: bool
    """Whether integers are what every field takes as they are."""

    @classmethod
    def of(cls, contract: Tabular) -> Inputs:
        """Derive them from the contract's published schema."""
        schema = contract.row.model_json_schema()
        fields = {name: Input.of(name, prop, schema) for name, prop in schema["properties"].items()}
        kinds = {each.datatype for each in fields.values()}
        return cls(contract, fields, "BYTES" not in kinds, kinds <= {"INT64", "FP64"})

    def metadata(self) -> list[dict[str, Any]]:
        """Say which tensors are taken; those of optional fields are marked."""
        return [
            {"name": each.name, "datatype": each.datatype, "shape": [-1]}
            | ({} if each.required else {"parameters": {"optional": True}})
            for each in self.fields.values()
        ]

    def told(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a frame that a request's parameters name; of a table they name none."""
        if not self.contract.pictures:
            return {}
        return {
            name: value for name, value in parameters.items() if name in self.fields and name != "picture"
        }

    def admission(
        self,
        tensors: Sequence[Tensor],
        flats: Sequence[Flat],
        most: int,
        given: Mapping[str, Any] = MappingProxyType({}),
    ) -> Callable[[float], Admitted]:
        """Check names, datatypes and shapes, and return what admits the rows at a time.

        `given` are values of fields that stand for all rows where no tensor has them.
        """
        if not tensors:
            raise PayloadError("the request has no inputs: see the model's metadata")
        if len(tensors) == 1 and tensors[0].name == MATRIX and self.numeric:
            count, columns = self._of_matrix(tensors[0], flats[0])
        else:
            count, columns = self._of_columns(tensors, flats, given)
        if count > most:
            raise TooLargeError(f"{count} rows in one request, the limit is {most}: send fewer at a time")
        return lambda now: self._admit(columns, count, now)

    def _of_columns(
        self, tensors: Sequence[Tensor], flats: Sequence[Flat], given: Mapping[str, Any]
    ) -> tuple[int, dict[str, Flat]]:
        columns: dict[str, Flat] = {}
        count = 0
        for tensor, flat in zip(tensors, flats, strict=True):
            field = self.fields.get(tensor.name)
            if field is None:
                known = ", ".join(self.fields)
                raise PayloadError(f"the model has no input {tensor.name[:80]!r}, it takes {known}"[:1000])
            if tensor.name in columns:
                raise PayloadError(f"input {tensor.name} is there twice")
            rows = field.rows(tensor)
            if rows != (count or rows):
                raise PayloadError(
                    f"tensor {tensor.name} has shape {tensor.shape}, and the first has {count} rows: "
                    "all tensors of one length"
                )
            count = rows
            columns[tensor.name] = field.values(tensor, flat)
        columns.update({name: [value] * count for name, value in given.items() if name not in columns})
        missing = [name for name, field in self.fields.items() if field.required and name not in columns]
        if missing:
            raise PayloadError(f"inputs are missing: {', '.join(missing)}"[:1000])
        return count, columns

    def _of_matrix(self, tensor: Tensor, flat: Flat) -> tuple[int, dict[str, Flat]]:
        """Cut a matrix into columns, in the order of the contract's fields."""
        width = len(self.fields)
        if len(tensor.shape) != 2 or tensor.shape[1] != width or tensor.shape[0] == 0:
            raise PayloadError(
                f"tensor {MATRIX} has shape {tensor.shape}: [n, {width}], a column for each of "
                f"{', '.join(self.fields)}"[:1000]
            )
        if tensor.datatype not in NUMBERS:
            raise PayloadError(f"tensor {MATRIX} holds numbers, not {tensor.datatype}")
        if isinstance(flat, list) and tensor.shape[0] <= _BY_ROW:
            columns: dict[str, Flat] = {n: flat[place::width] for place, n in enumerate(self.fields)}
            if self.whole and set(map(type, flat)) == {int}:
                return tensor.shape[0], columns
            fields = self.fields
            return tensor.shape[0], {n: _native(each, fields[n].datatype) for n, each in columns.items()}
        matrix = np.asarray(flat).reshape(tensor.shape)
        kinds = {"INT64": np.int64, "BOOL": np.bool_}
        found: dict[str, Flat] = {}
        for (name, field), column in zip(self.fields.items(), matrix.T, strict=True):
            wanted = kinds.get(field.datatype)
            found[name] = wide(column) if wanted is None else whole(column, wanted)
        return tensor.shape[0], found

    def _admit(self, columns: Mapping[str, Flat], count: int, now: float) -> Admitted:
        """Give one row, or few, to the row's validator; many to the columns'."""
        if count <= _BY_ROW:
            admitted = self._admit_rows(columns, count, now)
        else:
            arrays = self._arrays(columns)
            if arrays is None:
                admitted = self._admit_rows(columns, count, now)
            else:
                admitted = self.contract.admit_columns(arrays, now)
        admitted.batch = count > 1
        return admitted

    def _arrays(self, columns: Mapping[str, Flat]) -> dict[str, NDArray[Any]] | None:
        """Make arrays of all columns; None where one has values that only a list can hold."""
        if len(columns) != len(self.fields):
            return None
        found: dict[str, NDArray[Any]] = {}
        for name, column in columns.items():
            if isinstance(column, np.ndarray):
                found[name] = column
                continue
            if self.fields[name].raw:
                return None
            try:
                array = np.array(column)
            except (ValueError, OverflowError):
                return None
            if array.dtype.kind not in _KINDS[self.fields[name].datatype] or array.ndim != 1:
                return None
            found[name] = array
        return found

    def _admit_rows(self, columns: Mapping[str, Flat], count: int, now: float) -> Admitted:
        if count == 1:
            row = {n: c[0] if isinstance(c, list) else self._values(n, c)[0] for n, c in columns.items()}
            return self.contract.admit(row, now)
        lists = [self._values(name, column) for name, column in columns.items()]
        names = tuple(columns)
        rows = [dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True)]
        return self.contract.admit_rows(rows, now)

    def _values(self, name: str, column: Flat) -> list[Any]:
        """Return native values; NaN in a binary tensor is the null that tensors have."""
        if not isinstance(column, np.ndarray):
            return column
        values: list[Any] = column.tolist()
        if column.dtype.kind == "f" and self.fields[name].nullable:
            return [None if value != value else value for value in values]
        return values


def _native(column: Flat, datatype: str) -> Flat:
    """Read a matrix's few values as their field takes them; see `whole`."""
    if datatype == "FP64":
        return column
    dtype = np.bool_ if datatype == "BOOL" else np.int64
    return [
        each if type(each) is int and datatype == "INT64" else whole_value(each, dtype) for each in column
    ]
