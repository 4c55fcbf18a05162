"""Guards timed one by one, only where the trace is known to be kept, and never with another answer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from guards.employment import gate as employment
from guards.taxi import gate as taxi
from tests.examples import Crashing, Limit, declared_pair, doubling
from wardline import Chain, Gate, Python, Risk, Rule, Settings
from wardline.record import Records
from wardline.settings import TraceSettings
from wardline.telemetry import CALLER, trace_context
from wardline.tracing.read import traces
from wardline.tracing.trace import Trace
from wardline.verdict import Stage

NONE = TraceSettings(sample=0, slowest=0)
ASKED = TraceSettings(sample=0, slowest=0, burst=1000)


@pytest.fixture(autouse=True)
def nobody_asks() -> Iterator[None]:
    token = CALLER.set(None)
    yield
    CALLER.reset(token)


def walked(gate: Gate, home: Path, payload: Any, settings: TraceSettings) -> tuple[Records, list[Trace]]:
    gate.close()
    opened = gate.open(Settings(home=home, traces=settings))
    if settings is ASKED:
        CALLER.set(trace_context(None)._replace(forced=True))
    context = CALLER.get()
    trace_id = trace_context(None).trace_id if context is None else context.trace_id
    records = opened.walk(lambda: gate.contract.admit(payload, opened.clock()), "id", trace_id)
    gate.close()
    if settings is ASKED:
        CALLER.set(None)
    return records, list(traces(home / gate.name / "traces"))


def answers(records: Records) -> list[Any]:
    """All of what a request left, but for ids and times."""
    left = [records.actions.tolist(), records.rungs.tolist(), records.values.tolist()]
    measured = [getattr(records, name) for name in ("confidence", "members", "interval", "ood_p")]
    told = [None if column is None else np.asarray(column).tolist() for column in measured]
    return [*left, {row: list(found) for row, found in records.findings.items()}, told, records.doubted]


def rows(gate: Gate) -> list[dict[str, Any]]:
    example = dict(gate.contract.examples[0])
    if gate is employment:
        return [example] * 20
    strange = [{**example, "trip_distance": miles} for miles in (0.4, 60.0, 120.0, -1.0, 2.0)]
    return [example, *strange] * 4


@pytest.mark.parametrize("gate", [taxi, employment])
@pytest.mark.parametrize("count", [1, 3, 20])
def test_a_timed_request_is_answered_as_any_other(gate: Gate, count: int, tmp_path: Path) -> None:
    payload = {"rows": rows(gate)[:count]}
    plain, _ = walked(gate, tmp_path / "plain", payload, NONE)
    timed, _ = walked(gate, tmp_path / "timed", payload, ASKED)
    assert repr(answers(timed)) == repr(answers(plain))
    assert plain.guards_ns == {}
    assert list(timed.guards_ns) == [
        (guard.stage, guard.name) for stage in Stage for guard in gate.guards if guard.stage is stage
    ]  # fmt: skip


@pytest.mark.parametrize("risk", list(Risk))
def test_guards_that_crash_are_judged_the_same(risk: Risk, tmp_path: Path) -> None:
    def gate() -> Gate:
        chain = Chain(Python(lambda: doubling, name="model"), Rule(lambda row: -1.0, answers_blocked=True))
        guards = [Limit(5, 20), Crashing(), Limit(1, 9, "second"), Limit(3, 5, "after", Stage.OUTPUT)]
        return declared_pair(chain, guards, risk)

    for place, payload in enumerate(
        ({"a": 30.0, "b": 2.0}, {"rows": [{"a": float(i), "b": 2.0} for i in range(30)]})
    ):
        plain, _ = walked(gate(), tmp_path / f"plain{place}", payload, NONE)
        timed, _ = walked(gate(), tmp_path / f"timed{place}", payload, ASKED)
        assert repr(answers(timed)) == repr(answers(plain))
        assert timed.guards_ns
        assert not plain.guards_ns


def test_every_guard_has_a_span_of_its_own_time_one_after_the_other(tmp_path: Path) -> None:
    records, (trace,) = walked(taxi, tmp_path, {**taxi.contract.examples[0], "trip_distance": 60.0}, ASKED)
    for stage in (Stage.INPUT, Stage.OUTPUT):
        panel = next(span for span in trace.spans if span.name == f"wardline.guards {stage.value}")
        guards = [span for span in trace.spans if span.parent_id == panel.span_id]
        declared = [guard.name for guard in taxi.guards if guard.stage is stage]
        assert [span.attributes["wardline.guard.name"] for span in guards] == declared
        assert guards[0].start == panel.start
        assert guards[-1].end <= panel.end
        for before, after in pairwise(guards):
            assert before.end == after.start
        for span in guards[:-1]:
            assert span.end - span.start == records.guards_ns[stage, span.attributes["wardline.guard.name"]]  # type: ignore[index]
    weights = {span.attributes["wardline.guard.name"]: span.attributes["wardline.guard.severity"]
               for span in trace.spans if span.name.startswith("wardline.guard ")}  # fmt: skip
    assert weights["range"] == "warn"
    assert weights["missing"] == "ok"


@pytest.mark.parametrize(
    ("asked", "timed"),
    [
        ({}, False), ({"forced": True}, True), ({"token": "secret"}, True), ({"token": "guess"}, False),
    ],
)  # fmt: skip
def test_who_asks_for_a_trace_has_every_guard_timed(
    tmp_path: Path, asked: dict[str, Any], timed: bool
) -> None:
    CALLER.set(trace_context(None)._replace(**asked))
    settings = TraceSettings(sample=0, slowest=0, debug_token="secret")
    records, _ = walked(taxi, tmp_path, taxi.contract.examples[0], settings)
    assert bool(records.guards_ns) is timed


def test_what_is_only_found_interesting_has_its_panels_time(tmp_path: Path) -> None:
    _, (trace,) = walked(taxi, tmp_path, {**taxi.contract.examples[0], "trip_distance": 120.0}, NONE)
    panel = next(span for span in trace.spans if span.name == "wardline.guards input")
    guard = next(span for span in trace.spans if span.name == "wardline.guard range")
    assert (guard.start, guard.end) == (panel.start, panel.end)
    assert "wardline.guard missing" not in {span.name for span in trace.spans}


def test_a_tenth_of_the_sample_has_every_guard_timed(tmp_path: Path) -> None:
    taxi.close()
    opened = taxi.open(Settings(home=tmp_path, traces=TraceSettings(sample=0.5, slowest=0)))
    dice, example = Random(1), taxi.contract.examples[0]
    for _ in range(200):
        opened.walk(lambda: taxi.contract.admit(example), "id", f"{dice.getrandbits(128):032x}")
    taxi.close()
    found = list(traces(tmp_path / "taxi" / "traces"))
    timed = [trace for trace in found if any(span.name.startswith("wardline.guard ") for span in trace.spans)]
    assert 75 <= len(found) <= 125  # 100 expected, 3.5 standard deviations
    assert 1 <= len(timed) <= 21  # 10 expected
