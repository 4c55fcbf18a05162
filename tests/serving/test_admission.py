"""Limits over real sockets: slots, deadlines, leavers, slow and greedy callers, and the drain."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from guards.taxi import gate as taxi
from tests.examples import EXAMPLE_PAIR, Opened, pair_gate
from tests.serving.processes import started, until
from tests.serving.server import serving
from wardline import Chain, Python, Rule, ServingSettings, Settings
from wardline.log import read
from wardline.serving import app
from wardline.verdict import Risk

HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
QUICK = ServingSettings(head_s=0.3, body_s=0.3, max_headers=20, max_head_kb=4)


class Slow:
    """A model that says when it was entered, and answers `a` once it is released."""

    def __init__(self) -> None:
        self.entered, self.release = threading.Semaphore(0), threading.Event()

    def __call__(self, matrix: Any) -> Any:
        if matrix[0, 0] > 5:
            self.entered.release()
            self.release.wait(300)
        return matrix[:, 0]


@contextmanager
def slow_server(tmp_path: Path, *rungs: Any, risk: Risk = Risk.CLOSED, **limits: Any) -> Iterator[Any]:
    model = Slow()
    opened = pair_gate(chain=Chain(Python(lambda: model, name="model"), *rungs), risk=risk)
    settings = Settings(home=tmp_path, serving=ServingSettings(**limits))
    with serving(app(opened.gate, settings), limits=settings.serving) as client:
        try:
            yield client, model, opened
        finally:
            model.release.set()


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    opened = pair_gate()
    settings = Settings(home=tmp_path_factory.mktemp("home"), serving=QUICK)
    with serving(app(opened.gate, settings), limits=QUICK) as client:
        yield client


def talk(client: httpx.Client, *parts: bytes) -> bytes:
    """Send raw bytes, and read until the server hangs up."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=120) as line:
        for part in parts:
            line.sendall(part)
        answer = b""
        while chunk := line.recv(65536):
            answer += chunk
        return answer


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        (b"POST /predict HT", 408, b"the head was not whole"),
        (HEAD + b"content-length: 100\r\n\r\n{", 408, b"the body was not whole"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n", 408, b"the body was not whole"),
        (HEAD + b"x: y\r\n" * 30 + b"\r\n", 431, b"20 headers"),
        (HEAD + b"x: " + b"y" * 5000 + b"\r\n\r\n", 431, b"4 KiB"),
        (b"GET /" + b"a" * 5000, 431, b"4 KiB"),
    ],
)
def test_who_is_slow_or_sends_too_much_of_a_head_is_told_and_hung_up_on(
    quick: httpx.Client, sent: bytes, status: int, says: bytes
) -> None:
    answer = talk(quick, sent)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert says in answer
    assert re.search(rb"x-request-id: [0-9a-f]{32}\r\n", answer)
    assert b"connection: close" in answer
    until(lambda: quick.post("/predict", json=EXAMPLE_PAIR).status_code == 200)


def test_who_connects_and_says_nothing_is_hung_up_on(quick: httpx.Client) -> None:
    assert talk(quick) == b""


def test_a_body_that_nobody_reads_does_not_hold_the_connection(quick: httpx.Client) -> None:
    answer = talk(quick, b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 404")


def test_more_connections_than_may_be_are_refused_and_those_there_are_served(tmp_path: Path) -> None:
    limits = ServingSettings(max_connections=12)
    with serving(app(pair_gate().gate, Settings(home=tmp_path, serving=limits)), limits=limits) as client:
        assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 200
        where = (client.base_url.host, client.base_url.port or 80)
        crowd = [socket.create_connection(where) for _ in range(limits.max_connections)]
        refused = crowd[-1].recv(4096)
        assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 200
        for each in crowd:
            each.close()
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in refused
        until(lambda: httpx.get(f"{client.base_url}/livez", timeout=60).status_code == 200)


def test_a_refusal_comes_before_the_body_is_read_and_the_slot_comes_back(tmp_path: Path) -> None:
    with slow_server(tmp_path, max_in_flight=1) as (client, model, _):
        first = threading.Thread(target=lambda: client.post("/predict", json={"a": 6.0, "b": 0.0}))
        first.start()
        assert model.entered.acquire(timeout=120)
        refused = talk(client, HEAD + b"connection: close\r\ncontent-length: 1000000\r\n\r\n")
        model.release.set()
        first.join()
        assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 200
    assert refused.startswith(b"HTTP/1.1 429")
    assert b"retry-after: 1" in refused


def test_who_is_refused_keeps_the_connection_unless_much_would_be_read_for_nothing(tmp_path: Path) -> None:
    with slow_server(tmp_path, max_in_flight=1) as (client, model, _):
        where = (client.base_url.host, client.base_url.port or 80)
        body = b'{"a": 1.0, "b": 0.0}'
        ask = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
        first = threading.Thread(target=lambda: client.post("/predict", json={"a": 6.0, "b": 0.0}))
        first.start()
        assert model.entered.acquire(timeout=120)
        with socket.create_connection(where, timeout=120) as line:
            for _ in range(3):  # in two pieces: what comes after the head is read and dropped
                line.sendall(ask[:-5])
                refused = line.recv(65536)
                line.sendall(ask[-5:])
                assert refused.startswith(b"HTTP/1.1 429")
                assert b"connection: close" not in refused
                assert re.search(rb"x-request-id: [0-9a-f]{32}\r\n", refused)
            model.release.set()
            first.join()
            line.sendall(ask)
            assert line.recv(65536).startswith(b"HTTP/1.1 200")
        assert 'code="429"' in client.get("/metrics").text


def test_who_is_refused_and_says_nothing_more_is_hung_up_on(tmp_path: Path) -> None:
    with slow_server(tmp_path, max_in_flight=1, head_s=0.3) as (client, model, _):
        first = threading.Thread(target=lambda: client.post("/predict", json={"a": 6.0, "b": 0.0}))
        first.start()
        assert model.entered.acquire(timeout=120)
        assert talk(client, HEAD + b"content-length: 2\r\n\r\n{}").startswith(b"HTTP/1.1 429")
        model.release.set()
        first.join()


def test_the_slots_are_shared_by_every_endpoint(tmp_path: Path) -> None:
    with slow_server(tmp_path, max_in_flight=1) as (client, model, _):
        first = threading.Thread(target=lambda: client.post("/predict", json={"a": 6.0, "b": 0.0}))
        first.start()
        assert model.entered.acquire(timeout=120)
        assert client.post("/labels", json=[]).status_code == 429
        assert client.post("/v2/models/pair/infer", json={}).status_code == 429
        model.release.set()
        first.join()


@pytest.mark.parametrize(
    ("risk", "rungs", "status", "action"),
    [
        (Risk.CLOSED, (), 504, "abstain"),
        (Risk.OPEN, (), 200, "abstain"),
        (Risk.CLOSED, (Rule(lambda row: -1.0),), 200, "fallback"),
    ],
)
def test_the_callers_deadline_cuts_a_model_short(
    tmp_path: Path, risk: Risk, rungs: Any, status: int, action: str
) -> None:
    with slow_server(tmp_path, *rungs, risk=risk) as (client, _, opened):
        began = time.monotonic()
        response = client.post("/predict", json={"a": 6.0, "b": 0.0}, headers={"x-request-timeout-ms": "100"})
        assert time.monotonic() - began < 120  # the model itself would take 300 s
        assert response.status_code == status
        assert response.headers["x-wardline-action"] == action
        assert response.json()["findings"][0]["reason"] == "chain.deadline"
        assert response.headers["x-request-id"] == response.json()["request_id"]
        assert opened.sink.records[-1].request_id == response.json()["request_id"]


def test_haste_of_callers_does_not_open_the_breaker(tmp_path: Path) -> None:
    with slow_server(tmp_path) as (client, model, opened):
        for _ in range(3):
            hasty = {"x-request-timeout-ms": "20"}
            assert client.post("/predict", json={"a": 6.0, "b": 0.0}, headers=hasty).status_code == 504
        model.release.set()
        assert opened.gate.open().chain.rungs[0].breaker.state.value == "closed"


def test_the_deadline_is_capped(tmp_path: Path) -> None:
    with slow_server(tmp_path, max_timeout_ms=100.0) as (client, _, _opened):
        hour = {"x-request-timeout-ms": "3600000"}
        assert client.post("/predict", json={"a": 6.0, "b": 0.0}, headers=hour).status_code == 504


@pytest.mark.parametrize("given", ["soon", "0", "-5", "nan", ""])
def test_a_deadline_that_is_none_is_a_400(quick: httpx.Client, given: str) -> None:
    response = quick.post("/predict", json=EXAMPLE_PAIR, headers={"x-request-timeout-ms": given})
    assert response.status_code == 400
    assert "x-request-timeout-ms" in response.json()["error"]


def test_work_that_has_not_begun_is_dropped_when_the_caller_leaves_and_what_ran_is_recorded(
    tmp_path: Path,
) -> None:
    threads = (os.cpu_count() or 1) + 2
    with slow_server(tmp_path) as (client, model, opened):
        where = (client.base_url.host, client.base_url.port or 80)

        def ask(a: float) -> socket.socket:
            body = b'{"a": %.1f, "b": 0.0}' % a
            line = socket.create_connection(where)
            line.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
            return line

        busy = [ask(6.0) for _ in range(threads)]
        for _ in busy:
            assert model.entered.acquire(timeout=120)
        ask(7.0).close()
        busy[0].close()
        until(lambda: 'code="499"' in client.get("/metrics").text)
        model.release.set()
        assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 200
        for each in busy[1:]:
            each.close()

        def seen() -> list[float]:
            return [float(record.block.matrix[0, 0]) for record in opened.sink.records]

        until(lambda: seen().count(6.0) == threads)  # what was let go ends in threads of its own
    assert 7.0 not in seen()


def test_a_large_body_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    opened: Opened = pair_gate()
    limits = ServingSettings(max_rows=200_000)
    with serving(app(opened.gate, Settings(home=tmp_path, serving=limits))) as client:
        body = b'{"rows": [' + b",".join([b'{"a": 1.0, "b": 2.0}'] * 100_000) + b"]}"
        done = threading.Event()

        def large() -> None:
            headers = {"content-type": "application/json"}
            assert client.post("/predict", content=body, headers=headers).status_code == 200
            done.set()

        sender = threading.Thread(target=large)
        sender.start()
        alive = 0
        with httpx.Client(base_url=client.base_url, timeout=120) as other:
            while not done.is_set():
                assert other.get("/livez").status_code == 200
                alive += 1
        sender.join()
        assert alive > 3


def test_at_sigterm_the_server_is_not_ready_first_and_answers_on(tmp_path: Path) -> None:
    with started(tmp_path, WARDLINE_SERVING_DRAIN_S="15") as running:
        (worker,) = running.workers()
        with httpx.Client(base_url=running.url, timeout=120) as client:
            running.process.send_signal(signal.SIGTERM)
            until(lambda: client.get("/readyz").status_code == 503)
            answered = client.post("/predict", json=taxi.contract.examples[0])
            assert answered.status_code == 200
        worker.send_signal(signal.SIGTERM)  # who is asked twice stops at once
        running.process.wait(180)
    kept = read(running.home / "taxi" / "records", columns=["request_id"])["request_id"].to_pylist()
    assert answered.json()["request_id"] in kept
