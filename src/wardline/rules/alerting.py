"""Alert rules: the signals of a gate with the people who answer for them written into each.

Owner, page, escalation and runbook are labels and annotations of the rule itself, so that no join is there
to fail while replicas disagree. Where nobody acknowledges, a second rule with a longer `for` pages the
escalation. Every rule has enough rows or a time to wait, so that a quiet service is not an alarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wardline.gate import Gate
from wardline.monitoring import AlertRule
from wardline.owner import Owner
from wardline.rules.recording import FEATURE, LOG, RESPONSES, ROWS, Names, Rule

_NOBODY = Owner(team="", page="", escalate="", runbook="")

BURNS = (("1h", "5m", 14.4), ("6h", "30m", 6.0))
"""Windows and how many times the error budget they may burn (Site Reliability Workbook, chapter 5)."""

OBJECTIVE = 0.999
"""The share of responses that are no fault of ours."""

LEAST = 100
"""Responses in the short window below which a burn rate says nothing."""


@dataclass(frozen=True)
class Signal:
    """One condition: `signal` finds its rule and owner, `expr` is true while it lasts."""

    name: str
    signal: str
    severity: str
    expr: str
    summary: str
    lasting: str = "0s"


def alerting(gate: Gate, names: Names) -> list[Rule]:
    """Return the alert rules of a gate: each signal once for its page and once for its escalation."""
    found: list[Rule] = []
    for signal in signals(gate, names):
        rule = gate.monitoring.rule(signal.signal) or AlertRule(signal.signal)
        owner = owner_of(gate, signal.signal)
        lasting = max(_seconds(signal.lasting), rule.for_s)
        found.append(_rule(gate, signal, owner, owner.page, lasting))
        if owner.escalate and signal.severity == "alert":
            late = _rule(gate, signal, owner, owner.escalate, lasting + rule.escalate_s)
            late["alert"] += "Escalated"
            late["labels"]["escalation"] = "true"
            found.append(late)
    return [*found, _watchdog(gate)]


def owner_of(gate: Gate, signal: str) -> Owner:
    """Return who answers for a signal of a gate: the rule's own owner, or the gate's for that rule."""
    rule = gate.monitoring.rule(signal)
    if rule is not None and rule.owner is not None:
        return rule.owner
    return (gate.owner or _NOBODY).of(rule.title if rule is not None else signal)


def signals(gate: Gate, names: Names) -> Iterator[Signal]:
    """Give every condition that is watched."""
    yield from _features(gate, names)
    yield from _service(gate, names)
    yield from _upkeep(gate, names)


def _features(gate: Gate, names: Names) -> Iterator[Signal]:
    monitoring = gate.monitoring
    enough = f"and on ({FEATURE}) {names.of('feature_rows')} >= {monitoring.rows}"
    believed = f"and on ({FEATURE}) {names.of('psi')} > on ({FEATURE}) {names.of('psi_noise')}"
    for severity, least in (("alert", monitoring.alert), ("warn", monitoring.warn)):
        yield Signal(
            f"WardlineDrift{severity.capitalize()}", "drift.psi", severity,
            f"{names.of('psi')} >= {least:g} {believed} {enough}",
            "{{ $labels.feature }} of {{ $labels.gate }} is distributed otherwise than in training: PSI "
            "{{ $value | printf \"%.2f\" }} over " + names.window,
        )  # fmt: skip
    before = f'{names.name("reference_bin_rows")}{{gate="{gate.name}", bin="missing"}}'
    none_before = f"and on ({FEATURE}) sum by ({FEATURE}) ({before}) == 0"
    yield Signal(
        "WardlineMissing", "quality.null", "alert",
        f"{names.of('missing_rate')} > {monitoring.missing_rate:g} {none_before} {enough}",
        "{{ $value | humanizePercentage }} of {{ $labels.feature }} is missing; training always had it",
    )  # fmt: skip
    yield Signal(
        "WardlineStrange", "quality.range", "warn",
        f"{names.of('strange_rate')} > {monitoring.new_rate:g} {enough}",
        "{{ $value | humanizePercentage }} of {{ $labels.feature }} is outside what training had",
    )  # fmt: skip


def _service(gate: Gate, names: Names) -> Iterator[Signal]:
    launch = gate.launch
    rows = f'sum by (gate) (increase({ROWS}{{gate="{gate.name}"}}[{names.window}]))'
    enough = f"and on (gate) {rows} >= {gate.monitoring.rows}"
    for action, most in (("fallback", launch.fallback_rate), ("abstain", launch.abstain_rate)):
        if most is not None:
            yield Signal(
                f"Wardline{action.capitalize()}", f"model.{action}", "alert",
                f'{names.name("action_rate")}{{gate="{gate.name}", action="{action}"}} > {most:g} {enough}',
                f"{{{{ $value | humanizePercentage }}}} of rows end in {action}; {most:.2%} was acceptable",
            )  # fmt: skip
    for long, short, factor in BURNS:
        both = " and on (gate) ".join(
            f"{_errors(gate.name, window)} > {factor * (1 - OBJECTIVE):g}" for window in (long, short)
        )
        total = f'sum by (gate) (increase({RESPONSES}{{gate="{gate.name}"}}[{long}]))'
        yield Signal(
            f"WardlineErrors{long}", "serving.errors", "alert",
            f"{both} and on (gate) {total} >= {LEAST}",
            f"faults of ours burn the error budget {factor:g} times too fast over {long}",
        )  # fmt: skip


def _upkeep(gate: Gate, names: Names) -> Iterator[Signal]:
    who = f'{{gate="{gate.name}"}}'
    yield Signal(
        "WardlineNoData", "quality.silence", "alert", f"absent({ROWS}{who})",
        f"nothing is heard of {gate.name}: no replica is scraped", "5m",
    )  # fmt: skip
    yield Signal(
        "WardlineRecordsDropped", "serving.dropped", "alert",
        f'sum by (gate) (increase({LOG}{{gate="{gate.name}", what="dropped"}}[{names.window}])) > 0',
        "{{ $value }} records were dropped: the log is not whole",
    )  # fmt: skip
    yield Signal(
        "WardlineMonitorDead", "serving.monitor", "alert",
        f"time() - max by (gate) (wardline_monitor_heartbeat_timestamp_seconds{who}) > "
        f"{4 * gate.monitoring.age_s:g}",
        f"the monitor of {gate.name} is silent: nothing of it can be believed", "1m",
    )  # fmt: skip
    yield Signal(
        "WardlineNoOwner", "serving.owner", "alert", f'wardline_gate_info{{gate="{gate.name}", owner=""}}',
        f"nobody answers for {gate.name}: give the gate an Owner",
    )  # fmt: skip


def _errors(gate: str, window: str) -> str:
    def responses(extra: str) -> str:
        return f'sum by (gate) (rate({RESPONSES}{{gate="{gate}"{extra}}}[{window}]))'

    return f"({responses(', code=~' + chr(34) + '5..' + chr(34))} / {responses('')})"


def _rule(gate: Gate, signal: Signal, owner: Owner, page: str, lasting: float) -> Rule:
    labels = {"gate": gate.name, "signal": signal.signal, "severity": signal.severity,
              "team": owner.team, "page": page}  # fmt: skip
    rule: dict[str, Any] = {"alert": signal.name, "expr": signal.expr}
    if lasting:
        rule["for"] = f"{lasting:g}s"
    rule["labels"] = labels
    rule["annotations"] = {"summary": signal.summary, "runbook": owner.runbook}
    return rule


def _watchdog(gate: Gate) -> Rule:
    """Return the rule that always fires: whoever no longer hears it knows that the paging is broken."""
    owner = gate.owner or _NOBODY
    return {
        "alert": "WardlineWatchdog", "expr": "vector(1)",
        "labels": {"gate": gate.name, "severity": "none", "page": "watchdog"},
        "annotations": {"summary": "this always fires: silence means that paging is broken",
                        "runbook": owner.runbook},
    }  # fmt: skip


def _seconds(text: str) -> float:
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]
