"""The path, end to end in process: what each kind of trouble becomes."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from tests.examples import Crashing, Limit, Pair, pair_features, pair_gate
from wardline import Action, Chain, Coverage, Gate, Python, Risk, Rule, Settings, Stage, Tabular
from wardline.errors import DeclarationError, OpeningError
from wardline.verdict import STERNNESS, Finding, Severity, doubt

EXAMPLE = {"a": 1.0, "b": 2.0}


def reasons(verdict: Any) -> list[str]:
    return [finding.reason for finding in verdict.findings]


def test_a_plain_row_is_served_by_the_primary() -> None:
    verdict = pair_gate().gate(EXAMPLE)
    assert (verdict.action, verdict.prediction, verdict.served_by, verdict.rung) == (
        Action.SERVE, 6.0, "model", 0,
    )  # fmt: skip
    assert verdict.findings == ()


def test_a_broken_contract_is_a_reject_that_reaches_no_model() -> None:
    seen: list[int] = []

    def watching(matrix: Any) -> Any:
        seen.append(len(matrix))
        return matrix[:, 0]

    opened = pair_gate(model=watching)
    seen.clear()
    verdict = opened.gate({"a": 1000.0, "b": 2.0})
    assert (verdict.action, verdict.prediction, verdict.rung) == (Action.REJECT, None, None)
    assert seen == []
    assert len(opened.sink.records) == 1


@pytest.mark.parametrize(("a", "action"), [(1.0, Action.SERVE), (15.0, Action.FLAG), (25.0, Action.ABSTAIN)])
def test_input_guards_flag_and_block(a: float, action: Action) -> None:
    assert pair_gate([Limit(10, 20)]).gate({"a": a, "b": 0.0}).action is action


def test_a_rung_that_may_answer_blocked_input_does() -> None:
    verdict = pair_gate([Limit(10, 20)], rule_answers_blocked=True).gate({"a": 25.0, "b": 0.0})
    assert (verdict.action, verdict.served_by, verdict.prediction) == (Action.FALLBACK, "rule", -1.0)


def test_an_output_guard_sends_the_row_to_the_next_rung() -> None:
    verdict = pair_gate([Limit(50, 60, stage=Stage.OUTPUT)]).gate({"a": 30.0, "b": 5.0})
    assert (verdict.action, verdict.served_by) == (Action.FALLBACK, "rule")
    assert reasons(verdict) == ["limit.over"]


@pytest.mark.parametrize(("a", "reason"), [(60.0, "chain.error"), (45.0, "chain.not_finite")])
def test_a_model_that_raises_or_answers_nan_falls_back(a: float, reason: str) -> None:
    verdict = pair_gate().gate({"a": a, "b": 0.0})
    assert (verdict.action, verdict.served_by) == (Action.FALLBACK, "rule")
    assert reasons(verdict) == [reason]


@pytest.mark.parametrize("size", [3, 40])
def test_rows_of_a_batch_are_isolated(size: int) -> None:
    rows = [dict(EXAMPLE) for _ in range(size)]
    rows[0]["a"] = 60.0  # poison: alone falls back
    rows[1]["a"] = 1000.0  # breaks the contract: alone is rejected
    verdicts = pair_gate().gate.batch(rows)
    assert verdicts[0].action is Action.FALLBACK
    assert verdicts[1].action is Action.REJECT
    assert {verdict.action for verdict in verdicts[2:]} == {Action.SERVE}


def test_a_batch_of_columns_says_what_its_rows_would() -> None:
    rng = np.random.default_rng(7)
    columns = {"a": rng.uniform(-110, 110, 200), "b": rng.uniform(-100, 100, 200)}
    rows = [{"a": a, "b": b} for a, b in zip(columns["a"].tolist(), columns["b"].tolist(), strict=True)]
    opened = pair_gate(
        [Limit(10, 20), Limit(100, 150, name="out", stage=Stage.OUTPUT)], rule_answers_blocked=True
    )
    by_column, by_row = opened.gate.batch(columns), [opened.gate(row) for row in rows]
    assert [v.action for v in by_column] == [v.action for v in by_row]
    assert [v.prediction for v in by_column] == [v.prediction for v in by_row]
    assert [reasons(v) for v in by_column] == [reasons(v) for v in by_row]
    assert len(set(by_column.records.actions.tolist())) >= 4


@pytest.mark.parametrize(
    ("risk", "stage", "action"),
    [
        (Risk.CLOSED, Stage.INPUT, Action.ABSTAIN),
        (Risk.OPEN, Stage.INPUT, Action.FLAG),
        (Risk.CLOSED, Stage.OUTPUT, Action.ABSTAIN),
        (Risk.OPEN, Stage.OUTPUT, Action.FLAG),
    ],
)
def test_a_crashed_guard_costs_what_the_risk_profile_says(risk: Risk, stage: Stage, action: Action) -> None:
    verdict = pair_gate([Crashing(stage=stage)], risk=risk).gate(EXAMPLE)
    assert verdict.action is action
    assert "guard.crashed" in reasons(verdict)


@pytest.mark.parametrize(
    ("risk", "a", "action", "prediction"),
    [
        (Risk.CLOSED, 25.0, Action.ABSTAIN, None),
        (Risk.OPEN, 25.0, Action.FLAG, 50.0),  # blocked input, answered all the same
        (Risk.OPEN, 60.0, Action.ABSTAIN, None),  # the model raises: there is nothing to give
    ],
)
def test_an_exhausted_chain_fails_as_declared(
    risk: Risk, a: float, action: Action, prediction: float | None
) -> None:
    from tests.examples import doubling

    chain = Chain(Python(lambda: doubling, name="model"))
    verdict = pair_gate([Limit(10, 20)], risk=risk, chain=chain).gate({"a": a, "b": 0.0})
    assert (verdict.action, verdict.prediction) == (action, prediction)
    assert ("chain.failed_open" in reasons(verdict)) == (prediction is not None)


def test_failing_open_gives_the_answer_that_an_output_guard_withheld() -> None:
    from tests.examples import doubling

    chain = Chain(Python(lambda: doubling, name="model"))
    guards = [Limit(50, 60, stage=Stage.OUTPUT)]
    verdict = pair_gate(guards, risk=Risk.OPEN, chain=chain).gate({"a": 30.0, "b": 5.0})
    assert (verdict.action, verdict.prediction) == (Action.FLAG, 70.0)
    assert reasons(verdict) == ["limit.over", "chain.failed_open"]


def test_features_that_raise_block_their_row_alone_and_open_risk_does_not_guess() -> None:
    from typing import NamedTuple

    from tests.examples import MemorySink
    from wardline import features

    class Inverse(NamedTuple):
        one_over_a: float

    def inverse(row: Pair) -> Inverse:
        return Inverse(1 / row.a)

    for risk in Risk:
        gate = Gate(
            "inverse",
            contract=Tabular(Pair, examples=[EXAMPLE]),
            features=features(version="1")(inverse),
            chain=Chain(Python(lambda: lambda matrix: np.nan_to_num(matrix[:, 0]), name="model")),
            risk=risk,
        )
        gate.open(Settings(), sink=MemorySink())
        verdicts = gate.batch([EXAMPLE, {"a": 0.0, "b": 1.0}])
        assert [verdict.action for verdict in verdicts] == [Action.SERVE, Action.ABSTAIN]
        assert reasons(verdicts[1]) == ["features.error"]


def test_a_breaker_leaves_a_failing_rung_alone() -> None:
    opened = pair_gate()
    for _ in range(3):
        assert reasons(opened.gate({"a": 60.0, "b": 0.0})) == ["chain.error"]
    verdict = opened.gate(EXAMPLE)
    assert verdict.action is Action.FALLBACK
    assert reasons(verdict) == ["chain.breaker_open"]


def test_one_poisoned_row_does_not_open_the_breaker_for_its_neighbours() -> None:
    opened = pair_gate()
    for _ in range(10):
        verdicts = opened.gate.batch([{"a": 60.0, "b": 0.0}, EXAMPLE])
    assert [verdict.action for verdict in verdicts] == [Action.FALLBACK, Action.SERVE]


def test_every_row_leaves_exactly_one_record_with_the_callers_id() -> None:
    opened = pair_gate([Limit(10, 20)])
    verdicts = [*opened.gate.batch([EXAMPLE, {"a": 25.0, "b": 0.0}, {"a": None}]), opened.gate(EXAMPLE)]
    recorded = [records.id_of(place) for records in opened.sink.records for place in range(len(records))]
    assert recorded == [verdict.request_id for verdict in verdicts]
    assert len(set(recorded)) == 4


def test_a_fault_of_the_gate_itself_still_leaves_a_record_for_every_row() -> None:
    opened = pair_gate()
    opened.gate.open().inputs = None
    with pytest.raises(AttributeError):
        opened.gate.batch([EXAMPLE, {"a": None}, EXAMPLE])
    records = opened.sink.records[-1]
    assert [list(STERNNESS)[code] for code in records.actions] == [
        Action.ABSTAIN, Action.REJECT, Action.ABSTAIN,
    ]  # fmt: skip
    assert records.findings[0][0].reason == "gate.error"
    assert records.rungs.tolist() == [-1, -1, -1]


def test_the_action_column_is_what_decide_would_say() -> None:
    opened = pair_gate([Limit(10, 20)])
    records = opened.gate.batch(
        [EXAMPLE, {"a": 15.0, "b": 0.0}, {"a": 25.0, "b": 0.0}, {"a": 60.0, "b": 0.0}]
    ).records
    assert [list(STERNNESS)[code] for code in records.actions] == [
        Action.SERVE, Action.FLAG, Action.ABSTAIN, Action.ABSTAIN,
    ]  # fmt: skip


def test_without_a_calibration_coverage_is_void() -> None:
    uncertainty = pair_gate().gate(EXAMPLE).uncertainty
    assert uncertainty.coverage_status is Coverage.VOID
    assert uncertainty.level is None


def test_stage_times_are_taken_for_every_stage() -> None:
    opened = pair_gate([Limit(10, 20), Limit(1e9, 1e9, name="out", stage=Stage.OUTPUT)])
    opened.gate(EXAMPLE)
    assert len(opened.sink.records[-1].stages_us) == 6
    assert all(spent > 0 for spent in opened.sink.records[-1].stages_us)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "not a name"},
        {"guards": [Limit(1, 2), Limit(3, 4)]},
        {"guards": [object()]},
        {"slices": ["nowhere"]},
    ],
)
def test_a_gate_that_contradicts_itself_is_refused_when_declared(change: dict[str, Any]) -> None:
    declaration: dict[str, Any] = {
        "name": "pair",
        "contract": Tabular(Pair, examples=[EXAMPLE]),
        "features": pair_features,
        "chain": Chain(Rule(lambda row: 1.0)),
        **change,
    }
    with pytest.raises(DeclarationError):
        Gate(declaration.pop("name"), **declaration)


def test_two_rungs_of_one_name_are_refused() -> None:
    with pytest.raises(DeclarationError, match="rule"):
        Chain(Rule(lambda row: 1.0), Rule(lambda row: 2.0))


def test_a_rung_that_cannot_answer_the_example_keeps_the_gate_shut() -> None:
    def broken(matrix: Any) -> Any:
        raise RuntimeError("no weights")

    with pytest.raises(OpeningError, match="model does not answer"):
        pair_gate(model=broken)


def test_building_a_gate_starts_nothing() -> None:
    before = set(threading.enumerate())
    loaded: list[int] = []

    def load() -> Any:
        loaded.append(1)
        return lambda matrix: matrix[:, 0]

    Gate(
        "lazy",
        contract=Tabular(Pair, examples=[EXAMPLE]),
        features=pair_features,
        chain=Chain(Python(load, name="model")),
    )
    assert loaded == []
    assert set(threading.enumerate()) <= before  # those of other tests may end meanwhile


@pytest.mark.parametrize(
    ("stage", "severity", "left"),
    [
        (Stage.INPUT, Severity.OK, Coverage.VALID),
        (Stage.INPUT, Severity.WARN, Coverage.WATCH),
        (Stage.INPUT, Severity.BLOCK, Coverage.VOID),
        (Stage.OUTPUT, Severity.WARN, Coverage.VALID),
        (Stage.OUTPUT, Severity.BLOCK, Coverage.WATCH),
        (Stage.CHAIN, Severity.BLOCK, Coverage.VALID),
    ],
)
def test_what_was_found_about_a_row_takes_from_its_stated_coverage(
    stage: Stage, severity: Severity, left: Coverage
) -> None:
    assert doubt([Finding("g", stage, severity, "g.reason")]) is left
