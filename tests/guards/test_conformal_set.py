from typing import Any

import msgspec
import numpy as np
import pytest

from wardline.errors import DeclarationError, OpeningError
from wardline.guards import ConformalSet
from wardline.reference import Calibration, Reference
from wardline.testing import example_batch, example_reference
from wardline.verdict import Coverage, Finding, Measured, Severity

X = {"x": [1.0]}
ROWS = [[0.9, 0.06, 0.04]] * 85 + [[0.4, 0.35, 0.25]] * 15
TRUTH = [0] * 85 + [1] * 15  # scores 0.1 and 0.65: at level 0.9 the limit is 0.65
REFERENCE = example_reference(X, rungs={"model": ROWS}, targets=TRUTH)
GUARD = ConformalSet().prepare(REFERENCE)


def check(guard: ConformalSet, probabilities: list[float], rung: str = "model") -> Finding:
    return guard.check(example_batch(X, rung=rung, probabilities=[probabilities]).inference(0))


@pytest.mark.parametrize(
    ("probabilities", "members", "severity", "reason"),
    [
        ([0.9, 0.06, 0.04], (True, False, False), Severity.OK, "conformal.wide"),
        ([0.5, 0.4, 0.1], (True, True, False), Severity.OK, "conformal.wide"),
        ([0.36, 0.36, 0.36], (True, True, True), Severity.OK, "conformal.wide"),
        ([0.34, 0.33, 0.33], (False, False, False), Severity.WARN, "conformal.empty"),
    ],
)
def test_the_set_holds_the_classes_that_may_be_and_warns_when_none_fits(
    probabilities: list[float], members: tuple[bool, ...], severity: Severity, reason: str
) -> None:
    found = check(GUARD, probabilities)
    assert found.measured == Measured(members=members)
    assert (found.severity, found.reason, found.observed) == (severity, reason, sum(members))


def test_a_set_larger_than_declared_warns() -> None:
    small = ConformalSet(max_size=1).prepare(REFERENCE)
    assert check(small, [0.5, 0.4, 0.1]).severity is Severity.WARN
    assert check(small, [0.9, 0.06, 0.04]).severity is Severity.OK
    assert check(small, [0.34, 0.33, 0.33]).severity is Severity.WARN  # an empty set fits no size
    undecided = ConformalSet(max_size=2).prepare(REFERENCE)
    assert check(undecided, [0.36, 0.36, 0.36]).severity is Severity.WARN


def changed(reference: Reference, **changes: Any) -> Reference:
    rung = msgspec.structs.replace(reference.rungs["model"], **changes)
    return msgspec.structs.replace(reference, rungs={"model": rung})


@pytest.mark.parametrize(
    ("guard", "rung"),
    [
        (GUARD, "another"),
        (ConformalSet().prepare(changed(REFERENCE, coverage=Coverage.VOID)), "model"),
        (ConformalSet().prepare(example_reference(X, rungs={"model": ROWS[:8]}, targets=TRUTH[:8])), "model"),
        (ConformalSet(), "model"),
    ],
    ids=["another rung", "void", "too few rows for the level", "no reference"],
)
def test_without_a_sound_calibration_there_is_no_set(guard: ConformalSet, rung: str) -> None:
    found = check(guard, [0.9, 0.06, 0.04], rung)
    assert (found.severity, found.reason) == (Severity.OK, "conformal.uncalibrated")
    assert not found.measured
    batch = example_batch(X, rung=rung, probabilities=[[0.9, 0.06, 0.04]])
    assert not guard.screen(batch).measured


def test_sets_hold_the_truth_as_often_as_declared_and_within_each_class_where_told() -> None:
    rng = np.random.default_rng(5)
    P = rng.dirichlet([6.0, 2.0, 1.0], 30_000)
    truth = (P.cumsum(axis=1) > rng.random((30_000, 1))).argmax(axis=1)
    calibrating = {"rungs": {"model": P[:5000].tolist()}, "targets": truth[:5000].tolist()}
    reference = example_reference(X, **calibrating)
    fresh = example_batch({"x": [1.0] * 25_000}, rung="model", probabilities=P[5000:].tolist())
    for guard in (ConformalSet(level=0.9), ConformalSet(level=0.9, per_class=True)):
        members = guard.prepare(reference).screen(fresh).measured["members"]
        held = members[np.arange(25_000), truth[5000:]]
        assert held.mean() == pytest.approx(0.9, abs=0.015)
        if guard.per_class:
            each = [held[truth[5000:] == number].mean() for number in range(3)]
            assert each == pytest.approx([0.9] * 3, abs=0.04)


def test_a_gate_that_answers_a_number_takes_intervals() -> None:
    with pytest.raises(OpeningError, match="use ConformalInterval"):
        ConformalSet().prepare(example_reference(X, rungs={"model": [1.0, 2.0]}))


def test_per_class_needs_a_calibration_per_class() -> None:
    pooled = changed(REFERENCE, calibration=Calibration((np.linspace(0.0, 1.0, 50),), np.zeros(0)))
    assert check(ConformalSet().prepare(pooled), [0.9, 0.06, 0.04]).measured
    with pytest.raises(OpeningError, match="per-class calibration"):
        ConformalSet(per_class=True).prepare(pooled)


@pytest.mark.parametrize("given", [{"level": 1.0}, {"level": 90}, {"max_size": 0}])
def test_levels_and_sizes_that_mean_nothing_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(DeclarationError):
        ConformalSet(**given)
