"""What is refused before the path keeps its trace too: whoever asks why finds the sentence."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import persons
from tests.examples import EXAMPLE_PAIR, declared_pair, doubling
from tests.serving.server import serving
from tests.serving.test_admission import Slow
from tests.waiting import until
from wardline import Chain, Python, Rule, Settings
from wardline.gate import Gate
from wardline.keys import KeySettings
from wardline.serving import app
from wardline.settings import LogSettings, ServingSettings, TraceSettings
from wardline.tracing.read import Wanted, traces
from wardline.tracing.trace import Trace

QUIET = TraceSettings(sample=0, slowest=0)


def gate() -> Gate:
    return declared_pair(Chain(Python(lambda: doubling, name="model"), Rule(lambda row: -1.0)))


@contextmanager
def served(home: Path, gated: Gate | None = None, **settings: Any) -> Iterator[tuple[httpx.Client, Any]]:
    gated = gated or gate()
    given = {"traces": QUIET, **settings}
    with serving(app(gated, Settings(home=home, **given))) as client:
        yield client, gated


def told(home: Path, gated: Gate, count: int = 1, **wanted: Any) -> list[Trace]:
    tracer = gated.open().tracer
    assert tracer is not None

    def found() -> list[Trace]:
        tracer.flush()
        return list(traces(home / gated.name / "traces", Wanted(**wanted)))

    return until(lambda: kept if len(kept := found()) >= count else [])


@pytest.mark.parametrize(
    ("request_", "status", "action"),
    [
        ({"content": b"{"}, 400, "reject"),
        ({"content": b""}, 400, "reject"),
        ({"content": b" " * 2_000_000}, 413, "reject"),
        ({"json": {"rows": [EXAMPLE_PAIR] * 9}}, 413, "reject"),
        ({"json": EXAMPLE_PAIR, "headers": {"x-request-timeout-ms": "soon"}}, 400, "reject"),
    ],
)
def test_a_refused_request_keeps_its_trace_with_why(
    tmp_path: Path, request_: dict[str, Any], status: int, action: str
) -> None:
    limits = ServingSettings(max_body_mb=1.0, max_rows=8)
    parent = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}
    with served(tmp_path, serving=limits) as (client, gated):
        request_ = {**request_, "headers": {**request_.get("headers", {}), **parent, "x-request-id": "me"}}
        response = client.post("/predict", **request_)
        assert response.status_code == status
        (trace,) = told(tmp_path, gated)
    given = trace.root.attributes
    assert given["wardline.refused"] == response.json()["error"]
    assert given["wardline.action"] == action == response.headers["x-wardline-action"]
    assert given["wardline.request_id"] == "me"
    assert given["wardline.kept_because"] == "refused"
    assert given["http.response.status_code"] == status
    assert given["http.route"] == "/predict"
    assert trace.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert trace.root.parent_id == "00f067aa0ba902b7"
    assert trace.root.span_id == response.headers["traceparent"].split("-")[2]
    assert trace.root.end >= trace.root.start


def test_v2_tells_the_same(tmp_path: Path) -> None:
    with served(tmp_path) as (client, gated):
        client.post("/v2/models/pair/infer", json={"inputs": 3})
        client.post("/v2/models/other/infer", json={})
        found = told(tmp_path, gated, 2)
    assert {each.root.attributes["http.response.status_code"] for each in found} == {400, 404}
    assert all(
        "{name}" in str(each.root.attributes["http.route"]) for each in found
    )  # no name a caller made up


def test_a_busy_server_says_so(tmp_path: Path) -> None:
    model = Slow()
    gated = declared_pair(Chain(Python(lambda: model, name="model")))
    with served(tmp_path, gated, serving=ServingSettings(max_in_flight=1)) as (client, _):
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.post, "/predict", json={"a": 6.0, "b": 0.0})
            assert model.entered.acquire(timeout=120)
            assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 429
            model.release.set()
            assert waiting.result().status_code == 200
        (trace,) = told(tmp_path, gated)
    assert trace.root.attributes["http.response.status_code"] == 429
    assert trace.root.attributes["wardline.action"] == "none"
    assert not trace.root.error  # it is no fault of ours


def test_a_log_that_keeps_nothing_is_a_fault_of_ours(tmp_path: Path) -> None:
    with served(tmp_path, log=LogSettings(ack="durable")) as (client, gated):
        client.post("/predict", json=EXAMPLE_PAIR)
        gated.open().sink.close()  # type: ignore[attr-defined] # the log's own: no record is kept from here
        assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 503
        (trace,) = told(tmp_path, gated)
    assert trace.root.attributes["http.response.status_code"] == 503
    assert trace.root.error == trace.root.attributes["error.type"] == "503"


def test_who_has_no_key_is_told_of(tmp_path: Path) -> None:
    import hashlib

    keys = KeySettings(predict=(hashlib.sha256(b"key").digest(),))
    with served(tmp_path, keys=keys) as (client, gated):
        assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 401
        assert client.post("/predict", json=EXAMPLE_PAIR, headers={"x-api-key": "key"}).status_code == 200
        (trace,) = told(tmp_path, gated)
    assert trace.root.attributes["wardline.action"] == "none"


def test_a_storm_of_refusals_is_bounded_and_counted(tmp_path: Path) -> None:
    few = TraceSettings(sample=0, slowest=0, burst=5, per_minute=1)
    with served(tmp_path, traces=few) as (client, gated):
        for _ in range(40):
            client.post("/predict", content=b"{")
        found = told(tmp_path, gated, 5)
        stats = gated.open().tracer.stats()  # type: ignore[union-attr] # a served gate has one
        page = client.get("/metrics").text
    assert len(found) == 5
    assert stats.limited == 35
    assert 'wardline_traces_total{gate="pair",what="limited"} 35.0' in page


def test_a_fault_that_left_a_record_is_told_once(tmp_path: Path) -> None:
    class Breaking:
        name = "breaking"

    with served(tmp_path) as (client, gated):
        opened = gated.open()
        opened.chain.answer = Breaking()  # type: ignore[assignment,method-assign] # not even callable
        assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 500
        found = told(tmp_path, gated)
    assert len(found) == 1
    assert found[0].root.attributes["wardline.action"] == "abstain"
    assert found[0].root.error == "TypeError"


def test_a_sentence_that_may_quote_a_person_is_withheld(tmp_path: Path) -> None:
    gated = persons.declared()
    with served(tmp_path, gated, keys=persons.KEYS) as (client, _):
        client.post("/predict", content=b'{"name": "Lovelace", }')
        (trace,) = told(tmp_path, gated)
    assert trace.root.attributes["wardline.refused"] == "[personal]"


def test_a_refusal_is_listed_by_its_action(tmp_path: Path) -> None:
    with served(tmp_path, serving=ServingSettings(max_in_flight=64)) as (client, gated):
        client.post("/v2/models/other/infer", json={})
        (trace,) = told(tmp_path, gated, actions=("none",))
        page = client.get("/ui/traces?action=none").text
        assert "there is no model" in page
        assert "Refused before any of it was judged" in client.get(f"/ui/traces/{trace.trace_id}").text
