"""A remote model, asked over real sockets: of servers that are sound, down, slow, or lying."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.examples import NOON, MemorySink, Pair, declared_pair, pair_gate
from tests.predictors.upstream import Upstream, sound, upstream
from tests.serving.server import serving
from tests.waiting import free_port, until
from wardline import Chain, Gate, Remote, Rule, Settings, Tabular, features
from wardline.errors import DeclarationError, ModelError, OpeningError
from wardline.inference import Batch
from wardline.predictor import Site
from wardline.serving import app
from wardline.testing import example_batch

SITE = Site(example_batch({"a": [0.0], "b": [0.0]}).block.schema, ())
CLASSES = Site(SITE.features, ("no", "yes"))


def batch(*rows: tuple[float, float]) -> Batch:
    return example_batch({"a": [a for a, _ in rows], "b": [b for _, b in rows]})


def gate_before(server: Upstream, failures: int = 5, **declared: Any) -> Gate:
    remote = Remote(server.url, "sums", **{"deadline_ms": 60_000.0, **declared})
    gate = declared_pair(Chain(remote, Rule(lambda row: -1.0), failures=failures))
    gate.open(Settings(), sink=MemorySink(), clock=lambda: NOON)
    return gate


def test_a_sound_server_answers_over_one_connection() -> None:
    with upstream() as server:
        gate = gate_before(server)
        for a in range(20):
            verdict = gate({"a": float(a), "b": 1.0})
            assert (verdict.action, verdict.prediction, verdict.model) == ("serve", 2.0 * a + 1, "sums/1")
        assert server.connections == 1
        assert gate.batch([{"a": float(a), "b": 0.0} for a in range(30)])[29].prediction == 58.0
        gate.close()


def output(**changed: Any) -> Callable[[Any, Any], Any]:
    return lambda _, answer: {**answer, "outputs": [{**answer["outputs"][0], **changed}]}


LIES: dict[str, Callable[[dict[str, Any], dict[str, Any]], Any]] = {
    "of another model": lambda _, answer: {**answer, "model_name": "other"},
    "of another version": lambda _, answer: {**answer, "model_version": "2"},
    "to another request": lambda _, answer: {**answer, "id": "somebody-else"},
    "no outputs": lambda _, answer: {**answer, "outputs": []},
    "twice the output": lambda _, answer: {**answer, "outputs": answer["outputs"] * 2},
    "another output": output(name="other"),
    "a row too many": output(shape=[2], data=[1.0, 2.0]),
    "no rows": output(shape=[0], data=[]),
    "a shape that is not its data's": output(shape=[2]),
    "two numbers a row": output(shape=[1, 2], data=[1.0, 2.0]),
    "three dimensions": output(shape=[1, 1, 1]),
    "text": output(datatype="BYTES", data=["7"]),
    "truth": output(datatype="BOOL", data=[True]),
    "text that claims to be numbers": output(data=["7"]),
    "null": output(data=[None]),
    "a number that JSON has not": lambda *_: (200, b'{"outputs": [NaN]}'),
    "no JSON": lambda *_: (200, b"<html>"),
    "nothing": lambda *_: (200, b""),
    "another shape of message": lambda *_: (200, b"[1]"),
    "an error": lambda *_: (500, b'{"error": "boom"}'),
    "an error that is no JSON": lambda *_: (400, b"\xff\xfe"),
    "not now": lambda *_: (503, b"{}"),
    "gone": lambda *_: (404, b"{}"),
    "nothing, on purpose": lambda *_: (204, b""),
    "more than an answer can be": lambda _, answer: {**answer, "parameters": {"x": "y" * 200_000}},
}


@pytest.mark.parametrize("lie", LIES)
def test_whatever_does_not_answer_the_question_is_a_fault_of_its_rung(lie: str) -> None:
    with upstream() as server:
        gate = gate_before(server)
        server.answer = LIES[lie]
        verdict = gate({"a": 1.0, "b": 2.0})
        server.answer = lambda _, answer: answer
        again = gate({"a": 1.0, "b": 2.0})
        gate.close()
    assert (verdict.action, verdict.prediction, verdict.rung) == ("fallback", -1.0, 1)
    assert verdict.findings[0].reason in ("chain.error", "chain.not_finite")
    assert (again.action, again.prediction) == ("serve", 4.0)


def hang_up(handler: Any, body: bytes) -> None:
    handler.close_connection = True


def break_off(handler: Any, body: bytes) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
    handler.close_connection = True


def break_off_chunked(handler: Any, body: bytes) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{")
    handler.close_connection = True


def talk_nonsense(handler: Any, body: bytes) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    handler.close_connection = True


def redirect(handler: Any, body: bytes) -> None:
    handler.wfile.write(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize("behave", [hang_up, break_off, break_off_chunked, talk_nonsense, redirect])
def test_a_request_of_which_a_byte_was_sent_is_never_sent_again(behave: Any) -> None:
    with upstream() as server:
        gate = gate_before(server)
        before = len(server.asked)
        server.raw = behave
        assert gate({"a": 1.0, "b": 2.0}).action == "fallback"
        assert len(server.asked) == before + 1
        server.raw = None
        assert gate({"a": 1.0, "b": 2.0}).action == "serve"
        gate.close()


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    def old(handler: Any, body: bytes) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(sound(json.loads(body))).encode())
        handler.close_connection = True

    with upstream() as server:
        gate = gate_before(server)
        server.raw = old
        assert [gate({"a": 1.0, "b": 2.0}).prediction for _ in range(3)] == [4.0] * 3
        gate.close()


def drip(server: Upstream) -> Callable[[Any, bytes], None]:
    def dripping(handler: Any, body: bytes) -> None:
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n" + b"x-y: z\r\n" * 100:
            if server.released.wait(0.01):
                return
            handler.wfile.write(bytes([byte]))

    return dripping


def silent(server: Upstream) -> Callable[[Any, bytes], None]:
    return lambda handler, body: server.released.wait(300) and None


@pytest.mark.parametrize("slowly", [drip, silent])
def test_a_slow_server_is_given_up_at_the_deadline_however_it_is_slow(slowly: Any) -> None:
    with upstream() as server:
        gate = gate_before(server, deadline_ms=150.0)
        server.raw = slowly(server)
        began = time.monotonic()
        verdict = gate({"a": 1.0, "b": 2.0})
        took = time.monotonic() - began
        server.raw = None
        server.released.set()
        gate.close()
    assert (verdict.action, verdict.findings[0].reason) == ("fallback", "chain.deadline")
    assert 0.14 < took < 60


def test_a_server_that_is_down_costs_a_batch_one_question_and_opens_the_breaker() -> None:
    port = free_port()
    with upstream(port) as server:
        gate = gate_before(server, failures=2)
    rows = [{"a": float(a), "b": 0.0} for a in range(64)]
    verdicts = gate.batch(rows)
    assert {verdict.action for verdict in verdicts} == {"fallback"}
    assert verdicts[0].findings[0].reason == "chain.error"
    assert verdicts[0].findings[0].observed == "UnavailableError"
    gate.batch(rows)
    assert gate(rows[0]).findings[0].reason == "chain.breaker_open"
    with upstream(port) as server:
        opened = gate.open()
        rung = opened.chain.rungs[0]
        rung.breaker.reset_s = 0.0  # its time has come
        assert gate(rows[1]).prediction == 2.0
        assert gate(rows[2]).action == "serve"
    gate.close()


def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    port = free_port()
    with upstream(port) as server:
        gate = gate_before(server)
        assert gate({"a": 1.0, "b": 0.0}).action == "serve"

    with upstream(port) as server:
        assert gate({"a": 1.0, "b": 0.0}).action == "serve"
        assert len(server.asked) == 1
    gate.close()


def test_a_row_that_its_server_chokes_on_falls_back_alone() -> None:
    def choke(request: Any, answer: Any) -> Any:
        return (500, b'{"error": "cannot"}') if 13.0 in request["inputs"][0]["data"] else answer

    with upstream(answer=choke) as server:
        gate = gate_before(server)
        actions = [v.action for v in gate.batch([{"a": float(a), "b": 0.0} for a in range(10, 18)])]
        gate.close()
    assert actions == ["serve"] * 3 + ["fallback"] + ["serve"] * 4


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"shape": [3, 2], "data": [0.2, 0.8, 0.9, 0.1, 0.5, 0.5]}, [1.0, 0.0, 0.0]),
        ({"shape": [3, 2], "datatype": "FP32", "data": [0.2, 0.8, 0.9, 0.3, 2.0, -1.0]}, [1.0, None, None]),
        ({"datatype": "INT64", "data": [1, 0, 1]}, [1.0, 0.0, 1.0]),
        ({"datatype": "INT64", "data": [1, 2, -1]}, [1.0, 2.0, -1.0]),
        ({"data": [1.0, 0.5, None]}, [1.0, None, None]),
        ({"datatype": "BYTES", "data": ["yes", "no", "maybe"]}, [1.0, 0.0, None]),
    ],
)
def test_classes_come_as_probabilities_numbers_or_names(changed: Any, expected: list[float | None]) -> None:
    with upstream() as server:
        opened = Remote(server.url, "sums").open(CLASSES)
        server.answer = output(**{"shape": [3], **changed})
        outputs = opened.predict(batch((0, 0), (0, 0), (0, 0)), None)
        opened.close()
    usable = outputs.values.copy()
    if outputs.probabilities is not None:
        usable[np.isnan(outputs.probabilities).any(axis=1)] = np.nan
    assert [None if value != value else value for value in usable] == expected


def test_the_callers_trace_is_passed_on() -> None:
    with upstream() as server:
        given = {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}
        opened = Remote(server.url, "sums", trace=lambda rung: given).open(SITE)
        opened.predict(batch((1, 2)), None)
        assert server.headers[-1]["traceparent"] == given["traceparent"]
        gate = gate_before(server)
        with serving(app(gate, Settings())) as client:
            sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            headers = {"traceparent": sent, "tracestate": "x=1", "baggage": "user=7"}
            assert client.post("/predict", json={"a": 1, "b": 2}, headers=headers).status_code == 200
        assert (server.headers[-1]["tracestate"], server.headers[-1]["baggage"]) == ("x=1", "user=7")
        passed = server.headers[-1]["traceparent"].split("-")
        assert (passed[1], passed[3]) == ("4bf92f3577b34da6a3ce929d0e0e4736", "01")
        opened.close()


def test_one_wardline_asks_another_in_binary(tmp_path: Path) -> None:
    class Both(NamedTuple):
        a: float
        b: float

    @features(version="1")
    def both(row: Pair) -> Both:
        return Both(row.a, row.b)

    with serving(app(pair_gate().gate, Settings(home=tmp_path))) as client:
        remote = Remote(str(client.base_url), "pair", output="prediction", name="inner")
        gate = Gate(
            "outer",
            contract=Tabular(Pair, examples=[{"a": 1.0, "b": 2.0}]),
            features=both,
            chain=Chain(remote, Rule(lambda row: -2.0)),
        )
        opened = gate.open(Settings(), sink=MemorySink())
        assert opened.chain.rungs[0].opened.binary  # type: ignore[attr-defined]
        verdicts = gate.batch([{"a": float(a), "b": 0.0} for a in (1, 2, 45, 60)])
        assert [v.prediction for v in verdicts] == [2.0, 4.0, -1.0, -1.0]
        gate.close()


@pytest.mark.parametrize(
    ("metadata", "declared", "says"),
    [
        ({"inputs": [{"name": "in", "datatype": "FP64", "shape": [-1, 3]}]}, {}, "the features are 2"),
        ({"inputs": [{"name": "in", "datatype": "BYTES", "shape": [-1, 2]}]}, {}, "no matrix of numbers"),
        (
            {"inputs": [{"name": "x", "datatype": "FP64"}, {"name": "y", "datatype": "FP64"}]},
            {},
            "declare which one",
        ),
        (
            {"inputs": [{"name": "a", "datatype": "FP64"}, {"name": "b", "datatype": "BYTES"}]},
            {},
            "takes b as BYTES",
        ),
        ({"inputs": []}, {}, "declare which one"),
        ({"outputs": [{"name": "p"}, {"name": "q"}]}, {}, "declare which is the answer"),
        ({"outputs": []}, {}, "declare which is the answer"),
        ({"outputs": [{"name": "p"}]}, {"output": "q"}, "declare which is the answer"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_when_the_gate_opens(
    metadata: dict[str, Any], declared: dict[str, Any], says: str
) -> None:
    with upstream() as server:
        server.metadata = {**server.metadata, **metadata}
        with pytest.raises(ModelError, match=says):
            Remote(server.url, "sums", **declared).open(SITE)


def test_a_gate_whose_server_is_down_does_not_open() -> None:
    gate = declared_pair(Chain(Remote(f"http://127.0.0.1:{free_port()}", "sums"), Rule(lambda row: -1.0)))
    with pytest.raises(ModelError, match="start that server first"):
        gate.open(Settings(), sink=MemorySink())


def test_a_gate_whose_server_is_down_opens_when_it_is_up(tmp_path: Path) -> None:
    port = free_port()
    chain = Chain(Remote(f"http://127.0.0.1:{port}", "sums"))
    with serving(app(declared_pair(chain), Settings(home=tmp_path))) as client:
        assert client.get("/livez").status_code == 200
        shut = client.get("/readyz")
        assert (shut.status_code, "start that server first" in shut.text) == (503, True)
        assert client.post("/predict", json={"a": 1, "b": 2}).status_code == 503
        with upstream(port):
            until(lambda: client.get("/readyz").status_code == 200)
            assert client.post("/predict", json={"a": 1, "b": 2}).json()["prediction"] == 4.0


def test_a_gate_whose_server_lies_about_the_example_does_not_open() -> None:
    with upstream(answer=LIES["text"]) as server, pytest.raises(OpeningError, match="sums does not answer"):
        gate_before(server)


def test_a_model_other_than_the_profiled_one_is_refused() -> None:
    with upstream() as server:
        first = Remote(server.url, "sums").open(SITE)
        site = Site(SITE.features, (), pinned=first.sha256)
        again = Remote(server.url, "sums").open(site)
        assert again.sha256 == first.sha256
        first.close()
        again.close()
        server.metadata["versions"] = ["2"]
        with pytest.raises(ModelError, match="not what the reference was built for"):
            Remote(server.url, "sums").open(site)


@pytest.mark.parametrize(
    "url", ["ftp://host", "models:8080", "http://", "http://user:pw@host", "http://host/?a=b"]
)
def test_an_address_that_is_none_is_refused_where_it_is_declared(url: str) -> None:
    with pytest.raises(DeclarationError, match="no address"):
        Remote(url, "sums")
