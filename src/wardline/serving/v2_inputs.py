"""V2 inputs: the tensors a contract takes, and how they become rows of it.

One tensor a field, `[n]` or `[n, 1]`; where all fields are numbers also one matrix `[n, fields]` called
`rows`, a name that no field can have. Metadata and reading come from one declaration, the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydantic_core
from numpy.typing import NDArray

from wardline.contract import Admitted, Tabular
from wardline.errors import PayloadError, TooLargeError
from wardline.tensors import FLOATS, INTEGERS, Flat, Tensor

MATRIX = "rows"
_BY_ROW = 8  # up to so many rows, the row's own validator is faster than numpy's calls over columns
_NUMBERS = INTEGERS | FLOATS
_KINDS = {"FP64": "iuf", "INT64": "iu", "BOOL": "b", "BYTES": ""}
_TYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "string": "BYTES"}


@dataclass(frozen=True)
class Input:
    """A field of the contract as a tensor."""

    name: str
    datatype: str
    takes: frozenset[str]
    nullable: bool
    required: bool
    text: bool
    """Whether its BYTES are the value itself; other values travel in them as JSON."""
    raw: bool
    """Whether its BYTES are bytes (a picture) and not UTF-8."""

    @classmethod
    def of(cls, name: str, prop: Mapping[str, Any], schema: Mapping[str, Any]) -> Input:
        """Derive the tensor of a field from its JSON Schema."""
        kinds = _kinds(prop, schema.get("$defs", {}))
        nullable = "null" in kinds
        kinds -= {"null"}
        kind = "number" if kinds == {"number", "integer"} else next(iter(kinds)) if len(kinds) == 1 else ""
        datatype = _TYPES.get(kind, "BYTES")
        takes = {"FP64": _NUMBERS, "INT64": INTEGERS}.get(datatype, frozenset((datatype,)))
        if nullable and datatype == "INT64":
            takes |= FLOATS  # a float's NaN is the only null that a tensor has
        return cls(
            name, datatype, takes, nullable, name in schema.get("required", ()),
            text=kind == "string", raw="contentEncoding" in prop,
        )  # fmt: skip

    def values(self, tensor: Tensor, flat: Flat) -> Flat:
        """Return the elements as the contract takes them: an array of numbers, or a list."""
        if tensor.datatype not in self.takes:
            raise PayloadError(
                f"tensor {self.name} is {self.datatype}, not {tensor.datatype}: see the model's metadata"
            )
        if self.datatype == "BYTES":
            return [self._value(each) for each in flat]
        if self.datatype == "INT64" and tensor.datatype in FLOATS:
            return _whole(flat, np.int64)
        return _wide(flat) if isinstance(flat, np.ndarray) else flat

    def _value(self, element: Any) -> Any:
        if element is None or self.raw:
            return element
        if self.text and isinstance(element, str):
            return element
        try:
            text = element if isinstance(element, str) else element.decode()
            return text if self.text else pydantic_core.from_json(text)
        except ValueError:
            kind = "UTF-8 text" if self.text else "JSON"
            raise PayloadError(f"tensor {self.name}: an element is no {kind}") from None


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

    def admission(
        self, tensors: Sequence[Tensor], flats: Sequence[Flat], most: int
    ) -> Callable[[float], Admitted]:
        """Check names, datatypes and shapes, and return what admits the rows at a time."""
        if not tensors:
            raise PayloadError("the request has no inputs: see the model's metadata")
        if len(tensors) == 1 and tensors[0].name == MATRIX and self.numeric:
            count, columns = self._of_matrix(tensors[0], flats[0])
        else:
            count, columns = self._of_columns(tensors, flats)
        if count > most:
            raise TooLargeError(f"{count} rows in one request, the limit is {most}: send fewer at a time")
        return lambda now: self._admit(columns, count, now)

    def _of_columns(self, tensors: Sequence[Tensor], flats: Sequence[Flat]) -> tuple[int, dict[str, Flat]]:
        columns: dict[str, Flat] = {}
        count = tensors[0].shape[0]
        for tensor, flat in zip(tensors, flats, strict=True):
            field = self.fields.get(tensor.name)
            if field is None:
                known = ", ".join(self.fields)
                raise PayloadError(f"the model has no input {tensor.name[:80]!r}, it takes {known}"[:1000])
            if tensor.name in columns:
                raise PayloadError(f"input {tensor.name} is there twice")
            shape = tensor.shape
            if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1) or shape[0] != count or count == 0:
                raise PayloadError(
                    f"tensor {tensor.name} has shape {shape}: one value a row, [n] or [n, 1], and all "
                    f"tensors of one length, at least 1 (the first has {count})"
                )
            columns[tensor.name] = field.values(tensor, flat)
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
        if tensor.datatype not in _NUMBERS:
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
            found[name] = _wide(column) if wanted is None else _whole(column, wanted)
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


def _kinds(prop: Mapping[str, Any], defs: Mapping[str, Any]) -> set[str]:
    """Name the JSON types a property may have."""
    if "$ref" in prop:
        return _kinds(defs.get(prop["$ref"].rsplit("/", 1)[-1], {}), defs)
    parts = prop.get("anyOf") or prop.get("oneOf")
    if parts:
        return set().union(*(_kinds(part, defs) for part in parts))
    kind = prop.get("type", "object")
    return {kind} if isinstance(kind, str) else set(kind)


def _wide(array: NDArray[Any]) -> NDArray[Any]:
    """Compute in double precision and 64 bits, as JSON's numbers are: a row says the same however it came."""
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, np.float64)
    if array.dtype.kind in "iu" and array.dtype != np.uint64:
        return np.ascontiguousarray(array, np.int64)
    return array


def _native(column: Flat, datatype: str) -> Flat:
    """Read a matrix's few values as their field takes them; see `_whole`."""
    if datatype == "FP64":
        return column
    dtype = np.bool_ if datatype == "BOOL" else np.int64
    return [
        each if type(each) is int and datatype == "INT64" else _whole_value(each, dtype) for each in column
    ]


def _whole(column: Flat, dtype: Any) -> Flat:
    """Read whole floats as integers (0 and 1 as booleans) where they all are; others are for the contract."""
    array = np.asarray(column)
    if array.dtype == dtype:
        return np.ascontiguousarray(array)
    if array.dtype.kind in "biuf":
        with np.errstate(invalid="ignore"):  # NaN and infinity convert to whatever, and then differ
            converted = array.astype(dtype)
        if (converted == array).all():
            return converted
    return [_whole_value(value, dtype) for value in array.tolist()]


def _whole_value(value: Any, dtype: Any) -> Any:
    if value is None or value != value:
        return None
    if dtype is np.bool_:
        return bool(value) if value in (0, 1) else value
    return int(value) if float(value).is_integer() else value
