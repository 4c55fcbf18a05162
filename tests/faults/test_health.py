"""A health snapshot that is stale or garbage, under a gate with Hold: what is answered and recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.examples import EXAMPLE_PAIR, NOON, declared_pair, doubling
from wardline import Action, Chain, Python, Risk, Rule, Settings
from wardline.guards import Hold
from wardline.health import NAME, Health, Held, save
from wardline.log import read

FRESH = Health("pair", at=NOON, until=NOON + 15.0)
HELD = Health("pair", at=NOON, until=NOON + 15.0, holds=(Held("a", "a1", "drift.psi"),))
STALE = Health("pair", at=NOON - 60.0, until=NOON - 45.0)
STALE_HELD = Health("pair", at=NOON - 60.0, until=NOON - 45.0, holds=(Held("a", "a1", "drift.psi"),))
EARLY = Health("pair", at=NOON + 3600.0, until=NOON + 3615.0)  # the clock of one of the two jumped


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize(
    ("snapshot", "outcome", "expected"),
    [
        (FRESH, "block", (Action.SERVE, Action.SERVE)),
        (HELD, "warn", (Action.ABSTAIN, Action.FLAG)),
        (STALE, "warn", (Action.FLAG, Action.FLAG)),
        (STALE, "block", (Action.ABSTAIN, Action.FLAG)),
        (STALE_HELD, "warn", (Action.ABSTAIN, Action.FLAG)),
        (EARLY, "warn", (Action.FLAG, Action.FLAG)),
        (b"", "warn", (Action.FLAG, Action.FLAG)),
        (b'{"gate": "pair", "at": "noon"}', "block", (Action.ABSTAIN, Action.FLAG)),
        (b"\x00" * 4096, "warn", (Action.FLAG, Action.FLAG)),
    ],
)
def test_a_snapshot_that_cannot_be_relied_on_has_its_declared_outcome(
    tmp_path: Path, snapshot: Any, outcome: Any, expected: tuple[Action, Action], risk: Risk
) -> None:
    if isinstance(snapshot, bytes):
        (tmp_path / "pair").mkdir()
        (tmp_path / "pair" / NAME).write_bytes(snapshot)
    else:
        save(snapshot, tmp_path)
    rule = Rule(lambda row: -1.0)
    gate = declared_pair(Chain(Python(lambda: doubling, name="model"), rule), [Hold(stale=outcome)], risk)
    gate.open(Settings(home=tmp_path), clock=lambda: NOON)
    verdict = gate(EXAMPLE_PAIR)
    gate.close()
    closed, opened = expected
    assert verdict.action is (closed if risk is Risk.CLOSED else opened)
    (row,) = read(tmp_path / "pair" / "records").to_pylist()
    assert row["action"] == verdict.action.value
    assert [finding["reason"] for finding in row["findings"]] == [found.reason for found in verdict.findings]
