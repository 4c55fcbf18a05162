"""`wardline traces TARGET --summary`: which guard speaks most, which camera is slowest, in one look."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from guards.taxi import gate as taxi
from tests.examples import declared_pair
from wardline import Chain, Rule, Settings
from wardline.cli import cli
from wardline.log.summary import MOST_CAMERAS, summarise
from wardline.log.writer import LogWriter
from wardline.record import Records

ROW = dict(taxi.contract.examples[0])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    taxi.close()
    taxi.open(Settings(home=home))
    taxi.batch([ROW] * 30)
    for _ in range(3):
        taxi({**ROW, "trip_distance": 120})
    taxi({**ROW, "trip_distance": -1, "passenger_count": None})
    taxi.close()
    return home


@pytest.fixture
def ask(home: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("WARDLINE_HOME", str(home))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["traces", "guards.taxi", "--summary", *arguments])

    return run


def test_it_says_what_was_done_and_who_speaks_most(ask) -> None:  # type: ignore[no-untyped-def]
    text = ask().stdout
    assert "34 rows since" in text
    guards = text[text.index("who speaks most") :]
    lines = [" ".join(line.split()) for line in guards.splitlines() if line.strip()]
    assert "range range.outside 3 8.82%" in lines[2:4]
    assert "slowest stage" in text
    assert "camera" not in text


def test_for_programs(ask) -> None:  # type: ignore[no-untyped-def]
    told = json.loads(ask("--format", "json").stdout)
    assert told["rows"] == 34
    assert told["actions"] == {"serve": 30, "fallback": 3, "reject": 1}
    assert ["contract", "contract.null", 1] in told["findings"]
    assert {each["name"] for each in told["stages"]} >= {"chain", "input"}


def test_nothing_to_tell_is_said(ask) -> None:  # type: ignore[no-untyped-def]
    assert "no row since" in ask("--since", "2099-01-01").output


def frames(records_dir: Path, cameras: list[str], us: float, stage: int = 0) -> None:
    gate = declared_pair(Chain(Rule(lambda row: 1.0)))
    opened = gate.open(Settings(home=records_dir))
    writer = LogWriter(records_dir, opened.schema)
    stages = [1.0] * 6
    stages[stage] = us
    for camera in cameras:
        block = opened.gate.features.of_rows(gate.contract.admit({"a": 1.0, "b": 2.0}).rows)
        writer.append(
            Records(int(datetime.now(UTC).timestamp() * 1e9), "id", "a" * 32, False, np.zeros(1, np.int8),
                    np.zeros(1, np.int8), np.zeros(1), np.zeros(1, np.intp), block, {"a": [1.0]}, {},
                    tuple(stages), camera=camera)
        )  # fmt: skip
    writer.close()
    gate.close()


def test_the_slowest_camera_comes_first_with_what_it_waits_for(tmp_path: Path) -> None:
    frames(tmp_path, ["gate-1"] * 5, 2_000.0, stage=3)
    frames(tmp_path, ["gate-2"] * 5, 9_000.0)
    told = summarise(tmp_path, datetime.now(UTC) - timedelta(hours=1))
    assert [(each.name, each.rows, each.slowest) for each in told.cameras] == [
        ("gate-2", 5, "contract"), ("gate-1", 5, "chain"),
    ]  # fmt: skip
    assert told.cameras[0].median_ms == pytest.approx(9.005, abs=1e-3)


def test_cameras_that_a_caller_makes_up_meet_in_one(tmp_path: Path) -> None:
    frames(tmp_path, [f"c{i}" for i in range(MOST_CAMERAS + 50)], 10.0)
    told = summarise(tmp_path, datetime.now(UTC) - timedelta(hours=1))
    assert len(told.cameras) == MOST_CAMERAS + 1
    assert next(each.rows for each in told.cameras if each.name == "(other)") == 50
