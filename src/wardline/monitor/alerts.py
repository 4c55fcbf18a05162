"""Alerts: from signals that come and go to one alarm a change, with an owner, until it is over. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from wardline.health import Held
from wardline.monitor.plan import OTHER
from wardline.monitor.signal import Signal, Standing
from wardline.monitoring import AlertRule, Monitoring
from wardline.owner import Owner

TOGETHER_S = 60.0
"""Signals that begin within so many seconds of an alert are taken for the same change."""

CONSEQUENCES = ("model", "sequence")
"""Families that follow from a change of the inputs: told with it, where the owner is the same."""


UNHELD = ("drift.cohort", "camera.identity.firmware")
"""What is told and never held: cohorts that differ, and a camera's new name for what may be as before."""


class State(StrEnum):
    """Where an alert stands."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


OPEN = (State.FIRING, State.ACKNOWLEDGED)


class Alert(msgspec.Struct):
    """One change and everything that tells of it. `signals` are keys, in the order they came."""

    id: str
    rule: str
    severity: str
    state: State
    begun: float
    signals: list[str]
    owner: str = ""
    page: str = ""
    escalate: str = ""
    runbook: str = ""
    do: str = "nothing"
    fired: float | None = None
    clear: float | None = None
    escalated: bool = False
    told: int = 0
    """How many of the signals the people who were paged have heard of."""


class Silence(msgspec.Struct, frozen=True):
    """No messages about signals that begin with `match` until a time, in seconds since the epoch."""

    match: str
    until: float
    by: str = ""


class Event(msgspec.Struct, frozen=True):
    """One line of alerts.jsonl: what became of an alert, or what a person said about it.

    `was` is empty for a new alert; `to` is its state now, or "escalated", "joined" (a further signal of
    the same change), "grew" (people are told what joined after their page) or "silenced".
    """

    at: float
    gate: str
    id: str
    was: str
    to: str
    alert: Alert | None = None
    evidence: Mapping[str, Any] = {}
    by: str = ""
    silence: Silence | None = None
    quiet: bool = False


NOBODY = Owner("", "", "", "")


class Board:
    """All open alerts of a gate. Its state is a fold of its events: `apply` them again after a restart."""

    def __init__(self, gate: str, monitoring: Monitoring, owner: Owner | None) -> None:
        self.gate = gate
        self.monitoring = monitoring
        self.owner = owner or NOBODY
        self.alerts: dict[str, Alert] = {}
        self.silences: list[Silence] = []
        self._quiet: dict[str, float] = {}

    def apply(self, event: Event) -> None:
        """Take over one event, of ours from before or of a person's through another process."""
        if event.silence is not None:
            self.silences.append(event.silence)
        held = self.alerts.get(event.id)
        if event.by and event.alert is None:
            if held is not None and event.to == State.ACKNOWLEDGED and held.state is State.FIRING:
                held.state = State.ACKNOWLEDGED
            return
        if event.alert is None:
            return
        alert = msgspec.convert(msgspec.to_builtins(event.alert), Alert)
        if alert.state is State.RESOLVED:
            self.alerts.pop(event.id, None)
            self._cool(alert, event.at)
        else:
            self.alerts[event.id] = alert

    def update(self, signals: Sequence[Signal], now: float) -> list[Event]:
        """Move every alert on, by what the signals say now; return what happened, in order."""
        standing = {signal.key: signal for signal in signals}
        self.silences = [silence for silence in self.silences if silence.until > now]
        self._quiet = {key: until for key, until in self._quiet.items() if until > now}
        events: list[Event] = []
        told = {key for alert in self.alerts.values() for key in alert.signals}
        for signal in signals:
            for rule in self._rules(signal):
                if _hot(signal, rule) and signal.key not in told and signal.key not in self._quiet:
                    told.add(signal.key)
                    events += self._begin(signal, rule, now)
        for alert in list(self.alerts.values()):
            events += self._advance(alert, standing, now)
        return events

    def _rules(self, signal: Signal) -> Iterator[AlertRule]:
        rule = self.monitoring.rule(signal.name)
        if rule is not None:
            yield rule
        if signal.name == "drift.psi":
            yield from (rule for rule in self.monitoring.rules if rule.signal == PLAIN)

    def _begin(self, signal: Signal, rule: AlertRule, now: float) -> list[Event]:
        """Open an alert, or tell an open one that it is larger than it seemed."""
        owner = rule.owner or self.owner.of(rule.title)
        for alert in self.alerts.values():
            same = alert.rule == rule.title
            follows = (
                signal.family in CONSEQUENCES
                and rule.do == "nothing"
                and alert.page == owner.page
                and alert.signals[0].partition(".")[0] not in CONSEQUENCES
            )
            if (same or follows) and now - alert.begun <= TOGETHER_S:
                alert.signals.append(signal.key)
                return [self._event(alert, alert.state.value, "joined", now)]
        told = f"{self.gate}|{rule.title}|{signal.key}|{now:.3f}"
        alert = Alert(
            hashlib.sha256(told.encode()).hexdigest()[:10], rule.title, rule.severity, State.PENDING, now,
            [signal.key], owner.team, owner.page, owner.escalate, owner.runbook, rule.do,
        )  # fmt: skip
        self.alerts[alert.id] = alert
        return [self._event(alert, "", State.PENDING.value, now)]

    def _advance(self, alert: Alert, standing: Mapping[str, Signal], now: float) -> Iterator[Event]:
        rule = next((rule for rule in self.monitoring.rules if rule.title == alert.rule), None)
        clear = rule is None or all(_clear(standing.get(key), rule) for key in alert.signals)
        alert.clear = None if not clear else now if alert.clear is None else alert.clear
        if rule is None or (alert.clear is not None and now - alert.clear >= rule.clear_s) or (
            clear and alert.state is State.PENDING
        ):  # fmt: skip
            was, alert.state = alert.state.value, State.RESOLVED
            del self.alerts[alert.id]
            self._cool(alert, now)
            yield self._event(alert, was, State.RESOLVED.value, now)
            return
        if alert.state is State.PENDING and now - alert.begun >= rule.for_s:
            alert.state, alert.fired, alert.told = State.FIRING, now, len(alert.signals)
            yield self._event(alert, State.PENDING.value, State.FIRING.value, now)
        if alert.state in OPEN and alert.told < len(alert.signals) and now - alert.begun > TOGETHER_S:
            alert.told = len(alert.signals)  # nothing joins any more: one message tells of all that did
            yield self._event(alert, alert.state.value, "grew", now)
        if (
            alert.state is State.FIRING
            and not alert.escalated
            and now - (alert.fired or now) >= rule.escalate_s
        ):
            alert.escalated = True
            yield self._event(alert, State.FIRING.value, "escalated", now)

    def _cool(self, alert: Alert, now: float) -> None:
        rule = next((rule for rule in self.monitoring.rules if rule.title == alert.rule), None)
        if rule is not None and rule.cool_s > 0:
            self._quiet |= dict.fromkeys(alert.signals, now + rule.cool_s)

    def _event(self, alert: Alert, was: str, to: str, now: float) -> Event:
        quiet = all(self.silenced(key, now) for key in alert.signals)
        kept = msgspec.convert(msgspec.to_builtins(alert), Alert)
        return Event(now, self.gate, alert.id, was, to, kept, quiet=quiet)

    def silenced(self, key: str, now: float) -> bool:
        """Say whether somebody asked for quiet about a signal."""
        return any(key.startswith(silence.match) and silence.until > now for silence in self.silences)

    def counts(self) -> dict[str, int]:
        """How many alerts are in each open state."""
        states = [alert.state.value for alert in self.alerts.values()]
        return {state.value: states.count(state.value) for state in (State.PENDING, *OPEN)}

    def holds(self) -> tuple[Held, ...]:
        """What the gate should not trust now."""
        return tuple(self._holds())

    def _holds(self) -> Iterator[Held]:
        for alert in self.alerts.values():
            if alert.do != "hold" or alert.state not in OPEN:
                continue
            severity = "block" if alert.severity == "alert" else "warn"
            for key in alert.signals:
                name, subject, where = split(key)
                column, _, value = where.partition("=")
                if name in UNHELD or value == OTHER or name.split(".")[0] in CONSEQUENCES:
                    continue
                yield Held(subject or name, alert.id, name, severity, column, value)  # type: ignore[arg-type]


PLAIN = "drift.plain"
"""A rule about this signal pages by the bare threshold on the PSI, chance or not: for who must report it."""


def split(key: str) -> tuple[str, str, str]:
    """Take a signal's key apart: name, subject, slice.

    >>> split("drift.psi/distance/vendor_id=2"), split("quality.reject/vendor_id=2"), split("model.ood")
    (('drift.psi', 'distance', 'vendor_id=2'), ('quality.reject', '', 'vendor_id=2'), ('model.ood', '', ''))
    """
    name, *rest = key.split("/", 2)
    if not rest:
        return name, "", ""
    if "=" in rest[0]:  # no subject, and the slice's value may have a stroke in it
        return name, "", "/".join(rest)
    return name, rest[0], rest[1] if len(rest) > 1 else ""


def _hot(signal: Signal, rule: AlertRule) -> bool:
    if rule.signal == PLAIN:
        return signal.plain
    return signal.standing is Standing.ALERT or (rule.severity == "warn" and signal.standing is Standing.WARN)


def _clear(signal: Signal | None, rule: AlertRule) -> bool:
    """An alert clears below the threshold that warns, not below the one that alerted: no flutter."""
    if signal is None:
        return True
    if rule.signal == PLAIN:
        return not signal.plain
    if signal.standing is Standing.INSUFFICIENT:
        return signal.effect < signal.warn or signal.rows < signal.needed
    return signal.standing is Standing.OK


def subjects(keys: Iterable[str]) -> list[str]:
    """Name what some signals are about, each once."""
    return list(dict.fromkeys(subject or name for name, subject, _ in map(split, keys)))
