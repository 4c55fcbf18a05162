"""Guards that answer nonsense: each counts as crashed, and its record is written all the same."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.examples import EXAMPLE_PAIR, MemorySink, declared_pair, doubling, pair_gate
from wardline import Action, Chain, Finding, Inference, Measured, Python, Risk, Severity, Stage
from wardline.inference import Batch, Screened
from wardline.log.encoder import Encoder
from wardline.settings import Settings


@dataclass(frozen=True)
class Answering:
    """A guard that answers what it was told to."""

    answer: Any
    stage: Stage = Stage.INPUT
    name: str = "nonsense"

    def check(self, inference: Inference) -> Finding:
        return self.answer  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Screening(Answering):
    screened: Any = None

    def screen(self, batch: Batch) -> Screened:
        return self.screened  # type: ignore[no-any-return]


def found(severity: Any = Severity.WARN, **changed: Any) -> Finding:
    return msgspec.structs.replace(
        Finding("nonsense", Stage.INPUT, severity, "nonsense.said", score=1.0, threshold=0.5), **changed
    )


NONSENSE = {
    "nothing": None,
    "a truth value": True,
    "a dictionary": {"severity": "ok"},
    "an object like a finding": SimpleNamespace(severity=Severity.WARN, measured=msgspec.UNSET),
    "a severity of its own": found("fatal"),
    "no severity": found(None),
    "a stage of its own": found(stage="input"),
    "a score that is no number": found(score="high"),
    "NaN for a score": found(score=float("nan")),
    "an infinite score": found(score=float("inf")),
    "a threshold that is none": found(threshold=None),
    "a reason that is no text": found(reason=7),
    "a subject that is no text": found(subject=b"a"),
    "a confidence in words": found(measured=Measured(confidence="sure")),  # type: ignore[arg-type]
    "an interval of one end": found(measured=Measured(interval=(1.0,))),  # type: ignore[arg-type]
    "a measurement of another kind": found(Severity.OK, measured={"confidence": 1.0}),
    "members of a set of numbers": found(Severity.OK, measured=Measured(members=(True,))),
}


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_counts_as_a_crash(nonsense: Any, risk: Risk) -> None:
    opened = pair_gate([Answering(nonsense)], risk=risk)
    verdict = opened.gate(EXAMPLE_PAIR)
    if nonsense == NONSENSE["members of a set of numbers"] and verdict.action is Action.SERVE:
        assert verdict.uncertainty.set is None  # a gate without classes has no sets: it is not used
    else:
        assert verdict.action is (Action.ABSTAIN if risk is Risk.CLOSED else Action.FLAG)
        assert [finding.reason for finding in verdict.findings][:1] == ["guard.crashed"]
    msgspec.json.encode(verdict)
    encoded = Encoder(opened.gate.open().schema)([opened.sink.records[-1]])
    assert encoded["action"].to_pylist() == [verdict.action.value]


@pytest.mark.parametrize("observed", [np.float64(1.5), np.int64(3), [1, 2], b"x", object()])
def test_what_was_observed_may_be_anything_and_is_carried(observed: Any) -> None:
    opened = pair_gate([Answering(found(observed=observed, score=np.float32(1.0)))])
    verdict = opened.gate(EXAMPLE_PAIR)
    assert verdict.action is Action.FLAG
    assert msgspec.json.decode(msgspec.json.encode(verdict))["findings"][0]["score"] == 1.0
    Encoder(opened.gate.open().schema)([opened.sink.records[-1]])


SCREENED = {
    "nothing": None,
    "one suspect for all": Screened(np.zeros(1, np.bool_)),
    "too few suspects": Screened(np.zeros(19, np.bool_)),
    "no measured columns": SimpleNamespace(suspect=np.zeros(20, np.bool_), measured=None),
    "a column of another length": Screened(np.zeros(20, np.bool_), {"ood_p": np.zeros(3)}),
    "a column of words": Screened(np.zeros(20, np.bool_), {"ood_p": np.array(["x"] * 20)}),
    "a column nobody knows": Screened(np.zeros(20, np.bool_), {"mood": np.zeros(20)}),
}


@pytest.mark.parametrize("screened", SCREENED.values(), ids=SCREENED.keys())
def test_a_screen_that_answers_nonsense_clears_nobody(screened: Any) -> None:
    sink = MemorySink()
    guard = Screening(found(Severity.BLOCK), screened=screened)
    gate = declared_pair(Chain(Python(lambda: doubling, name="model")), [guard])
    gate.open(Settings(), sink=sink)
    verdicts = gate.batch([EXAMPLE_PAIR] * 20)
    assert {verdict.action for verdict in verdicts} == {Action.ABSTAIN}
    assert Encoder(gate.open().schema)([sink.records[-1]]).num_rows == 20
