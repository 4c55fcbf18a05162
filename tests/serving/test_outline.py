"""Depth and rows are told from the bytes, and are what a parser would have found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import EXAMPLE_PAIR, pair_gate
from tests.serving.server import serving
from wardline import ServingSettings, Settings
from wardline.errors import PayloadError, TooLargeError
from wardline.serving import app
from wardline.serving.outline import check

_TEXT = st.text(alphabet='[]{},"\\ab é', max_size=8)
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), _TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(_TEXT, inner, max_size=4)),
    max_leaves=25,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(_JSON, st.sampled_from([None, 1]), st.booleans())
def test_the_depth_is_that_of_the_parsed_value(value: Any, indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    found = depth(value)
    check(body, deepest=found, most=9)
    if found:
        with pytest.raises(PayloadError, match=f"nests {found} deep, the limit is {found - 1}"):
            check(body, deepest=found - 1, most=9)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(_JSON, min_size=1, max_size=12))
def test_the_rows_are_those_of_the_parsed_list(rows: list[Any]) -> None:
    for body, level in ((json.dumps({"rows": rows}), 2), (json.dumps(rows), 1)):
        check(body.encode(), deepest=99, most=len(rows), level=level)
        if len(rows) > 1:
            with pytest.raises(TooLargeError, match=f"^{len(rows)} rows"):
                check(body.encode(), deepest=99, most=len(rows) - 1, level=level)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    limits = ServingSettings(max_rows=50, max_depth=6)
    with serving(
        app(pair_gate().gate, Settings(home=tmp_path_factory.mktemp("home"), serving=limits))
    ) as found:
        yield found


@pytest.mark.parametrize("path", ["/predict", "/v2/models/pair/infer", "/labels"])
@pytest.mark.parametrize("body", [b"[" * 7, b'{"a":' * 7 + b"1" + b"}" * 7, b'{"rows": [' + b"[" * 5])
def test_what_nests_too_deep_is_a_400_that_says_so(client: Any, path: str, body: bytes) -> None:
    response = client.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"] == "the body nests 7 deep, the limit is 6"
    assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 200


@pytest.mark.parametrize("rows", [[0] * 51, [EXAMPLE_PAIR] * 51])
def test_too_many_rows_are_a_413_before_they_are_parsed(client: Any, rows: Any) -> None:
    cut = json.dumps({"rows": rows}).encode()[:-2]  # a parser would find that it does not end
    response = client.post("/predict", content=cut, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert "51 rows in one request, the limit is 50" in response.json()["error"]


def test_fifty_rows_are_answered(client: Any) -> None:
    assert client.post("/predict", json={"rows": [EXAMPLE_PAIR] * 50}).status_code == 200
