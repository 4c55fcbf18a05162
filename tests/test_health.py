"""Health: replaced whole, followed by a thread, and taken at its word by the gate's verdicts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guards.taxi import gate
from tests.waiting import until
from wardline import Settings
from wardline.health import NAME, UNREADABLE, Health, Held, Pulse, load, save
from wardline.log.reader import read
from wardline.verdict import Action, Coverage

ROW = gate.contract.examples[0]


def health(**given: object) -> Health:
    now = time.time()
    return Health("taxi", **{"at": now, "until": now + 600.0, **given})  # type: ignore[arg-type]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    gate.close()
    gate.open(Settings(home=tmp_path))
    yield tmp_path
    gate.close()


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    told = health(holds=(Held("distance", "a1"),), coverage={"onnx": Coverage.WATCH}, problems=("x",))
    save(told, tmp_path)
    assert load(tmp_path / "taxi" / NAME) == told
    assert [path.name for path in (tmp_path / "taxi").iterdir()] == [NAME]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"gate": 7}', b"\xff\xfe"])
def test_a_file_that_is_no_health_is_stale_for_ever(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / NAME).write_bytes(damage)
    assert load(tmp_path / NAME) is UNREADABLE
    assert UNREADABLE.stale(time.time())
    assert load(tmp_path / "nowhere") is None


def test_a_snapshot_from_the_future_is_no_sign_of_life() -> None:
    assert Health("taxi", at=5000.0, until=5015.0).stale(1000.0)


def test_a_pulse_keeps_the_last_good_snapshot_through_a_torn_file(tmp_path: Path) -> None:
    save(health(records=1), tmp_path)
    pulse = Pulse(tmp_path / "taxi" / NAME, "taxi")
    try:
        (tmp_path / "taxi" / NAME).write_bytes(b"{")
        pulse.look()
        assert pulse.now is not None
        assert pulse.now.records == 1
        save(health(records=2), tmp_path)
        until(lambda: pulse.now is not None and pulse.now.records == 2)  # its own thread sees it
    finally:
        pulse.close()


def test_the_health_of_another_gate_is_not_ours(tmp_path: Path) -> None:
    save(health(), tmp_path)
    pulse = Pulse(tmp_path / "taxi" / NAME, "loan")
    pulse.close()
    assert pulse.now is UNREADABLE


def test_a_hold_moves_the_gate_to_its_fallback_and_back(home: Path) -> None:
    assert gate(ROW).action is Action.SERVE
    save(health(holds=(Held("distance", "a1", "drift.psi"),)), home)
    until(lambda: gate(ROW).action is Action.FALLBACK)
    verdict = gate(ROW)
    assert verdict.served_by == "rule"
    assert [(found.reason, found.subject) for found in verdict.findings] == [("hold.held", "distance")]
    save(health(), home)
    until(lambda: gate(ROW).action is Action.SERVE)


@pytest.mark.parametrize("left", [Coverage.WATCH, Coverage.VOID])
def test_coverage_that_is_not_realised_is_told_in_verdict_and_record(home: Path, left: Coverage) -> None:
    rung = gate.chain.names[0]
    save(health(coverage={rung: left}), home)
    until(lambda: gate(ROW).uncertainty.coverage_status is left)
    verdict = gate(ROW)
    assert verdict.action is Action.SERVE  # the answer is what it was; only its promise is not
    assert {verdict.uncertainty.coverage_status for verdict in gate.batch([ROW] * 20)} == {left}
    gate.close()
    records = read(home / "taxi" / "records").to_pylist()
    kept = {record["request_id"]: record["coverage_status"] for record in records}
    assert kept[verdict.request_id] == left.value
