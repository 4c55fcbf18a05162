"""`wardline slices`: what an engine adds up is what judging the answers themselves says."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from bench.coverage import held_back
from guards import employment, taxi
from models.taxi.build import TARGET, trips
from tests.cli.test_resuming import killed
from tests.late import Dated, answered, columns, label
from wardline.cli import cli, resuming
from wardline.cli.labels import joined
from wardline.cli.slices import as_tree
from wardline.cli.target import watched
from wardline.gate import Gate
from wardline.monitor.labels import quality
from wardline.record import Records
from wardline.settings import Settings

DAY = 86_400.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real people and real trips, answered over weeks by two workers; nine people in ten have a label."""
    home = tmp_path_factory.mktemp("home")
    start = float(int(time.time())) - 60 * DAY
    people = held_back("employment").slice(0, 4000)
    gate: Gate = employment.gate
    dealt = columns(gate, people, 250)
    ids = answered(gate, home, dealt[::2], at=start, every_s=DAY)
    ids += answered(gate, home, dealt[1::2], at=start + DAY / 2, every_s=DAY)
    people = pa.concat_tables([people.slice(250 * at, 250) for at in [*range(0, 16, 2), *range(1, 16, 2)]])
    truth = [gate.classes[value] for value in people["employed"].to_pylist()]
    observed = (
        start
        + DAY * (np.arange(len(ids)) % 2000 // 250 + 1)
        + np.random.default_rng(1).exponential(DAY, len(ids))
    )
    some = [place for place in range(len(ids)) if place % 10]
    label(
        gate,
        home,
        [ids[i] for i in some],
        [truth[i] for i in some],
        observed=observed[some],
        came=start + 59 * DAY,
    )
    rides = trips("12").slice(0, 2500)
    rows = [taxi.gate.contract.adopt(row) for row in rides.to_pylist()]
    dealt = [rows[at : at + 250] for at in range(0, len(rows), 250)]
    ids = answered(taxi.gate, home, dealt, at=start, every_s=DAY)
    minutes = rides[TARGET].to_pylist()
    late = [start + 20 * DAY + place for place in range(len(ids))]
    label(taxi.gate, home, ids, minutes, observed=late, came=start + 59 * DAY)
    return home


@pytest.fixture(autouse=True)
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDLINE_HOME", str(home))


def told(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["slices", *arguments, "--format", "json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    tree: dict[str, Any] = json.loads(result.stdout)
    return tree


def alike(one: Any, other: Any, within: float) -> None:
    """Two trees with the same words and counts, and the same numbers but for rounding."""
    assert type(one) is type(other), (one, other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            alike(one[key], other[key], within)
    elif isinstance(one, list):
        assert len(one) == len(other)
        for each, counterpart in zip(one, other, strict=True):
            alike(each, counterpart, within)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=within, abs=within)
    else:
        assert one == other


def ordered(tree: dict[str, Any]) -> dict[str, Any]:
    """Slices are told in the order of their names, or as they were met: that is no part of the answer."""
    hidden = [{**each, "hidden": sorted(each["hidden"])} for each in tree["mixes"]]
    return {
        **tree,
        "performance": sorted(tree["performance"], key=lambda each: (each["rung"], each["slice"])),
        "events": sorted(tree["events"], key=lambda each: str(each["subjects"])),
        "mixes": sorted(hidden, key=lambda each: str(each["column"])),
    }


def at_hand(gate: Gate, since: datetime | None = None) -> dict[str, Any]:
    """Judge the answers themselves, all of them in memory."""
    found = quality(watched(gate), joined(gate, since), time.time(), find=2)
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(as_tree(found)))
    return tree


@pytest.mark.parametrize("part", [100, resuming.PART_ROWS])
@pytest.mark.parametrize("gate", [employment.gate, taxi.gate], ids=lambda gate: gate.name)
def test_an_engine_adds_up_what_the_answers_themselves_say(
    gate: Gate, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "PART_ROWS", part)
    found = told(f"guards.{gate.name}", "--find", "--depth", "2")
    right = at_hand(gate)
    assert found["labelled"] > 2000
    assert len(found["performance"]) > 5
    alike(ordered({**found, "business": []}), ordered({**right, "business": []}), 1e-9)


def test_filters_leave_out_answers_on_the_way(home: Path) -> None:
    known = joined(employment.gate)
    sex = known.slices["SEX"]
    until = datetime.fromtimestamp(float(known.time[3000]) / 1e9, UTC)
    some = known.take((sex.codes == sex.names.index("1")) & (known.time < int(known.time[3000])))
    found = told("guards.employment", "--slice", "SEX=1", "--until", until.isoformat(), "--by", "SEX")
    right = msgspec.json.decode(
        msgspec.json.encode(as_tree(quality(watched(employment.gate), some, time.time())))
    )
    kept = [each for each in right["performance"] if each["slice"] in ("", "SEX=1")]
    assert found["answered"] == len(some) > 1000
    assert {each["slice"] for each in found["performance"]} == {"", "SEX=1"}
    for name in ("answered", "matured", "labelled", "coverage", "estimates"):
        alike(found[name], right[name], 1e-9)
    measures = [{each["slice"]: each["measures"] for each in tree} for tree in (found["performance"], kept)]
    alike(*measures, 1e-9)
    assert told("guards.employment", "--version", "none")["answered"] == 0


class Repeated(Dated):
    """The same requests, asked again each day."""

    def append(self, records: Records) -> bool:
        records.request_id = f"request-{round(self.at) % 2}"
        return super().append(records)


def test_a_repeated_request_is_one_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path))
    gate: Gate = employment.gate
    people = held_back("employment").slice(0, 200)
    start = float(int(time.time()) // 2 * 2) - 60 * DAY
    for day in range(2):
        gate.close()
        opened = gate.open(Settings(home=tmp_path))
        opened.sink = Repeated(opened.sink, start + day * DAY, 1.0)  # type: ignore[arg-type]  # the real log
        for rows in columns(gate, people, 100):
            gate.batch(rows)
        gate.close()
    ids = [f"request-{place}-{row}" for place in range(2) for row in range(100)]
    truth = [gate.classes[value] for value in people["employed"].to_pylist()]
    label(gate, tmp_path, ids, truth, observed=[start + 2 * DAY] * 200, came=start + 59 * DAY)
    found = told("guards.employment")
    assert (found["answered"], found["labelled"]) == (400, 200)
    own = {"segments": None, "business": None}
    alike(ordered({**found, **own}), ordered({**at_hand(gate), **own}), 1e-9)


def test_wrong_use_is_told_in_a_sentence() -> None:
    for arguments, said in (
        (["--by", "age"], "is no slice"),
        (["--engine", "arrow"], "is none of"),
        (["--slice", "SEX"], "COL=VALUE"),
    ):
        result = CliRunner().invoke(cli, ["slices", "guards.employment", *arguments])
        assert (result.exit_code, said in result.stderr) == (2, True)


def test_a_killed_audit_goes_on_to_the_same_answer(home: Path) -> None:
    whole = told("guards.employment")
    left = killed(home, home / "employment" / "slices", "guards.employment", command="slices")
    lines = [json.loads(line) for line in left.read_text().splitlines()]
    counted = next(line for line in lines if line.get("part", "").endswith("/totals"))
    counted["rows"][0][0] += 1000  # adding up again would lose these
    left.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    again = CliRunner().invoke(cli, ["slices", "guards.employment", "--format", "json"])
    assert "going on with the audit" in again.stderr
    found = json.loads(again.stdout)
    assert found == {**whole, "answered": whole["answered"] + 1000}
    assert not (home / "employment" / "slices").exists()


@pytest.mark.fleet
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("gate", ["employment", "taxi"])
def test_spark_adds_up_the_same(gate: str) -> None:
    asked = (f"guards.{gate}", "--find", "--depth", "2")
    alike(told(*asked, "--engine", "spark"), told(*asked), 1e-12)
