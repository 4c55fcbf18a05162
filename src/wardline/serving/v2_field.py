"""V2 inputs: one field of a contract as a tensor, and its elements as the contract takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydantic_core
from numpy.typing import NDArray

from wardline.errors import PayloadError
from wardline.tensors import FLOATS, INTEGERS, Flat, Tensor

NUMBERS = INTEGERS | FLOATS
PIXELS = "UINT8"
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
    """Whether its BYTES are bytes (a picture) and not UTF-8. It may come as pixels, too."""

    def rows(self, tensor: Tensor) -> int:
        """Return how many rows a tensor has values of: the first dimension, 1 for the pixels of one picture.

        Raises PayloadError where its shape does not fit.
        """
        shape = tensor.shape
        if self.raw and tensor.datatype == PIXELS:
            if len(shape) not in (3, 4) or shape[-1] != 3 or 0 in shape:
                wanted = "[height, width, 3] or [n, height, width, 3]"
                raise PayloadError(f"tensor {self.name} has shape {shape}: pixels are {wanted}")
            return shape[0] if len(shape) == 4 else 1
        if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1) or shape[0] == 0:
            raise PayloadError(
                f"tensor {self.name} has shape {shape}: one value a row, [n] or [n, 1], at least 1"
            )
        return shape[0]

    @classmethod
    def of(cls, name: str, prop: Mapping[str, Any], schema: Mapping[str, Any]) -> Input:
        """Derive the tensor of a field from its JSON Schema."""
        kinds = _kinds(prop, schema.get("$defs", {}))
        nullable = "null" in kinds
        kinds -= {"null"}
        kind = "number" if kinds == {"number", "integer"} else next(iter(kinds)) if len(kinds) == 1 else ""
        datatype = _TYPES.get(kind, "BYTES")
        takes = {"FP64": NUMBERS, "INT64": INTEGERS}.get(datatype, frozenset((datatype,)))
        raw = "contentEncoding" in prop
        if raw:
            takes |= {PIXELS}
        if nullable and datatype == "INT64":
            takes |= FLOATS  # a float's NaN is the only null that a tensor has
        return cls(
            name, datatype, takes, nullable, name in schema.get("required", ()),
            text=kind == "string", raw=raw,
        )  # fmt: skip

    def values(self, tensor: Tensor, flat: Flat) -> Flat:
        """Return the elements as the contract takes them: an array of numbers, or a list."""
        if tensor.datatype not in self.takes:
            raise PayloadError(
                f"tensor {self.name} is {self.datatype}, not {tensor.datatype}: see the model's metadata"
            )
        if tensor.datatype == PIXELS and self.raw:
            return self._pixels(tensor, flat)
        if self.datatype == "BYTES":
            return [self._value(each) for each in flat]
        if self.datatype == "INT64" and tensor.datatype in FLOATS:
            return whole(flat, np.int64)
        return wide(flat) if isinstance(flat, np.ndarray) else flat

    def _pixels(self, tensor: Tensor, flat: Flat) -> list[Any]:
        if isinstance(flat, list) and None in flat:
            raise PayloadError(f"tensor {self.name}: a pixel is null")
        return list(np.array(flat, np.uint8).reshape(self.rows(tensor), *tensor.shape[-3:]))

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


def _kinds(prop: Mapping[str, Any], defs: Mapping[str, Any]) -> set[str]:
    """Name the JSON types a property may have."""
    if "$ref" in prop:
        return _kinds(defs.get(prop["$ref"].rsplit("/", 1)[-1], {}), defs)
    parts = prop.get("anyOf") or prop.get("oneOf")
    if parts:
        return set().union(*(_kinds(part, defs) for part in parts))
    kind = prop.get("type", "object")
    return {kind} if isinstance(kind, str) else set(kind)


def wide(array: NDArray[Any]) -> NDArray[Any]:
    """Compute in double precision and 64 bits, as JSON's numbers are: a row says the same however it came."""
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, np.float64)
    if array.dtype.kind in "iu" and array.dtype != np.uint64:
        return np.ascontiguousarray(array, np.int64)
    return array


def whole(column: Flat, dtype: Any) -> Flat:
    """Read whole floats as integers (0 and 1 as booleans) where they all are; others are for the contract."""
    array = np.asarray(column)
    if array.dtype == dtype:
        return np.ascontiguousarray(array)
    if array.dtype.kind in "biuf":
        with np.errstate(invalid="ignore"):  # NaN and infinity convert to whatever, and then differ
            converted = array.astype(dtype)
        if (converted == array).all():
            return converted
    return [whole_value(value, dtype) for value in array.tolist()]


def whole_value(value: Any, dtype: Any) -> Any:
    """Read one whole float as an integer, 0 and 1 as booleans; NaN is null; another is for the contract."""
    if value is None or value != value:
        return None
    if dtype is np.bool_:
        return bool(value) if value in (0, 1) else value
    return int(value) if float(value).is_integer() else value
