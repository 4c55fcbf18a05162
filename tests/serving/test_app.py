"""The HTTP surface over a real socket: the table of statuses, headers, problems and probes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.examples import EXAMPLE_PAIR, Limit, Opened, doubling, pair_gate
from tests.serving.server import serving
from wardline import Chain, Python, Rule, ServingSettings, Settings
from wardline.serving import app

GOOD = {"a": 1.0, "b": 2.0}


@pytest.fixture(scope="module")
def opened() -> Opened:
    return pair_gate([Limit(10, 20)])


@pytest.fixture(scope="module")
def client(opened: Opened, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), serving=ServingSettings(max_rows=50))
    with serving(app(opened.gate, settings)) as client:
        yield client


def test_a_row_gets_its_verdict(client: httpx.Client) -> None:
    response = client.post("/predict", json=GOOD)
    body = response.json()
    assert response.status_code == 200
    assert (body["action"], body["prediction"], body["served_by"]) == ("serve", 6.0, "model")
    assert response.headers["x-wardline-action"] == "serve"
    assert response.headers["x-request-id"] == body["request_id"]


def test_a_warning_and_a_block_are_answers_too(client: httpx.Client) -> None:
    flagged = client.post("/predict", json={"a": 15.0, "b": 0.0})
    assert (flagged.status_code, flagged.json()["action"]) == (200, "flag")
    assert flagged.json()["findings"][0] == {
        "guard": "limit", "stage": "input", "severity": "warn", "reason": "limit.over", "subject": "a",
        "observed": None, "expected": "", "score": 15.0, "threshold": 10.0,
    }  # fmt: skip
    abstained = client.post("/predict", json={"a": 25.0, "b": 0.0})
    assert (abstained.status_code, abstained.json()["action"]) == (200, "abstain")


def test_a_broken_contract_is_a_422_that_names_the_field(client: httpx.Client) -> None:
    response = client.post("/predict", json={"a": 1000, "b": "x"})
    body = response.json()
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-wardline-action"] == "reject"
    assert [finding["subject"] for finding in body["findings"]] == ["a", "b"]
    assert "a is 1000 (number, at least -100, at most 100)" in body["error"]


def test_in_a_batch_only_the_broken_row_is_rejected(client: httpx.Client) -> None:
    response = client.post("/predict", json={"rows": [GOOD, {"a": None, "b": 1.0}, GOOD]})
    body = response.json()
    assert response.status_code == 200
    assert [verdict["action"] for verdict in body["verdicts"]] == ["serve", "reject", "serve"]
    assert body["verdicts"][2]["request_id"] == f"{body['request_id']}-2"
    assert response.headers["x-wardline-action"] == "reject"


@pytest.mark.parametrize(
    ("body", "kind", "status", "says"),
    [
        (b"", "application/json", 400, "empty"),
        (b"   ", "application/json", 400, "empty"),
        (b"{", "application/json", 400, "not JSON"),
        (b"\xff\xfe\x00", "application/json", 400, "not JSON"),
        (b"[" * 100_000, "application/json", 400, "nests 100000 deep, the limit is 32"),
        (b'{"a": ' + b"9" * 1_000_000 + b', "b": 1}', "application/json", 400, "not JSON"),
        (b'{"a": NaN, "b": 1}', "application/json", 422, "a is nan"),
        (b'{"a": Infinity, "b": 1}', "application/json", 422, "a is inf"),
        (b'{"a": null, "b": 1}', "application/json", 422, "a is null"),
        (b'{"a": 1, "b": 1, "c": 1}', "application/json", 422, "c is 1"),
        (b"[1]", "application/json", 422, "row is"),
        (b'{"a": 1, "b": 1}', "text/plain", 400, "text/plain"),
        (b'{"a": 1, "b": 1}', "application/x-www-form-urlencoded", 400, "not JSON"),
        (json.dumps({"rows": [GOOD] * 51}).encode(), "application/json", 413, "51 rows"),
        (b" " * 9_000_000, "application/json", 413, "limit"),
    ],
)
def test_bad_input_gets_its_status_and_a_sentence(
    client: httpx.Client, body: bytes, kind: str, status: int, says: str
) -> None:
    response = client.post("/predict", content=body, headers={"content-type": kind})
    assert response.status_code == status
    assert says in response.json()["error"]
    assert response.json()["status"] == status
    assert "Traceback" not in response.text
    assert client.post("/predict", json=GOOD).status_code == 200


def test_a_body_that_lies_about_its_length_is_stopped_while_it_streams(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1_000_000

    try:
        response = client.post("/predict", content=endless(), headers={"content-type": "application/json"})
    except httpx.TransportError:
        pass  # the server answered and hung up before all of it was sent
    else:
        assert response.status_code == 413
    assert client.post("/predict", json=GOOD).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/predict", 405), ("POST", "/livez", 405), ("GET", "/livez", 200),
     ("GET", "/readyz", 200), ("GET", "/schema.json", 200), ("GET", "/metrics", 200)],
)  # fmt: skip
def test_every_response_carries_its_ids(client: httpx.Client, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", response.headers["traceparent"])
    assert response.headers["x-request-id"]
    assert response.headers["x-wardline-action"] == "none"
    if status >= 400:
        assert response.json()["error"]
        assert response.json()["request_id"] == response.headers["x-request-id"]


def test_the_callers_trace_and_request_id_are_taken_over(client: httpx.Client, opened: Opened) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = client.post(
        "/predict",
        json=GOOD,
        headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "x-request-id": "order-17"},
    )
    assert response.headers["traceparent"].split("-")[1] == trace
    assert response.headers["traceparent"].endswith("-01")
    assert (response.json()["request_id"], response.json()["trace_id"]) == ("order-17", trace)
    assert opened.sink.records[-1].request_id == "order-17"


@pytest.mark.parametrize("given", ["x" * 65, "two words", "a;b", "é"])
def test_an_id_that_is_no_plain_token_is_replaced(client: httpx.Client, given: str) -> None:
    response = client.post("/predict", json=GOOD, headers=[(b"x-request-id", given.encode("utf-8"))])
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])


def test_the_schema_is_published_with_an_example_that_is_accepted(client: httpx.Client) -> None:
    schema = client.get("/schema.json").json()
    assert client.post("/predict", json=schema["examples"][0]).status_code == 200


def test_metrics_count_rows_findings_responses_and_stages(client: httpx.Client) -> None:
    def value(name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    flagged = 'wardline_rows_total{action="flag",gate="pair"}'
    found = 'wardline_findings_total{gate="pair",guard="limit",reason="limit.over",severity="warn"}'
    before = value(flagged), value(found)
    client.post("/predict", json={"a": 15.0, "b": 0.0})
    assert (value(flagged), value(found)) == (before[0] + 1, before[1] + 1)
    assert value('wardline_rows_total{action="fallback",gate="pair"}') == 0.0
    assert 'wardline_rows_total{action="fallback"' in client.get("/metrics").text
    assert value('wardline_stage_seconds_count{gate="pair",stage="chain"}') > 0


def test_metrics_do_not_grow_with_hostile_paths(client: httpx.Client) -> None:
    before = len(client.get("/metrics").text)
    for place in range(50):
        client.get(f"/random/{place}")
    assert len(client.get("/metrics").text) < before + 200


def test_a_gate_that_cannot_open_is_alive_and_not_ready(tmp_path: Path) -> None:
    from tests.examples import declared_pair

    def broken() -> Any:
        raise RuntimeError("no weights on this disk")

    gate = declared_pair(Chain(Python(lambda: lambda _: broken(), name="model")))
    with serving(app(gate, Settings(home=tmp_path))) as client:
        assert client.get("/livez").status_code == 200
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "model does not answer" in ready.json()["problems"][0]
        answer = client.post("/predict", json=GOOD)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"


def test_a_deadline_with_no_rung_left_is_a_504(tmp_path: Path) -> None:
    release = threading.Event()

    def slow(matrix: Any) -> Any:
        if matrix[0, 0] > 5:
            release.wait(300)
        return matrix[:, 0]

    opened = pair_gate(chain=Chain(Python(lambda: slow, name="model", deadline_ms=30)))
    with serving(app(opened.gate, Settings(home=tmp_path))) as client:
        response = client.post("/predict", json={"a": 6.0, "b": 0.0})
        release.set()
    assert response.status_code == 504
    assert response.json()["findings"][0]["reason"] == "chain.deadline"
    assert response.headers["x-wardline-action"] == "abstain"


def test_more_requests_than_the_limit_are_refused_at_once(tmp_path: Path) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(matrix: Any) -> Any:
        if matrix[0, 0] > 5:
            entered.set()
            release.wait(300)
        return matrix[:, 0]

    opened = pair_gate(chain=Chain(Python(lambda: slow, name="model")))  # no deadline: runs in a thread
    settings = Settings(home=tmp_path, serving=ServingSettings(max_in_flight=1))
    with serving(app(opened.gate, settings)) as client:
        first = threading.Thread(target=lambda: client.post("/predict", json={"a": 6.0, "b": 0.0}))
        first.start()
        assert entered.wait(120)
        refused = client.post("/predict", json=GOOD)
        alive = client.get("/livez")
        release.set()
        first.join()
        assert client.post("/predict", json=GOOD).status_code == 200
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert alive.status_code == 200


def test_a_fault_of_ours_is_a_500_without_a_traceback_and_the_next_request_is_served(tmp_path: Path) -> None:
    class BrokenSink:
        def append(self, records: Any) -> bool:
            if records.actions[0] and not records.batch:
                raise RuntimeError("secret inner detail")
            return True

    from tests.examples import declared_pair

    gate = declared_pair(Chain(Python(lambda: doubling, name="model"), Rule(lambda row: -1.0)))
    gate.open(Settings(), sink=BrokenSink())
    with serving(app(gate, Settings(home=tmp_path))) as client:
        response = client.post("/predict", json={"a": 60.0, "b": 0.0})
        assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 200
    assert response.status_code == 500
    assert "secret" not in response.text
    assert response.json()["request_id"] == response.headers["x-request-id"]
