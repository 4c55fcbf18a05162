"""Micro-batching: concurrent requests share a call, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import declared_pair, pair_gate
from tests.serving.server import serving
from tests.waiting import until
from wardline import Batched, Chain, Python, Rule, ServingSettings, Settings
from wardline.errors import DeadlineError, DeclarationError, OverloadedError, UnavailableError
from wardline.inference import Batch, Outputs
from wardline.predictor import Site
from wardline.predictors.batched import OpenBatched
from wardline.serving import app
from wardline.testing import example_batch

SITE = Site(example_batch({"x": [0.0]}).block.schema, ())


def batch(*values: float) -> Batch:
    return example_batch({"x": list(values)})


@dataclass
class Model:
    """Doubles each row; remembers the calls; raises, hangs and lies as told."""

    poison: frozenset[float] = frozenset()
    gate: threading.Event | None = None
    calls: list[list[float]] = field(default_factory=list)
    busy: threading.Event = field(default_factory=threading.Event)

    def __call__(self, matrix: Any) -> Any:
        rows = matrix[:, 0].tolist()
        self.calls.append(rows)
        self.busy.set()
        if self.gate is not None:
            assert self.gate.wait(120)
        if self.poison & set(rows):
            raise ValueError("poison")
        return matrix[:, 0] * 2


def opened(model: Callable[[Any], Any], **declared: Any) -> OpenBatched:
    return Batched(Python(lambda: model, name="model"), **declared).open(SITE)


def ask_all(rung: OpenBatched, asked: list[Batch], deadline: float | None = None) -> list[Any]:
    def one(each: Batch) -> Any:
        try:
            return rung.predict(each, deadline).values.tolist()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(one, asked))


def test_requests_that_come_together_share_one_call() -> None:
    model = Model()
    rung = opened(model, window_ms=60_000.0, rows=8)
    found = ask_all(rung, [batch(float(i)) for i in range(8)])
    assert found == [[2.0 * i] for i in range(8)]
    assert [sorted(call) for call in model.calls] == [list(map(float, range(8)))]
    rung.close()


def test_a_request_alone_waits_no_longer_than_its_window() -> None:
    rung = opened(Model(), window_ms=1.0)
    began = time.monotonic()
    assert rung.predict(batch(1.0), None).values.tolist() == [2.0]
    assert time.monotonic() - began < 60
    rung.close()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=24),
    st.sets(st.integers(0, 23), max_size=6),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.2, 2.0]),
)
def test_whatever_comes_together_each_request_gets_its_own_rows(
    sizes: list[int], poisoned: set[int], rows: int, window_ms: float
) -> None:
    """Each row names its request and its place; no answer may name another's."""
    asked = [[request * 100.0 + place for place in range(size)] for request, size in enumerate(sizes)]
    model = Model(poison=frozenset(asked[i][0] for i in poisoned if i < len(asked)))
    rung = opened(model, rows=rows, window_ms=window_ms, waiting=1000)
    found = ask_all(rung, [batch(*values) for values in asked])
    rung.close()
    for request, (values, answer) in enumerate(zip(asked, found, strict=True)):
        if request in poisoned:
            assert isinstance(answer, ValueError)
        else:
            assert answer == [2 * value for value in values]
    assert all(len(call) <= max(rows, *sizes) for call in model.calls)


def test_one_poisoned_request_costs_its_neighbours_nothing_but_time() -> None:
    model = Model(poison=frozenset([3.0]))
    rung = opened(model, window_ms=60_000.0, rows=8)
    found = ask_all(rung, [batch(float(i)) for i in range(8)])
    assert [type(each) for each in found] == [list] * 3 + [ValueError] + [list] * 4
    assert len(model.calls) <= 1 + 2 * 3
    rung.close()


def test_text_features_and_scores_travel_with_their_rows() -> None:
    class Named:
        version, sha256 = "named/1", "x"

        def predict(self, batch: Batch, deadline: float | None) -> Outputs:
            values = np.array([float(text) for text in batch.block.text["name"]])
            return Outputs(values, np.stack([values, 1 - values], axis=1), {"strange": -values})

        def close(self) -> None:
            pass

    rung = OpenBatched(Batched(Python(lambda: len, name="model"), window_ms=60_000.0, rows=3), Named())
    rung.start()
    asked = [example_batch({"name": [text]}) for text in ("0.25", "0.5", "0.75")]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda each: rung.predict(each, None), asked))
    assert [each.values.tolist() for each in found] == [[0.25], [0.5], [0.75]]
    assert [each.probabilities.tolist() for each in found] == [[[0.25, 0.75]], [[0.5, 0.5]], [[0.75, 0.25]]]  # type: ignore[union-attr]
    assert [each.scores["strange"].tolist() for each in found] == [[-0.25], [-0.5], [-0.75]]
    rung.close()


def test_a_model_that_answers_too_few_rows_answers_nobody() -> None:
    rung = opened(
        lambda matrix: matrix[1:, 0] if len(matrix) > 1 else matrix[:0, 0], window_ms=60_000.0, rows=2
    )
    assert all(isinstance(each, Exception) for each in ask_all(rung, [batch(1.0), batch(2.0)]))
    rung.close()


def test_each_request_keeps_its_own_deadline() -> None:
    release = threading.Event()
    model = Model(gate=release)
    rung = opened(model, window_ms=0.0)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(rung.predict, batch(1.0), None)
        assert model.busy.wait(120)
        hurried = pool.submit(rung.predict, batch(2.0), time.monotonic() + 0.05)
        with pytest.raises(DeadlineError):
            hurried.result(120)
        patient = pool.submit(rung.predict, batch(3.0), time.monotonic() + 240)
        until(lambda: len(rung._line) == 2)
        release.set()
        assert first.result(120).values.tolist() == [2.0]
        assert patient.result(120).values.tolist() == [6.0]
    assert [2.0] not in model.calls  # nobody waited for it any more
    assert all(2.0 not in call for call in model.calls)
    rung.close()


def test_the_window_never_takes_more_than_half_of_what_a_request_has_left() -> None:
    rung = opened(Model(), window_ms=60_000.0)
    assert rung.predict(batch(1.0), time.monotonic() + 2.0).values.tolist() == [2.0]
    rung.close()


def test_more_than_may_wait_is_refused_at_once() -> None:
    release = threading.Event()
    model = Model(gate=release)
    rung = opened(model, window_ms=0.0, rows=2, waiting=4)
    with ThreadPoolExecutor(5) as pool:
        running = pool.submit(rung.predict, batch(0.0), None)
        assert model.busy.wait(120)
        waiting = [pool.submit(rung.predict, batch(float(i), float(i)), None) for i in (1, 2)]
        until(lambda: rung._rows == 4)
        with pytest.raises(OverloadedError):
            rung.predict(batch(9.0), None)
        release.set()
        assert [each.result(120).values.tolist() for each in (running, *waiting)] == [
            [0.0],
            [2.0, 2.0],
            [4.0, 4.0],
        ]
    rung.close()


def test_a_request_larger_than_the_line_is_answered_alone() -> None:
    rung = opened(Model(), rows=2, waiting=2)
    assert rung.predict(batch(1.0, 2.0, 3.0), None).values.tolist() == [2.0, 4.0, 6.0]
    rung.close()


def test_closing_answers_who_is_in_line_and_refuses_who_comes_after() -> None:
    model = Model()
    rung = opened(model, window_ms=60_000.0)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(rung.predict, batch(float(i)), None) for i in range(2)]
        until(lambda: len(rung._line) == 2)
        rung.close()
        assert [each.result(120).values.tolist() for each in waiting] == [[0.0], [2.0]]
    with pytest.raises(UnavailableError, match="closed"):
        rung.predict(batch(1.0), None)


def test_even_what_ends_threads_is_an_answer_and_the_next_request_is_served() -> None:
    def leaving(matrix: Any) -> Any:
        if matrix[0, 0] == 7:
            raise SystemExit(3)
        return matrix[:, 0]

    rung = opened(leaving, window_ms=0.0)
    with pytest.raises(SystemExit):
        rung.predict(batch(7.0), None)
    assert rung.predict(batch(1.0), None).values.tolist() == [1.0]
    rung.close()


@pytest.mark.parametrize("declared", [{"window_ms": -1.0}, {"rows": 0}, {"rows": 9, "waiting": 8}])
def test_a_batch_that_cannot_be_is_refused_where_it_is_declared(declared: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        Batched(Python(lambda: len, name="model"), **declared)


def doubled_slowly(matrix: Any) -> Any:
    time.sleep(0.002)  # a model that costs much a call and nothing a row
    if (matrix[:, 0] == 13).any():
        raise ValueError("poison")
    return matrix[:, 1] * 2


def test_over_http_answers_and_ids_never_mix(tmp_path: Path) -> None:
    chain = Chain(
        Batched(Python(lambda: doubled_slowly, name="model", deadline_ms=20_000.0), window_ms=2.0, rows=16),
        Rule(lambda row: -1.0),
        failures=1000,
    )
    opened = pair_gate(chain=chain)
    patient = ServingSettings(line_ms=1e6)  # who asks waits, however slow the machine is
    with serving(app(opened.gate, Settings(home=tmp_path, serving=patient))) as client:

        def ask(place: int) -> None:
            a, b = float(place % 50), float(place % 7)
            given = {"x-request-id": f"order-{place}"}
            answer = client.post("/predict", json={"a": a, "b": b}, headers=given).json()
            assert answer["request_id"] == f"order-{place}"
            expected = ("fallback", -1.0) if a == 13 else ("serve", 2 * (a + b))
            assert (answer["action"], answer["prediction"]) == expected

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(ask, range(400)))
    mine = {r.request_id: r for r in opened.sink.records if r.request_id.startswith("order-")}
    assert len(mine) == 400
    for place in range(400):
        block = mine[f"order-{place}"].block
        assert block is not None
        assert block.matrix[0, 0] == place % 50


@pytest.mark.parametrize("path", ["/predict", "/v2/models/pair/infer"])
def test_shed_work_is_a_429_that_says_when_to_try_again(tmp_path: Path, path: str) -> None:
    release = threading.Event()
    model = Model(gate=release)
    release.set()
    gate = declared_pair(
        Chain(Batched(Python(lambda: model, name="model"), window_ms=0.0, rows=1, waiting=1))
    )
    row = {"a": 1.0, "b": 2.0}
    inputs = [{"name": n, "shape": [1], "datatype": "FP64", "data": [v]} for n, v in row.items()]
    body: Any = row if path == "/predict" else {"inputs": inputs}
    with (
        serving(app(gate, Settings(home=tmp_path, serving=ServingSettings(max_in_flight=8)))) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        rung = gate.open().chain.rungs[0].opened
        release.clear()
        model.busy.clear()
        first = pool.submit(client.post, path, json=body)
        assert model.busy.wait(120)
        second = pool.submit(client.post, path, json=body)
        until(lambda: rung._rows == 1)  # type: ignore[attr-defined]
        refused = client.post(path, json=body)
        several = client.post("/predict", json={"rows": [row, row]})
        release.set()
        assert first.result(120).status_code == second.result(120).status_code == 200
        assert client.post(path, json=body).status_code == 200
    for answer in (refused, several):
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert answer.headers["x-wardline-action"] == "abstain"
        assert "more to do than it can" in answer.json()["error"]
    assert refused.json()["findings"][0]["reason"] == "chain.overloaded"


def test_shed_work_goes_to_the_next_rung_and_is_no_fault_for_the_breaker(tmp_path: Path) -> None:
    release = threading.Event()
    model = Model(gate=release)
    release.set()
    chain = Chain(
        Batched(Python(lambda: model, name="model"), window_ms=0.0, rows=1, waiting=1),
        Rule(lambda row: -1.0),
        failures=1,
    )
    gate = pair_gate(chain=chain).gate
    rung = gate.open().chain.rungs[0]
    release.clear()
    model.busy.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(gate, {"a": 1.0, "b": 2.0})
        assert model.busy.wait(120)
        second = pool.submit(gate, {"a": 2.0, "b": 2.0})
        until(lambda: rung.opened._rows == 1)  # type: ignore[attr-defined]
        shed = gate({"a": 3.0, "b": 2.0})
        release.set()
        assert (first.result(120).prediction, second.result(120).prediction) == (2.0, 4.0)
    assert (shed.action, shed.prediction, shed.findings[0].reason) == ("fallback", -1.0, "chain.overloaded")
    assert gate({"a": 3.0, "b": 2.0}).action == "serve"
    gate.close()
