"""The V2 tensor codec: what goes in comes out, and what is malformed is said to be."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline.errors import PayloadError
from wardline.tensors import FLOATS, NUMERIC, packed, request_of


def message(*tensors: dict[str, Any], tail: bytes = b"", **more: Any) -> tuple[bytes, int | None]:
    text = json.dumps({"inputs": tensors, **more}).encode()
    return text + tail, len(text) if tail else None


def tensor(datatype: str, data: Any, shape: list[int], **parameters: Any) -> dict[str, Any]:
    found = {"name": "x", "datatype": datatype, "shape": shape}
    if data is not None:
        found["data"] = data
    return {**found, "parameters": parameters} if parameters else found


@given(st.sampled_from(sorted(NUMERIC)), st.data())
def test_numbers_come_out_of_json_and_binary_as_they_went_in(datatype: str, data: st.DataObject) -> None:
    dtype = NUMERIC[datatype]
    if datatype == "BOOL":
        each: Any = st.booleans()
    elif datatype in FLOATS:
        each = st.floats(width=8 * dtype.itemsize, allow_nan=False, allow_infinity=False)  # type: ignore[arg-type]
    else:
        each = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    values = np.array(data.draw(st.lists(each, min_size=1, max_size=20)), dtype)
    raw = packed(values)
    _, (binary,) = request_of(
        *message(tensor(datatype, None, [len(values)], binary_data_size=len(raw)), tail=raw)
    )
    _, (text,) = request_of(*message(tensor(datatype, values.tolist(), [len(values)])))
    assert np.asarray(binary).dtype == dtype
    assert np.array_equal(binary, values)
    assert text == values.tolist()


@given(st.lists(st.binary(max_size=30), max_size=10).filter(any))
def test_bytes_come_out_of_binary_as_they_went_in(values: list[bytes]) -> None:
    raw = packed(values)
    request, (found,) = request_of(
        *message(tensor("BYTES", None, [len(values)], binary_data_size=len(raw)), tail=raw)
    )
    assert found == values
    assert request.inputs[0].shape == [len(values)]


def test_nested_data_is_read_rows_first() -> None:
    _, (flat,) = request_of(*message(tensor("INT64", [[1, 2], [3, 4], [5, 6]], [3, 2])))
    assert flat == [1, 2, 3, 4, 5, 6]


def test_two_tensors_share_the_binary_tail_in_their_order() -> None:
    first, second = packed(np.arange(3, dtype=np.int16)), packed(["é", ""])
    _, flats = request_of(
        *message(
            tensor("INT16", None, [3, 1], binary_data_size=len(first)),
            tensor("FP64", [0.5], [1]),
            tensor("BYTES", None, [2], binary_data_size=len(second)),
            tail=first + second,
        )
    )
    assert (list(flats[0]), flats[1], flats[2]) == ([0, 1, 2], [0.5], ["é".encode(), b""])


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (tensor("FP8", [1], [1]), "unknown"),
        (tensor("INT64", [1.5], [1]), "takes no float"),
        (tensor("INT64", [True], [1]), "takes no bool"),
        (tensor("UINT8", [256], [1]), "does not fit"),
        (tensor("UINT8", [-1], [1]), "does not fit"),
        (tensor("FP64", [10**400], [1]), "not"),
        (tensor("FP64", ["1"], [1]), "takes no str"),
        (tensor("BOOL", [1], [1]), "takes no int"),
        (tensor("BYTES", [1], [1]), "takes no int"),
        (tensor("BYTES", [{}], [1]), "takes no dict"),
        (tensor("INT64", [1, 2], [3]), "asks for 3"),
        (tensor("INT64", [1, 2], [10**30]), "asks for 10"),
        (tensor("INT64", [[1, 2], [3]], [2, 2]), "nested"),
        (tensor("INT64", [[1], 2], [2, 1]), "nested"),
        (tensor("INT64", [1], []), "no shape"),
        (tensor("INT64", [1], [-1]), "no shape"),
        (tensor("INT64", [1], [1] * 17), "no shape"),
        (tensor("INT64", None, [1]), "no data"),
        (tensor("INT64", "1", [1]), "no data"),
        (tensor("INT64", None, [1], binary_data_size=8), "0 bytes left"),
        (tensor("INT64", None, [1], binary_data_size="8"), "binary_data_size"),
    ],
)
def test_a_malformed_tensor_is_refused_in_a_sentence(tensors: dict[str, Any], says: str) -> None:
    with pytest.raises(PayloadError, match=says):
        request_of(*message(tensors))


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "says"),
    [
        ("INT64", [2], b"\0" * 8, "takes 16 bytes"),
        ("BOOL", [1], b"\2", "0 or 1"),
        ("BYTES", [1], b"\1\0\0", "within an element's length"),
        ("BYTES", [1], b"\5\0\0\0ab", "claims 5 bytes"),
        ("BYTES", [2], b"\1\0\0\0a", "has 1"),
        ("BYTES", [1], b"\0\0\0\0" * 9, "has 2"),
    ],
)
def test_malformed_binary_data_is_refused_in_a_sentence(
    datatype: str, shape: list[int], raw: bytes, says: str
) -> None:
    with pytest.raises(PayloadError, match=says):
        request_of(*message(tensor(datatype, None, shape, binary_data_size=len(raw)), tail=raw))


@pytest.mark.parametrize(
    ("body", "header_length", "says"),
    [
        (b"{}", None, "inputs"),
        (b"[]", None, "no V2 message"),
        (b'{"inputs": [' + b"[" * 5000, None, "no V2 message"),
        (b'{"inputs": []}tail', None, "not JSON"),
        (b'{"inputs": []}tail', 14, "belong to no tensor"),
        (b'{"inputs": []}', 15, "the body has 14"),
        (b'{"inputs": [], "id": 7}', None, "id"),
        (b'{"inputs": [{"name": "\xff"}]}', None, "not"),
    ],
)
def test_a_message_that_is_none_is_refused(body: bytes, header_length: int | None, says: str) -> None:
    with pytest.raises(PayloadError, match=says):
        request_of(body, header_length)


@given(st.binary(max_size=300), st.none() | st.integers(0, 300))
def test_whatever_comes_is_read_or_refused(body: bytes, header_length: int | None) -> None:
    with contextlib.suppress(PayloadError):
        request_of(body, header_length)


@given(st.data())
def test_a_sound_message_with_bytes_flipped_is_read_or_refused(data: st.DataObject) -> None:
    raw = packed(["ab", "c"]) + packed(np.arange(2.0))
    whole, header_length = message(
        tensor("BYTES", None, [2], binary_data_size=11),
        tensor("FP64", None, [2], binary_data_size=16),
        tail=raw,
    )
    body = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=6)):
        body[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PayloadError):
        request_of(bytes(body), header_length)
