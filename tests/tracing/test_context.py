"""Context over real sockets: what a caller may ask for, what goes on, and what stays out of every span."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest

from tests.examples import EXAMPLE_PAIR, Pair, declared_pair, doubling
from tests.serving.server import serving
from tests.waiting import until
from wardline import Chain, Gate, Python, Remote, Rule, Settings, Tabular, features
from wardline.serving import app
from wardline.settings import TraceSettings
from wardline.tracing.read import traces
from wardline.tracing.trace import Trace

NONE = TraceSettings(sample=0, slowest=0, debug_token="open-sesame", burst=2, per_minute=1)
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"


class Working:
    """A model that works for so many seconds on each row."""

    seconds = 0.0

    def __call__(self, matrix: Any) -> Any:
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            np.linalg.norm(matrix)
        return matrix[:, 1] * 2


def gate(model: Any = doubling) -> Gate:
    return declared_pair(Chain(Python(lambda: model, name="model"), Rule(lambda row: -1.0)))


@contextmanager
def served(home: Path, settings: TraceSettings = NONE, gated: Gate | None = None) -> Iterator[httpx.Client]:
    with serving(app(gated or gate(), Settings(home=home, traces=settings))) as client:
        yield client


def kept(home: Path, name: str = "pair") -> list[Trace]:
    """What is kept once the server has ended, the oldest first."""
    return list(traces(home / name / "traces"))[::-1]


def why(home: Path) -> list[str]:
    return [str(trace.root.attributes["wardline.kept_because"]) for trace in kept(home)]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, []),
        ({"x-force-trace": "1"}, ["forced"]),
        ({"x-force-trace": "TRUE"}, ["forced"]),
        ({"x-force-trace": "0"}, []),
        ({"x-wardline-debug": "open-sesame"}, ["debug"]),
        ({"x-wardline-debug": "guess"}, []),
        ({"x-wardline-debug": ""}, []),
        ({"traceparent": f"{PARENT}1"}, ["parent"]),
        ({"traceparent": f"{PARENT}0"}, []),
    ],
)
def test_a_plain_answer_is_kept_where_its_caller_asks_and_may(
    tmp_path: Path, headers: dict[str, str], reason: list[str]
) -> None:
    with served(tmp_path) as client:
        assert client.post("/predict", json=EXAMPLE_PAIR, headers=headers).json()["action"] == "serve"
    assert why(tmp_path) == reason


def test_who_forces_traces_is_limited_and_the_operators_token_is_not(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        for _ in range(5):
            client.post("/predict", json=EXAMPLE_PAIR, headers={"x-force-trace": "1"})
        for _ in range(5):
            client.post("/predict", json=EXAMPLE_PAIR, headers={"x-wardline-debug": "open-sesame"})
        page = client.get("/metrics").text
    assert sorted(why(tmp_path)) == ["debug"] * 5 + ["forced"] * 2
    assert 'wardline_traces_total{gate="pair",what="limited"} 3.0' in page


def test_the_slowest_are_kept(tmp_path: Path) -> None:
    model = Working()
    with served(tmp_path, TraceSettings(sample=0, slowest=0.01), gate(model)) as client:
        took = [client.post("/predict", json=EXAMPLE_PAIR).elapsed.total_seconds() for _ in range(150)]
        model.seconds = 0.03 + 2 * max(took)
        slow = client.post("/predict", json={"a": 9.0, "b": 1.0}).json()["trace_id"]
    found = kept(tmp_path)
    assert slow in {trace.trace_id for trace in found}
    assert {trace.root.attributes["wardline.kept_because"] for trace in found} == {"slow"}
    assert len(found) < 100


def test_the_token_is_in_no_span_and_neither_is_baggage(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        headers = {"traceparent": f"{PARENT}1", "baggage": "user=Lovelace", "x-wardline-debug": "open-sesame"}
        client.post("/predict", json=EXAMPLE_PAIR, headers=headers)
    text = b"".join(file.read_bytes() for file in (tmp_path / "pair" / "traces").glob("*.jsonl"))
    assert b"wardline.gate" in text
    assert b"Lovelace" not in text
    assert b"open-sesame" not in text


@pytest.mark.parametrize(
    "given",
    [
        "", "00", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", f"{PARENT}1".upper(), f"{PARENT}1-more",
        "ff" + f"{PARENT}1"[2:], f"{PARENT}1"[:-1], "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        f"{PARENT}1" * 50,
    ],
)  # fmt: skip
def test_a_malformed_parent_begins_a_new_trace_and_its_state_is_nobodys(tmp_path: Path, given: str) -> None:
    with served(tmp_path) as client:
        headers = {"traceparent": given, "tracestate": "x=1", "x-force-trace": "1"}
        reply = client.post("/predict", json=EXAMPLE_PAIR, headers=headers)
        assert reply.status_code == 200
    (trace,) = kept(tmp_path)
    assert trace.trace_id == reply.headers["traceparent"].split("-")[1] != "4bf92f3577b34da6a3ce929d0e0e4736"
    assert trace.root.parent_id == ""
    assert trace.tracestate == ""


def test_a_newer_version_of_the_header_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        headers = {"traceparent": "01" + f"{PARENT}1"[2:] + "-what-comes", "x-force-trace": "1"}
        client.post("/predict", json=EXAMPLE_PAIR, headers=headers)
    assert kept(tmp_path)[0].root.parent_id == "00f067aa0ba902b7"


class Both(NamedTuple):
    a: float
    b: float


@features(version="1")
def both(row: Pair) -> Both:
    return Both(row.a, row.b)


def test_one_trace_goes_through_two_servers(tmp_path: Path) -> None:
    """The far server's root span is the child of the near one's rung, and its state comes along."""
    with served(tmp_path / "far") as far:
        remote = Remote(str(far.base_url), "pair", output="prediction", name="far", deadline_ms=20_000)
        near = Gate(
            "near", contract=Tabular(Pair, examples=[EXAMPLE_PAIR]), features=both, chain=Chain(remote)
        )  # fmt: skip
        with served(tmp_path / "near", gated=near) as client:
            headers = {"traceparent": f"{PARENT}1", "tracestate": "vendor=7", "baggage": "user=1"}
            assert client.post("/predict", json=EXAMPLE_PAIR, headers=headers).json()["prediction"] == 6.0
        (asked,) = until(lambda: kept(tmp_path / "near", "near"))
    (answered,) = kept(tmp_path / "far")
    rung = next(span for span in asked.spans if span.name == "wardline.predict far")
    assert asked.trace_id == answered.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert asked.root.parent_id == "00f067aa0ba902b7"
    assert answered.root.parent_id == rung.span_id
    assert rung.kind == 3  # a client
    assert answered.root.kind == 2  # a server
    assert answered.tracestate == asked.tracestate == "vendor=7"
