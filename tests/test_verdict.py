"""The policy is pure and monotone: more trouble never makes the action milder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline.verdict import STERNNESS, Action, Finding, Severity, Stage, decide

FINDINGS = st.builds(
    Finding, st.just("g"), st.sampled_from(Stage), st.sampled_from(Severity), st.just("g.reason")
)
RUNGS = st.none() | st.integers(0, 5)


@given(st.lists(FINDINGS, max_size=6), FINDINGS, RUNGS)
def test_a_further_finding_never_makes_the_action_milder(
    findings: list[Finding], more: Finding, rung: int | None
) -> None:
    assert STERNNESS[decide([*findings, more], rung)] >= STERNNESS[decide(findings, rung)]


@given(st.lists(FINDINGS, max_size=6), st.integers(0, 4))
def test_a_later_rung_never_makes_the_action_milder(findings: list[Finding], rung: int) -> None:
    by_rung = [STERNNESS[decide(findings, r)] for r in (rung, rung + 1, None)]
    assert by_rung == sorted(by_rung)


@given(st.lists(FINDINGS, max_size=6), RUNGS, st.randoms())
def test_the_order_of_findings_does_not_matter(
    findings: list[Finding], rung: int | None, random: object
) -> None:
    assert decide(findings, rung) is decide(findings[::-1], rung)


@pytest.mark.parametrize(
    ("stage", "severity", "rung", "action"),
    [
        (Stage.CONTRACT, Severity.BLOCK, None, Action.REJECT),
        (Stage.INPUT, Severity.OK, 0, Action.SERVE),
        (Stage.INPUT, Severity.WARN, 0, Action.FLAG),
        (Stage.INPUT, Severity.BLOCK, 1, Action.FALLBACK),
        (Stage.OUTPUT, Severity.BLOCK, None, Action.ABSTAIN),
        (Stage.CHAIN, Severity.BLOCK, 2, Action.FALLBACK),
    ],
)
def test_each_case_has_its_action(stage: Stage, severity: Severity, rung: int | None, action: Action) -> None:
    assert decide([Finding("g", stage, severity, "g.reason")], rung) is action
