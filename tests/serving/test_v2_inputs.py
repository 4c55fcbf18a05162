"""Whichever way rows travel, the gate says the same of them: /predict, columns, matrix, JSON, binary."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.frames import jpeg, scene, shot
from wardline import Field, Row, Tabular
from wardline.camera import Frame, Frames
from wardline.errors import PayloadError
from wardline.serving.v2_inputs import Inputs
from wardline.tensors import Tensor

ABOVE = 20  # rows from which whole columns are validated


class Plain(Row):
    x: Annotated[float, Field(ge=-5, le=5)]
    n: Annotated[int, Field(ge=0, le=9)]
    flag: bool
    code: Literal[1, 2]
    maybe: float | None


EXAMPLE = {"x": 1.0, "n": 1, "flag": True, "code": 1, "maybe": None}
INPUTS = Inputs.of(Tabular(Plain, examples=[EXAMPLE]))

numbers = st.floats(-6, 6) | st.just(float("nan")) | st.just(float("inf"))
rows = st.lists(
    st.fixed_dictionaries(
        {
            "x": st.floats(-6, 6),
            "n": st.integers(-1, 10),
            "flag": st.booleans(),
            "code": st.integers(0, 3),
            "maybe": st.none() | st.floats(-1e6, 1e6),
        }
    ),
    min_size=1,
    max_size=ABOVE,
)


def said(admitted: Any) -> tuple[Any, ...]:
    fields = [{name: getattr(row, name) for name in EXAMPLE} for row in admitted.rows]
    reasons = {
        place: sorted((each.reason, each.subject) for each in findings)
        for place, findings in admitted.rejects.items()
    }
    return fields, admitted.positions.tolist(), reasons


def columns(payload: list[dict[str, Any]]) -> tuple[list[Tensor], list[Any]]:
    kinds = {"x": "FP64", "n": "INT64", "flag": "BOOL", "code": "INT64", "maybe": "FP64"}
    tensors = [Tensor(name, [len(payload)], kind) for name, kind in kinds.items()]
    return tensors, [[row[name] for row in payload] for name in kinds]


@given(rows)
def test_columns_of_json_are_judged_as_rows_are(payload: list[dict[str, Any]]) -> None:
    tensors, flats = columns(payload)
    admitted = INPUTS.admission(tensors, flats, 100)(0.0)
    assert said(admitted) == said(INPUTS.contract.admit_rows(payload))
    assert admitted.batch == (len(payload) > 1)


@given(rows)
def test_binary_columns_and_a_matrix_are_judged_as_rows_are(payload: list[dict[str, Any]]) -> None:
    tensors, flats = columns(payload)
    arrays: list[NDArray[Any]] = [
        np.array(
            [np.nan if value is None else value for value in flat], "f8" if t.datatype == "FP64" else None
        )
        for t, flat in zip(tensors, flats, strict=True)
    ]
    expected = said(INPUTS.contract.admit_rows(payload))
    assert said(INPUTS.admission(tensors, arrays, 100)(0.0)) == expected
    matrix = np.stack(arrays, axis=1).astype(np.float64)
    tensor = Tensor("rows", list(matrix.shape), "FP64")
    assert said(INPUTS.admission([tensor], [matrix.ravel()], 100)(0.0)) == expected


@pytest.mark.parametrize(
    ("column", "value"),
    [("n", 1.5), ("n", np.nan), ("flag", 0.5), ("x", np.inf), ("x", np.nan), ("code", 1e300)],
)
@pytest.mark.parametrize("count", [1, 5, ABOVE])
def test_a_number_of_a_matrix_that_its_field_cannot_be_breaks_its_row_only(
    column: str, value: float, count: int
) -> None:
    matrix = np.tile(np.array([1.0, 1.0, 1.0, 1.0, np.nan]), (count, 1))
    matrix[count // 2, list(EXAMPLE).index(column)] = value
    tensor = Tensor("rows", list(matrix.shape), "FP64")
    admitted = INPUTS.admission([tensor], [matrix.ravel()], 100)(0.0)
    assert {place: each[0].subject for place, each in admitted.rejects.items()} == {count // 2: column}
    assert len(admitted.rows) == count - 1


@given(st.permutations(range(5)), st.sampled_from([2, ABOVE]))
def test_the_order_of_tensors_says_nothing(order: list[int], count: int) -> None:
    tensors, flats = columns([EXAMPLE] * count)
    mixed = [tensors[i] for i in order], [flats[i] for i in order]
    assert said(INPUTS.admission(*mixed, 100)(0.0)) == said(INPUTS.admission(tensors, flats, 100)(0.0))


def test_integers_of_every_width_and_half_floats_are_widened() -> None:
    tensors, flats = columns([{**EXAMPLE, "maybe": 2.0}] * ABOVE)
    for x, n in itertools.product(("FP16", "FP32", "INT8"), ("INT8", "UINT16", "UINT64")):
        kinds = {"FP16": "f2", "FP32": "f4", "INT8": "i1", "UINT16": "u2", "UINT64": "u8"}
        arrays: list[Any] = [np.array(flat) for flat in flats]
        arrays[0], arrays[1] = arrays[0].astype(kinds[x]), arrays[1].astype(kinds[n])
        tensors[0].datatype, tensors[1].datatype = x, n
        admitted = INPUTS.admission(tensors, arrays, 100)(0.0)
        assert not admitted.rejects
        assert admitted.columns["x"].dtype in (np.float64, np.int64)


def test_pictures_are_bytes_and_not_text() -> None:
    inputs = Inputs.of(Frames(Frame, examples=[{"camera": "a1", "firmware": "1"}]))
    assert [each["datatype"] for each in inputs.metadata()] == ["BYTES"] * 3
    tensors = [Tensor(name, [2], "BYTES") for name in ("picture", "camera", "firmware")]
    picture = jpeg(shot(scene()))
    admitted = inputs.admission(tensors, [[picture, b"\xff\xd8 no"], [b"a1", b"a2"], [b"1", b"1"]], 10)(0.0)
    assert (admitted.rows[0].camera, admitted.rows[0].picture) == ("a1", picture)
    assert admitted.rejects[1][0].subject == "picture"
    matrix = Tensor("rows", [1, 3], "BYTES")
    with pytest.raises(PayloadError, match="no input 'rows'"):
        inputs.admission([matrix], [[b"", b"", b""]], 10)
