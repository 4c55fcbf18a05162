"""Tensors of the Open Inference Protocol (V2): JSON and the binary extension, to and from columns.

Source: the KServe "Open Inference Protocol" and Triton's "Binary Tensor Data Extension". Knows nothing of
contracts or HTTP; the server reads requests with it, and the `Remote` predictor answers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.errors import PayloadError

NUMERIC: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
"""Datatypes of numbers, as they lie in a binary tensor: little endian, rows first."""

INTEGERS = frozenset(name for name, dtype in NUMERIC.items() if dtype.kind in "iu")
FLOATS = frozenset(name for name, dtype in NUMERIC.items() if dtype.kind == "f")

SIZE = "binary_data_size"
"""The parameter that says how many bytes of the binary data are a tensor's."""

_DEEP = 16  # dimensions; numpy itself stops at 64, tables need two
_LENGTH = struct.Struct("<I")
_JSON = {
    **dict.fromkeys(INTEGERS, frozenset((int, type(None)))),
    **dict.fromkeys(FLOATS, frozenset((float, int, type(None)))),
    "BOOL": frozenset((bool, type(None))),
    "BYTES": frozenset((str, type(None))),
}
"""What JSON may carry for each datatype; null is the contract's business."""

_RANGE = {name: (int(np.iinfo(NUMERIC[name]).min), int(np.iinfo(NUMERIC[name]).max)) for name in INTEGERS}

_WIDEST = (-(2**63), 2**64 - 1)  # an integer wider than that is no honest value of a float
_NUMBERS = INTEGERS | FLOATS
_SINGLE = ([1], [1, 1])

Flat = list[Any] | NDArray[Any]
"""A tensor's elements, rows first: a list (of JSON, or of bytes), or an array straight from the body."""


class Tensor(msgspec.Struct, omit_defaults=True):
    """A tensor as it travels; `data` is left out where it follows in binary."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: Any = msgspec.UNSET


class Wanted(msgspec.Struct):
    """An output that the caller asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct, omit_defaults=True):
    """A request for inference."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Wanted] | None = None


class InferResponse(msgspec.Struct, omit_defaults=True):
    """An answer to one."""

    model_name: str
    outputs: list[Tensor]
    model_version: str | None = None
    id: str | None = None
    parameters: dict[str, Any] | None = None


_read_request = msgspec.json.Decoder(InferRequest).decode
_read_response = msgspec.json.Decoder(InferResponse).decode


def request_of(body: bytes, header_length: int | None) -> tuple[InferRequest, list[Flat]]:
    """Read a request and the elements of its inputs; PayloadError says what is wrong with the message."""
    text, rest = _split(body, header_length)
    request = _decoded(_read_request, text)
    return request, _elements(request.inputs, rest)


def response_of(body: bytes, header_length: int | None) -> tuple[InferResponse, list[Flat]]:
    """Read an answer and the elements of its outputs; PayloadError says what is wrong with the message."""
    text, rest = _split(body, header_length)
    response = _decoded(_read_response, text)
    return response, _elements(response.outputs, rest)


def packed(elements: Sequence[str | bytes] | NDArray[Any]) -> bytes:
    """Lay elements out as the binary extension wants them.

    >>> packed(["a", "bc"]).hex(" ")
    '01 00 00 00 61 02 00 00 00 62 63'
    """
    if isinstance(elements, np.ndarray):
        return elements.astype(elements.dtype.newbyteorder("<"), copy=False).tobytes()
    framed = {each: _framed(each) for each in set(elements)}  # most columns of text repeat a few words
    return b"".join([framed[each] for each in elements])


def _framed(element: str | bytes) -> bytes:
    encoded = element.encode() if isinstance(element, str) else element
    return _LENGTH.pack(len(encoded)) + encoded


def unpacked(raw: memoryview, count: int, name: str) -> list[bytes]:
    """Read `count` elements of a BYTES tensor, each behind its length.

    >>> unpacked(memoryview(packed(["a", "bc"])), 2, "x")
    [b'a', b'bc']
    """
    found: list[bytes] = []
    place, end = 0, len(raw)
    while place < end and len(found) <= count:
        if end - place < _LENGTH.size:
            raise PayloadError(f"tensor {name}: its binary data ends within an element's length")
        (length,) = _LENGTH.unpack_from(raw, place)
        place += _LENGTH.size
        if length > end - place:
            raise PayloadError(f"tensor {name}: an element claims {length} bytes, {end - place} are left")
        found.append(bytes(raw[place : place + length]))
        place += length
    if len(found) != count:
        raise PayloadError(
            f"tensor {name}: its shape asks for {_shown(count)} elements, its data has {len(found)}"
        )
    return found


def _split(body: bytes, header_length: int | None) -> tuple[memoryview, memoryview]:
    whole = memoryview(body)
    if header_length is None:
        return whole, whole[:0]
    if header_length > len(body):
        raise PayloadError(
            f"inference-header-content-length is {header_length}, the body has {len(body)} bytes"
        )
    return whole[:header_length], whole[header_length:]


def _decoded(read: Any, text: memoryview) -> Any:
    try:
        return read(text)
    except msgspec.ValidationError as error:
        raise PayloadError(f"the message is no V2 message: {error}") from None
    except (ValueError, RecursionError) as error:  # msgspec's own errors and Python's on huge numbers
        raise PayloadError(f"the message is not JSON: {error}") from None


def _elements(tensors: Sequence[Tensor], rest: memoryview) -> list[Flat]:
    """Give each tensor its elements, from its JSON or from its slice of the binary data."""
    found: list[Flat] = []
    for tensor in tensors:
        if tensor.parameters is None and tensor.shape in _SINGLE and _single(tensor):
            found.append(tensor.data)  # most tensors of most requests
            continue
        if tensor.datatype not in _JSON:
            raise PayloadError(f"tensor {_shown(tensor.name)}: datatype {_shown(tensor.datatype)} is unknown")
        if not 0 < len(tensor.shape) <= _DEEP or min(tensor.shape) < 0:
            raise PayloadError(f"tensor {_shown(tensor.name)}: {_shown(tensor.shape)} is no shape")
        count = math.prod(tensor.shape)
        size = (tensor.parameters or {}).get(SIZE)
        if size is None:
            found.append(_of_json(tensor, count))
            continue
        if tensor.data is not msgspec.UNSET or not isinstance(size, int) or not 0 <= size <= len(rest):
            raise PayloadError(
                f"tensor {_shown(tensor.name)}: {SIZE} {_shown(size)} with {len(rest)} bytes left"
                + (" beside data" if tensor.data is not msgspec.UNSET else "")
            )
        found.append(_of_bytes(tensor, count, rest[:size]))
        rest = rest[size:]
    if len(rest):
        raise PayloadError(f"{len(rest)} bytes of binary data belong to no tensor")
    return found


def _single(tensor: Tensor) -> bool:
    """Say whether a tensor is one sound JSON value; others take the long way."""
    data, datatype = tensor.data, tensor.datatype
    if type(data) is not list or len(data) != 1 or datatype not in _JSON:
        return False
    (value,) = data
    if type(value) is int:
        least, most = _RANGE.get(datatype, _WIDEST)
        return datatype in _NUMBERS and least <= value <= most
    return type(value) in _JSON[datatype]


def _of_bytes(tensor: Tensor, count: int, raw: memoryview) -> Flat:
    if tensor.datatype == "BYTES":
        return unpacked(raw, count, _shown(tensor.name))
    dtype = NUMERIC[tensor.datatype]
    if len(raw) != count * dtype.itemsize:
        raise PayloadError(
            f"tensor {_shown(tensor.name)}: {tensor.datatype} of shape {_shown(tensor.shape)} takes "
            f"{_shown(count * dtype.itemsize)} bytes, its data has {len(raw)}"
        )
    if dtype.kind == "b":
        octets = np.frombuffer(raw, np.uint8)
        if octets.size and octets.max() > 1:
            raise PayloadError(f"tensor {_shown(tensor.name)}: a BOOL is 0 or 1")
        return octets.view(np.bool_)
    return np.frombuffer(raw, dtype)


def _of_json(tensor: Tensor, count: int) -> list[Any]:
    if not isinstance(tensor.data, list):
        raise PayloadError(f"tensor {_shown(tensor.name)} has no data: a list, or {SIZE} of binary data")
    data: list[Any] = tensor.data
    kinds = set(map(type, data))
    if list in kinds and len(tensor.shape) > 1:
        data = list(_flattened(data, tensor.shape, tensor.name))
        kinds = set(map(type, data))
    if len(data) != count:
        raise PayloadError(
            f"tensor {_shown(tensor.name)}: shape {_shown(tensor.shape)} asks for {_shown(count)} elements, "
            f"its data has {len(data)}"
        )
    if not kinds <= _JSON[tensor.datatype]:
        strange = sorted(kind.__name__ for kind in kinds - _JSON[tensor.datatype])
        raise PayloadError(f"tensor {_shown(tensor.name)}: {tensor.datatype} takes no {', '.join(strange)}")
    if int in kinds:
        whole = data if len(kinds) == 1 else [each for each in data if type(each) is int]
        _check_integers(tensor, whole)
    return data


def _check_integers(tensor: Tensor, values: list[int]) -> None:
    least, most = _RANGE.get(tensor.datatype, _WIDEST)
    if min(values) < least or max(values) > most:
        raise PayloadError(f"tensor {_shown(tensor.name)}: a value does not fit {tensor.datatype}")


def _flattened(data: Any, shape: Sequence[int], name: str) -> Iterator[Any]:
    """Walk nested data as its shape says."""
    if not isinstance(data, list) or len(data) != shape[0]:
        raise PayloadError(f"tensor {_shown(name)}: its nested data does not follow its shape")
    if len(shape) == 1:
        yield from data
        return
    for each in data:
        yield from _flattened(each, shape[1:], name)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
