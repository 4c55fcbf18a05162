"""The contract names every broken field, in one pass, with what was seen and what was expected."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import NOON, TRIP, Pair, Trip
from wardline import Field, Row, Tabular, rule
from wardline.errors import DeclarationError, PayloadError

TRIPS = Tabular(Trip, examples=[TRIP])
PAIRS = Tabular(Pair, examples=[{"a": 1.0, "b": 2.0}])


def reasons(contract: Tabular, payload: Any, now: float | None = NOON) -> dict[str, str]:
    return {f.subject: f.reason for f in contract.admit(payload, now).rejects.get(0, ())}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, {}),
        ({"miles": 3}, {}),
        ({"miles": "3"}, {"miles": "contract.type"}),
        ({"miles": True}, {"miles": "contract.type"}),
        ({"miles": None}, {"miles": "contract.null"}),
        ({"miles": -1}, {"miles": "contract.range"}),
        ({"miles": 1e999}, {"miles": "contract.not_finite"}),
        ({"seats": 1.5}, {"seats": "contract.type"}),
        ({"seats": 10}, {"seats": "contract.range"}),
        ({"flag": "maybe"}, {"flag": "contract.category"}),
        ({"flag": None}, {}),
        ({"surprise": 1}, {"surprise": "contract.unknown_field"}),
        ({"at": "2018-07-01T12:00:00"}, {"at": "contract.time_zone"}),
        ({"at": "yesterday"}, {"at": "contract.type"}),
        ({"at": 1530446400}, {"at": "contract.type"}),
        ({"at": "2018-07-01T10:59:59Z"}, {"at": "contract.stale"}),
        ({"at": "2018-07-01T12:01:01Z"}, {"at": "contract.future"}),
        ({"at": "2018-07-01T08:00:00-04:00"}, {}),
        ({"seats": 9, "miles": 150}, {"miles,seats": "contract.rule"}),
        (
            {"miles": -1, "seats": "two", "flag": "x", "surprise": 1, "at": "2018-07-01T00:00:00Z"},
            {
                "miles": "contract.range",
                "seats": "contract.type",
                "flag": "contract.category",
                "surprise": "contract.unknown_field",
                "at": "contract.stale",
            },
        ),
        (
            {"flag": "x", "seats": 9, "miles": 150},
            {"flag": "contract.category", "miles,seats": "contract.rule"},
        ),
    ],
)
@pytest.mark.parametrize("wire", [True, False], ids=["json", "dict"])
def test_each_broken_field_has_its_reason(change: dict[str, Any], broken: dict[str, str], wire: bool) -> None:
    payload = {**TRIP, **change}
    assert reasons(TRIPS, json.dumps(payload).encode() if wire else payload) == broken


def test_a_missing_field_is_named_with_what_was_expected() -> None:
    (finding,) = TRIPS.admit(b'{"at": "2018-07-01T12:00:00Z"}', NOON).rejects[0]
    assert (finding.reason, finding.subject) == ("contract.missing", "miles")
    assert (finding.observed, finding.expected) == ("nothing", "number, above 0, at most 200, in mile")


def test_a_long_broken_value_is_not_repeated_whole() -> None:
    (finding,) = TRIPS.admit({**TRIP, "flag": "x" * 10_000}, NOON).rejects[0]
    assert len(str(finding.observed)) <= 80


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"3", b"null"])
def test_json_that_is_not_an_object_is_a_broken_contract(body: bytes) -> None:
    assert reasons(TRIPS, body) == {"row": "contract.type"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"not json", b"\xff\xfe", b"[" * 100_000, b'{"a": ' + b"9" * 1_000_000 + b"}",
     b'{"rows": [1, 2', b'{"rows": 3}', b'{"rows": [], "more": 1}'],
)  # fmt: skip
def test_a_body_that_is_not_json_cannot_be_read(body: bytes) -> None:
    with pytest.raises(PayloadError):
        PAIRS.admit(body)


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
def test_tokens_that_json_does_not_have_break_the_field_alone(token: str) -> None:
    assert reasons(PAIRS, f'{{"a": {token}, "b": 1}}'.encode()) == {"a": "contract.not_finite"}


@pytest.mark.parametrize("wire", [True, False], ids=["json", "list"])
def test_a_broken_row_of_a_batch_is_refused_alone(wire: bool) -> None:
    rows: list[Any] = [{"a": 1.0, "b": 2.0}, {"a": "x", "b": 2.0}, 5, None, {"a": 3.0, "b": 4.0}]
    admitted = PAIRS.admit(json.dumps({"rows": rows}).encode()) if wire else PAIRS.admit_rows(rows)
    assert admitted.positions.tolist() == [0, 4]
    assert [row.a for row in admitted.rows] == [1.0, 3.0]
    assert sorted(admitted.rejects) == [1, 2, 3]


def test_nan_may_be_declared() -> None:
    class Loose(Row):
        x: Annotated[float, Field(allow_inf_nan=True)]

    assert not Tabular(Loose, examples=[{"x": 1.0}]).admit(b'{"x": NaN}').rejects


@pytest.mark.parametrize(("unknown", "seen"), [("ignore", {}), ("record", {0: ("p", "q")})])
def test_unknown_fields_may_be_ignored_or_recorded(unknown: Any, seen: dict[int, Any]) -> None:
    class Open(Row, unknown=unknown):
        x: float

    admitted = Tabular(Open, examples=[{"x": 1.0}]).admit(b'{"x": 1.0, "q": 1, "p": 2}')
    assert not admitted.rejects
    assert admitted.unknown == seen


def test_types_that_are_text_on_the_wire_are_read_in_process_too() -> None:
    class Order(Row):
        id: UUID

    contract = Tabular(Order, examples=[{"id": "8d3f8c54-3f3b-4b53-8a86-6b2a3c6c4a10"}])
    assert not contract.admit({"id": "8d3f8c54-3f3b-4b53-8a86-6b2a3c6c4a10"}).rejects
    assert reasons(contract, {"id": "no"}) == {"id": "contract.type"}


def test_the_schema_is_json_schema_with_valid_examples_units_and_rules() -> None:
    import jsonschema

    schema = json.loads(json.dumps(TRIPS.schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    for example in schema["examples"]:
        jsonschema.validate(example, schema)
    assert schema["properties"]["miles"]["unit"] == "mile"
    assert schema["x-rules"][0]["says"] == "a full car does not go 100 miles"


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Tabular(Pair, examples=[]),
        lambda: Tabular(Pair, examples=[{"a": 1.0}]),
        lambda: Tabular(type("Bad", (Row,), {"__annotations__": {"rows": int}, "__module__": __name__}),
                        examples=[{"rows": 1}]),
    ],
)  # fmt: skip
def test_a_contract_that_cannot_work_is_refused_when_declared(declare: Any) -> None:
    with pytest.raises(DeclarationError):
        declare()


def test_a_rule_over_fields_that_do_not_exist_is_refused() -> None:
    class Off(Row):
        x: float

        @rule("y", says="no such field")
        def broken(self) -> bool:
            return True

    with pytest.raises(DeclarationError, match="y"):
        Tabular(Off, examples=[{"x": 1.0}])


def test_the_hash_moves_with_a_limit_and_with_a_rule() -> None:
    class Other(Row):
        a: Annotated[float, Field(ge=-100, le=101)]
        b: Annotated[float, Field(ge=-100, le=100)]

    assert Tabular(Other, examples=[{"a": 1.0, "b": 2.0}]).hash != PAIRS.hash
    assert Tabular(Pair, examples=[{"a": 1.0, "b": 2.0}]).hash == PAIRS.hash


class Wide(Row):
    x: Annotated[float, Field(ge=0, lt=10)]
    n: Annotated[int, Field(gt=-3)]
    kind: Literal[1, 2, 5]
    maybe: Annotated[float | None, Field(le=1)]
    yes: bool

    @rule("x", "n", says="x is not n")
    def apart(self) -> bool:
        return self.x != self.n


WIDE = Tabular(Wide, examples=[{"x": 1.5, "n": 1, "kind": 1, "maybe": None, "yes": True}])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "x": st.floats(-1, 11) | st.sampled_from([float("nan"), float("inf"), 1.0]),
                "n": st.integers(-5, 5),
                "kind": st.integers(0, 6),
                "maybe": st.floats(-1, 2) | st.just(float("nan")),
                "yes": st.booleans(),
            }
        ),
        min_size=1,
        max_size=8,
    )
)
def test_columns_are_judged_exactly_as_rows_are(rows: list[dict[str, Any]]) -> None:
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    by_column = WIDE.admit_columns(columns)
    by_row = WIDE.admit_rows([{**r, "maybe": None if r["maybe"] != r["maybe"] else r["maybe"]} for r in rows])
    assert by_column.positions.tolist() == by_row.positions.tolist()
    assert [row.model_dump() for row in by_column.rows] == [row.model_dump() for row in by_row.rows]
    assert {k: [f.subject for f in v] for k, v in by_column.rejects.items()} == {
        k: [f.subject for f in v] for k, v in by_row.rejects.items()
    }


def test_columns_of_a_contract_with_stamps_fall_back_to_rows() -> None:
    at = np.array(["2018-07-01T12:00:00", "2018-07-01T09:00:00"], dtype="datetime64[s]")
    admitted = TRIPS.admit_columns({"miles": np.array([1.0, 2.0]), "at": at}, NOON)
    assert admitted.positions.tolist() == [0]
    assert admitted.rejects[1][0].reason == "contract.stale"


def test_a_row_of_a_file_is_adopted_as_a_caller_would_send_it() -> None:
    record = {
        "miles": np.float64(2.0),
        "at": datetime(2018, 7, 1, 8),
        "seats": 2.0,
        "flag": float("nan"),
        "x": 1,
    }
    adopted = TRIPS.adopt(record)
    assert adopted["seats"] == 2
    assert isinstance(adopted["seats"], int)
    assert adopted["flag"] is None
    assert adopted["at"].astimezone(UTC).hour == 12
    assert "x" not in adopted
    assert not TRIPS.admit(adopted, NOON).rejects


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_crash_the_contract(body: bytes) -> None:
    try:
        admitted = PAIRS.admit(body)
    except PayloadError:
        return
    assert admitted.count == len(admitted.positions) + len(admitted.rejects)
