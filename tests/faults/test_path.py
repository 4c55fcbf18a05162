"""Faults of models and guards, with a real log behind the gate: the answer, and what the record says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.examples import declared_pair
from tests.faults.gates import HANGS, INFINITE, NAN, RAISES, SHAPE, faulty, model
from wardline import Action, Chain, Gate, Python, Risk, Rule, Settings, Verdict
from wardline.log import read
from wardline.testing import FakePredictor

REASON = {
    RAISES: "chain.error",
    NAN: "chain.not_finite",
    INFINITE: "chain.not_finite",
    SHAPE: "chain.error",
    HANGS: "chain.deadline",
}
NAMES = ["raises", "answers NaN", "answers infinity", "answers another shape", "hangs past its deadline"]


def breaking(a: float) -> Python:
    """The model, with a deadline that only a call that hangs comes to."""
    return model(50.0 if a == HANGS else 60_000.0)


def asked(gate: Gate, home: Path, a: float) -> tuple[Verdict, dict[str, Any]]:
    """Ask one row; return the verdict and the record that is in the log."""
    with gate:
        gate.close()
        gate.open(Settings(home=home))
        verdict = gate({"a": a, "b": 0.0})
    rows = read(home / "pair" / "records").to_pylist()
    (row,) = [row for row in rows if row["request_id"] == verdict.request_id]
    assert (row["action"], row["served_by"], row["prediction"]) == (
        verdict.action.value, verdict.served_by, verdict.prediction,
    )  # fmt: skip
    assert [finding["reason"] for finding in row["findings"]] == [f.reason for f in verdict.findings]
    return verdict, row


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize("a", REASON, ids=NAMES)
def test_a_model_that_fails_leaves_its_row_to_the_next_rung(tmp_path: Path, a: float, risk: Risk) -> None:
    gate = declared_pair(Chain(breaking(a), Rule(lambda row: -1.0)), risk=risk)
    verdict, row = asked(gate, tmp_path, a)
    assert (verdict.action, verdict.served_by, verdict.prediction) == (Action.FALLBACK, "rule", -1.0)
    assert row["findings"][0]["reason"] == REASON[a]


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize("a", REASON, ids=NAMES)
def test_a_model_that_fails_alone_abstains_whatever_the_risk(tmp_path: Path, a: float, risk: Risk) -> None:
    """Failing open gives what there is; where no rung answered there is nothing to give."""
    verdict, row = asked(declared_pair(Chain(breaking(a)), risk=risk), tmp_path, a)
    assert (verdict.action, verdict.prediction, row["rung"]) == (Action.ABSTAIN, None, None)


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize("a", REASON, ids=NAMES)
def test_a_fallback_that_fails_too_abstains_and_both_are_named(tmp_path: Path, a: float, risk: Risk) -> None:
    broken = FakePredictor(name="simpler", raises=ValueError("a fault of the fallback"), after=4)
    verdict, row = asked(declared_pair(Chain(breaking(a), broken), risk=risk), tmp_path, a)
    assert verdict.action is Action.ABSTAIN
    assert [(f["subject"], f["reason"]) for f in row["findings"]] == [
        ("model", REASON[a]), ("simpler", "chain.error"),
    ]  # fmt: skip


def test_calls_that_hang_are_left_behind_and_not_piled_up(tmp_path: Path) -> None:
    """Four threads may hang; after that the rung refuses, and rows go to the next at once."""
    gate = declared_pair(Chain(Python(lambda: faulty, name="model", deadline_ms=20), Rule(lambda row: -1.0)))
    gate.open(Settings(home=tmp_path))
    with gate:
        verdicts = [gate({"a": HANGS, "b": 0.0}) for _ in range(8)]
    assert {verdict.action for verdict in verdicts} == {Action.FALLBACK}
    found = [verdict.findings[0] for verdict in verdicts]
    assert [finding.reason for finding in found[:4]] == ["chain.deadline"] * 4
    assert "chain.deadline" not in [finding.reason for finding in found[5:]]
