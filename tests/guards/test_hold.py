"""Hold: what is held is blocked, what is not passes, and a silent monitor has its declared outcome."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from wardline.errors import DeclarationError
from wardline.guards import Hold
from wardline.health import UNREADABLE, Health, Held
from wardline.inference import Inference
from wardline.testing import check_guard, example_batch
from wardline.verdict import Severity

NOW = 1_000.0


def row(health: Health | None, now: float = NOW, **fields: object) -> Inference:
    made = {"rows": [SimpleNamespace(**fields)], "now": now, "health": health}
    return example_batch({"income": [1.5], "zone": [3]}, **made).inference(0)


def healthy(*holds: Held) -> Health:
    return Health("loan", at=NOW, until=NOW + 15.0, holds=holds)


def test_nothing_held_is_fine() -> None:
    assert Hold().check(row(healthy())).severity is Severity.OK


@pytest.mark.parametrize(
    ("held", "fields", "expected"),
    [
        (Held("income", "a1"), {}, Severity.BLOCK),
        (Held("income", "a1", severity="warn"), {}, Severity.WARN),
        (Held("camera", "a1", column="camera", value="gate-7"), {"camera": "gate-7"}, Severity.BLOCK),
        (Held("camera", "a1", column="camera", value="gate-7"), {"camera": "gate-8"}, Severity.OK),
        (Held("income", "a1", column="zone", value="3"), {}, Severity.BLOCK),  # a feature, 3.0 by now
        (Held("income", "a1", column="zone", value="4"), {}, Severity.OK),
        (Held("income", "a1", column="nowhere", value="4"), {}, Severity.OK),
    ],
)
def test_exactly_the_rows_that_are_meant_are_held(
    held: Held, fields: dict[str, object], expected: Severity
) -> None:
    finding = Hold().check(row(healthy(held), **fields))
    assert finding.severity is expected
    assert finding.subject == (held.subject if expected is not Severity.OK else "")


@pytest.mark.parametrize(("outcome", "severity"), [("ok", "ok"), ("warn", "warn"), ("block", "block")])
def test_a_silent_monitor_has_its_declared_outcome(outcome: str, severity: str) -> None:
    for health in (healthy(), UNREADABLE):
        finding = Hold(stale=outcome).check(row(health, now=NOW + 16.0))  # type: ignore[arg-type]
        assert (finding.severity.value, finding.reason) == (
            severity,
            "hold.stale" if severity != "ok" else finding.reason,
        )
    absent = Hold(absent=outcome).check(row(None))  # type: ignore[arg-type]
    assert (absent.severity.value, absent.reason) == (severity, "hold.absent")


def test_what_a_monitor_held_before_it_fell_silent_stays_held() -> None:
    finding = Hold().check(row(healthy(Held("income", "a1")), now=NOW + 3600.0))
    assert (finding.severity, finding.reason) == (Severity.BLOCK, "hold.held")


def test_it_holds_to_every_check_while_something_is_held() -> None:
    for health in (None, healthy(), healthy(Held("x", "a", column="zone", value="3")), UNREADABLE):
        batch = example_batch({"income": [1.0, None], "zone": [3, 4]}, now=NOW, health=health)
        check_guard(Hold(), batch)


def test_an_outcome_that_is_none_is_refused() -> None:
    with pytest.raises(DeclarationError, match="ok, warn or block"):
        Hold(stale="ignore")  # type: ignore[arg-type]
