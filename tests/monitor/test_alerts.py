"""Alerts: one a change, by its rule's times, restored from their own journal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardline.monitor import journal
from wardline.monitor.alerts import Board, Event, Silence, State, split
from wardline.monitor.signal import Signal, Standing
from wardline.monitoring import USUAL_RULES, AlertRule, Monitoring
from wardline.owner import Owner

OWNER = Owner("loans", "loans-oncall", "platform", "docs/loans.md")


def board(*rules: AlertRule, owner: Owner = OWNER) -> Board:
    return Board("loan", Monitoring(rules=rules or USUAL_RULES), owner)


def signal(
    name: str = "drift.psi", subject: str = "income", standing: str = "alert", where: str = ""
) -> Signal:
    effect = {"alert": 0.4, "warn": 0.15}.get(standing, 0.01)
    return Signal(
        name, subject, where, effect, 0.1, 0.25, rows=1000, needed=1000, standing=Standing(standing),
        plain=effect >= 0.25,
    )  # fmt: skip


def told(events: list[Event]) -> list[str]:
    return [event.to for event in events]


def test_an_alert_fires_after_its_time_and_resolves_after_its_quiet() -> None:
    here = board(AlertRule("drift", for_s=5.0, clear_s=3.0))
    assert told(here.update([signal()], 100.0)) == ["pending"]
    assert told(here.update([signal()], 104.0)) == []
    assert told(here.update([signal()], 105.0)) == ["firing"]
    assert told(here.update([signal(standing="ok")], 106.0)) == []
    assert told(here.update([signal(standing="alert")], 107.0)) == []  # back before it was over
    assert told(here.update([signal(standing="ok")], 110.0)) == []
    assert told(here.update([signal(standing="ok")], 113.0)) == ["resolved"]
    assert not here.alerts


def test_what_passes_before_its_time_never_fires() -> None:
    here = board(AlertRule("drift", for_s=5.0))
    here.update([signal()], 100.0)
    assert told(here.update([signal(standing="ok")], 101.0)) == ["resolved"]


def test_it_does_not_flutter_around_its_threshold() -> None:
    here = board(AlertRule("drift", clear_s=0.0))
    events = [here.update([signal(standing=s)], 100.0 + i) for i, s in enumerate(["alert", "warn"] * 10)]
    assert [to for each in events for to in told(each)] == ["pending", "firing"]


def test_one_change_is_one_alarm_and_a_later_change_is_another() -> None:
    here = board()
    first = [signal(), signal(subject="age"), signal("model.prediction", "model")]
    assert told(here.update(first, 100.0)) == ["pending", "joined", "joined", "firing"]
    later = [*first, signal(subject="housing")]
    assert told(here.update(later, 500.0)) == ["pending", "firing"]
    assert len(here.alerts) == 2


def test_what_joins_after_the_page_is_told_once_when_nothing_joins_any_more() -> None:
    here = board()
    narrow, wide = signal(where="vendor=2"), signal()
    assert told(here.update([narrow], 100.0)) == ["pending", "firing"]
    assert told(here.update([narrow, wide], 110.0)) == ["joined"]
    assert told(here.update([narrow, wide, signal(subject="age")], 120.0)) == ["joined"]
    later = [here.update([narrow, wide], at) for at in (150.0, 161.0, 170.0, 400.0)]
    assert [told(events) for events in later] == [[], ["grew"], [], []]
    (grew,) = later[1]
    assert grew.alert is not None
    assert (grew.alert.signals[:2], grew.alert.told) == ([narrow.key, wide.key], 3)
    assert told(here.update([signal(where="vendor=2", standing="ok"), wide], 410.0)) == []
    assert told(here.update([], 411.0)) == []
    assert told(here.update([], 414.0)) == ["resolved"]  # over when all of it is


def test_a_silence_about_a_slice_does_not_quiet_what_joins_from_outside_of_it() -> None:
    here = board()
    about = Silence("drift.psi/income/vendor=2", 500.0, "ann")
    here.apply(Event(90.0, "loan", "", "", "silenced", by="ann", silence=about))
    narrow = signal(where="vendor=2")
    assert all(event.quiet for event in here.update([narrow], 100.0))
    assert not any(event.quiet for event in here.update([narrow, signal()], 110.0))
    assert [(event.to, event.quiet) for event in here.update([narrow, signal()], 161.0)] == [("grew", False)]


def test_a_consequence_with_another_owner_is_told_to_that_owner() -> None:
    other = Owner("ml", "ml-oncall", "platform", "docs/ml.md")
    owner = Owner("loans", "loans-oncall", "platform", "docs/loans.md", overrides={"model": other})
    here = board(owner=owner)
    here.update([signal(), signal("model.prediction", "model")], 100.0)
    assert {alert.page for alert in here.alerts.values()} == {"loans-oncall", "ml-oncall"}


def test_nobody_acknowledges_so_it_escalates_once() -> None:
    here = board(AlertRule("drift", escalate_s=60.0))
    here.update([signal()], 100.0)
    assert told(here.update([signal()], 160.0)) == ["escalated"]
    assert told(here.update([signal()], 400.0)) == []


def test_what_somebody_acknowledged_is_not_escalated() -> None:
    here = board(AlertRule("drift", escalate_s=60.0))
    (_, fired) = here.update([signal()], 100.0)
    here.apply(Event(110.0, "loan", fired.id, "firing", "acknowledged", by="ann"))
    assert here.counts() == {"pending": 0, "firing": 0, "acknowledged": 1}
    assert told(here.update([signal()], 1000.0)) == []
    here.update([signal(standing="ok")], 1001.0)
    (over,) = here.update([signal(standing="ok")], 1010.0)
    assert (over.was, over.to) == ("acknowledged", "resolved")


def test_after_an_alert_its_signals_are_quiet_for_the_cool_down() -> None:
    here = board(AlertRule("drift", clear_s=0.0, cool_s=100.0))
    here.update([signal()], 100.0)
    here.update([signal(standing="ok")], 101.0)
    assert told(here.update([signal()], 150.0)) == []
    assert told(here.update([signal()], 202.0)) == ["pending", "firing"]


def test_a_silence_quiets_messages_and_not_the_record() -> None:
    here = board()
    here.apply(
        Event(90.0, "loan", "", "", "silenced", by="ann", silence=Silence("drift.psi/inc", 150.0, "ann"))
    )
    assert all(event.quiet for event in here.update([signal()], 100.0))
    assert not any(event.quiet for event in here.update([signal(subject="age")], 300.0))


def test_holds_are_what_fires_under_a_rule_that_holds() -> None:
    here = board()
    here.update([signal(), signal(subject="age", where="region=north"), signal("model.ood", "")], 100.0)
    held = {(each.subject, each.column, each.value) for each in here.holds()}
    assert held == {("income", "", ""), ("age", "region", "north")}
    quality = board()
    quality.update([signal("quality.null")], 100.0)
    assert quality.holds() == ()


def test_a_warning_rule_holds_mildly() -> None:
    here = board(AlertRule("drift", severity="warn", do="hold"))
    here.update([signal(standing="warn")], 100.0)
    assert [held.severity for held in here.holds()] == ["warn"]


def test_the_plain_rule_pages_without_evidence_where_it_is_asked_for() -> None:
    chance = Signal("drift.psi", "age", effect=0.3, warn=0.1, alert=0.25, standing=Standing.OK, plain=True)
    assert board().update([chance], 100.0) == []
    asked = board(AlertRule("drift.plain"), AlertRule("drift"))
    assert [event.alert.rule for event in asked.update([chance], 100.0) if event.alert] == ["drift.plain"] * 2


STANDINGS = st.lists(
    st.lists(st.sampled_from(["ok", "warn", "alert", "insufficient"]), min_size=3, max_size=3), max_size=30
)


@settings(max_examples=60, deadline=None)
@given(STANDINGS, st.integers(0, 30))
def test_a_board_is_the_fold_of_its_journal(tmp_path_factory: pytest.TempPathFactory, looks, at) -> None:
    path = tmp_path_factory.mktemp("j") / "alerts.jsonl"
    rules = (AlertRule("drift", for_s=2.0, clear_s=3.0, cool_s=4.0, escalate_s=6.0, do="hold"),)
    one, other = board(*rules), board(*rules)
    seen = journal.Journal(path)
    for number, look in enumerate(looks):
        if number == at:  # killed and started anew: nothing but the journal is left
            other = board(*rules)
            for event in journal.Journal(path).read():
                other.apply(event)
        now = 100.0 + number
        signals = [signal(subject=f"f{i}", standing=standing) for i, standing in enumerate(look)]
        for event in one.update(signals, now):
            journal.append(path, event)
        if number < at:
            for event in seen.read():
                other.apply(event)
        else:
            other.update(signals, now)
    strip = lambda b: {i: (a.state, a.signals, a.fired, a.escalated) for i, a in b.alerts.items()}  # noqa: E731
    if at <= len(looks) and not any("ok" in look or "insufficient" in look for look in looks):
        assert strip(one) == strip(other)
    assert set(one.alerts) == set(other.alerts) or at < len(looks)


def test_a_torn_line_and_a_strange_one_stop_nobody(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    here = board()
    for event in here.update([signal()], 100.0):
        journal.append(path, event)
    with path.open("ab") as file:
        file.write(b'{"at": "x"}\n{"at": 1.0, "ga')
    again = board()
    for event in journal.Journal(path).read():
        again.apply(event)
    assert [alert.state for alert in again.alerts.values()] == [State.FIRING]


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("drift.psi/a/b=c", ("drift.psi", "a", "b=c")),
        ("drift.psi/a", ("drift.psi", "a", "")),
        ("quality.reject/b=c", ("quality.reject", "", "b=c")),
    ],
)
def test_a_key_comes_apart(key: str, parts: tuple[str, str, str]) -> None:
    assert split(key) == parts
