"""Each target for a moment, with a fixed seed; `make fuzz` goes on for longer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guards.employment import gate as employment
from guards.taxi import gate as taxi
from tests.fuzzing.loop import CASES, TARGETS, cases, fuzz
from tests.fuzzing.targets import close
from wardline.errors import PayloadError

FEW = settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
RUNS = {"segment": 40, "sealed": 16, "picture": 60, "pixels": 60, "form": 60, "health": 60}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True, scope="module")
def _closed() -> Iterator[None]:
    yield
    close()


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_bytes_break_no_promise(name: str) -> None:
    found = fuzz(TARGETS[name], seed=11, runs=RUNS.get(name, 300))
    assert not found.failures, next(iter(found.failures.values()))


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_what_once_broke_a_promise_does_not_any_more(name: str) -> None:
    some = list(cases(name))
    assert some
    for data in some:
        TARGETS[name].run(data)


def _rows(contract: Any) -> st.SearchStrategy[Any]:
    """Rows that the published schema allows: each field from its own part of it, optional ones left out."""
    schema = contract.schema()
    parts = {name: _values(part, schema.get("$defs", {})) for name, part in schema["properties"].items()}
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )


def _values(schema: Any, parts: Any) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return _values(parts[schema["$ref"].rpartition("/")[2]], parts)
    if "anyOf" in schema:
        return st.one_of([_values(each, parts) for each in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    low, high = schema.get("minimum"), schema.get("maximum")
    kinds: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "integer": lambda: st.integers(low, high),
        "number": lambda: st.floats(low, high, allow_nan=False, allow_infinity=False),
        "boolean": st.booleans,
        "null": st.none,
        "string": lambda: (
            st.datetimes().map(lambda at: at.isoformat() + "Z")
            if schema.get("format") == "date-time"
            else st.text(min_size=schema.get("minLength", 0), max_size=schema.get("maxLength"))
        ),
    }
    return kinds[schema["type"]]()


@pytest.mark.parametrize("gate", [employment, taxi], ids=["employment", "taxi"])
@settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_a_row_of_the_published_schema_is_admitted_or_breaks_a_promise_by_name(gate: Any, data: Any) -> None:
    row = data.draw(_rows(gate.contract))
    try:
        admitted = gate.contract.admit(row, now=None)
    except PayloadError:
        pytest.fail("a row of the published schema is a row")
    for finding in admitted.rejects.get(0, ()):
        assert finding.reason.startswith("contract.")
        assert finding.expected
