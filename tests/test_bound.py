"""A guard that hangs costs its rows what the risk profile says, and nothing else."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.examples import Limit, MemorySink, Opened, declared_pair, doubling
from tests.waiting import until
from wardline import Action, Chain, Finding, Inference, Python, Risk, Rule, Settings, Stage, judge
from wardline.bound import Bound, Watch, settle
from wardline.errors import GuardTimeoutError
from wardline.inference import Batch, Screened

SOON = Settings(guard_s=0.4)  # far longer than any guard here takes that does not hang


@dataclass(frozen=True)
class Hanging:
    """A guard that loops for ever over a row whose a is above 5."""

    stage: Stage = Stage.INPUT
    swallows: bool = False
    name: str = "hanging"

    def check(self, inference: Inference) -> Finding:
        while inference.feature("a") > 5.0:  # type: ignore[operator]
            try:
                threading.Event().wait(0.001)
            except Exception:
                if not self.swallows:
                    raise
                break
        return judge(self, 0.0, warn=1.0, block=2.0, reason="hanging.never")


@dataclass(frozen=True)
class HangingScreen(Hanging):
    def screen(self, batch: Batch) -> Screened:
        while True:
            threading.Event().wait(0.001)


def opened(*guards: Any, risk: Risk) -> Opened:
    sink = MemorySink()
    chain = Chain(Python(lambda: doubling, name="model"), Rule(lambda row: -1.0))
    gate = declared_pair(chain, guards, risk)
    gate.open(SOON, sink=sink)
    return Opened(gate, sink)


@pytest.mark.parametrize(
    ("risk", "stage", "action"),
    [
        (Risk.CLOSED, Stage.INPUT, Action.ABSTAIN),
        (Risk.OPEN, Stage.INPUT, Action.FLAG),
        (Risk.CLOSED, Stage.OUTPUT, Action.ABSTAIN),
        (Risk.OPEN, Stage.OUTPUT, Action.FLAG),
    ],
)
def test_a_guard_that_hangs_is_interrupted_and_counts_as_crashed(
    risk: Risk, stage: Stage, action: Action
) -> None:
    it = opened(Hanging(stage), Limit(10, 20), risk=risk)
    verdict = it.gate({"a": 15.0, "b": 0.0})
    assert verdict.action is action
    reasons = [finding.reason for finding in verdict.findings]
    assert "guard.timeout" in reasons
    assert "limit.over" in reasons  # the guards after it are asked all the same
    record = it.sink.records[-1]
    assert record.findings[0][0].reason in reasons
    assert int(record.actions[0]) != 0  # not `serve`
    assert it.gate({"a": 1.0, "b": 0.0}).action is Action.SERVE


def test_only_the_row_that_hangs_is_touched() -> None:
    verdicts = opened(Hanging(), risk=Risk.CLOSED).gate.batch([{"a": 1.0, "b": 0.0}, {"a": 6.0, "b": 0.0}])
    assert [verdict.action for verdict in verdicts] == [Action.SERVE, Action.ABSTAIN]


def test_a_screen_that_hangs_leaves_every_row_to_check() -> None:
    rows = [{"a": 1.0, "b": 0.0}] * 20
    verdicts = opened(HangingScreen(), risk=Risk.CLOSED).gate.batch(rows)
    assert {verdict.action for verdict in verdicts} == {Action.SERVE}


def test_a_guard_that_swallows_the_interrupt_ends_all_the_same() -> None:
    it = opened(Hanging(swallows=True), risk=Risk.CLOSED)
    assert it.gate({"a": 6.0, "b": 0.0}).action is Action.SERVE  # it came to a finding, late
    assert it.gate({"a": 1.0, "b": 0.0}).action is Action.SERVE


def test_an_interrupt_hits_nobody_but_who_was_judging() -> None:
    """Judgements that end just when they would be interrupted: the interrupt never leaks out of them."""
    bound = Bound(limit_s=0.01)
    leaked: list[BaseException] = []

    def judge_at_the_edge() -> None:
        try:
            for turn in range(60):
                watch = Watch()
                bound.running[watch] = threading.get_ident()
                try:
                    end = time.monotonic() + 0.0100 + 0.0001 * (turn % 50)
                    while time.monotonic() < end:
                        pass
                except GuardTimeoutError:
                    watch.caught = True
                finally:
                    if bound.running.pop(watch, None) is None:
                        settle(watch)
                for _ in range(1000):  # whatever is still under way would arrive here
                    pass
        except BaseException as error:
            leaked.append(error)

    threads = [threading.Thread(target=judge_at_the_edge) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not leaked


def test_what_hangs_where_python_cannot_interrupt_is_told_stuck() -> None:
    bound, release, returned = Bound(limit_s=0.02), threading.Event(), threading.Event()

    def hang() -> None:
        watch = Watch()
        bound.running[watch] = threading.get_ident()
        try:
            release.wait()  # a lock without a timeout is C code: no line of Python until it is free
        except GuardTimeoutError:
            watch.caught = True
        settle(watch)
        returned.set()

    thread = threading.Thread(target=hang)
    thread.start()
    until(lambda: bound.stuck)
    assert not returned.is_set()
    release.set()
    thread.join()
    until(lambda: not bound.stuck)
    assert returned.is_set()
