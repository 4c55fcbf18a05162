"""The durability harness, in short: `make durability` kills a hundred workers, here two die."""

from __future__ import annotations

from pathlib import Path

from bench import durability


def test_no_acknowledged_record_is_lost_or_doubled_when_workers_are_killed(tmp_path: Path) -> None:
    outcome = durability.run(tmp_path, kills=2, seed=7, workers=2, threads=4)
    assert outcome.acknowledged > 3
    assert (outcome.lost, outcome.doubled, outcome.unreadable) == ([], [], [])
    assert outcome.recorded >= outcome.acknowledged
