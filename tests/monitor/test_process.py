"""The monitor at work: nothing lost, nothing counted twice, one at a time, and heard by people."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.monitor.traffic import START, batch, requests, segment, watched
from wardline.errors import WardlineError
from wardline.health import NAME, load
from wardline.log.segment import Segment
from wardline.monitor import process, report
from wardline.monitor.process import Monitor, once
from wardline.monitor.signal import Signal
from wardline.monitoring import AlertRule, Monitoring
from wardline.verdict import Coverage

RULES = (AlertRule("drift", do="hold"), AlertRule("quality"), AlertRule("model"), AlertRule("sequence"))
KNOWN = watched(np.random.default_rng(11), Monitoring(rows=400, rules=RULES))


class Clock:
    """Time as the test has it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


OPENED: list[Segment] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close what the servers of a test left open."""
    yield
    while OPENED:
        OPENED.pop().close()


class Server:
    """A host that writes records as a server does."""

    def __init__(self, home: Path, name: str, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.segment = segment(KNOWN, home / "loan" / "records", f"{name}-1-0")
        OPENED.append(self.segment)
        self.at = START

    def write(self, rows: int, shift: float = 0.0) -> None:
        incomes = self.rng.lognormal(1.0 + shift, 0.5, rows).tolist()
        made = requests(self.rng, rows, at=self.at, rate=100.0, income=incomes)
        self.segment.write(batch(KNOWN, made))
        self.at += rows / 100.0


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def monitor(tmp_path: Path, clock: Clock) -> Iterator[Monitor]:
    working = Monitor(KNOWN, tmp_path, clock=clock, env={})
    yield working
    working.close()


def step(monitor: Monitor, clock: Clock, server: Server) -> list[str]:
    clock.now = max(clock.now + 1.0, server.at)
    return [event.to for event in monitor.tick()]


def test_drift_is_held_and_released(tmp_path: Path, monitor: Monitor, clock: Clock) -> None:
    server = Server(tmp_path, "hosta", 1)
    server.write(1500)
    assert step(monitor, clock, server) == []
    server.write(500, shift=0.5)
    assert step(monitor, clock, server)[-1] == "firing"
    health = load(tmp_path / "loan" / NAME)
    assert health is not None
    assert {held.subject for held in health.holds} == {"income"}
    assert health.promises("model") is Coverage.WATCH
    assert (health.records, health.until - health.at, health.pid) == (2000, 15.0, os.getpid())
    server.write(800)
    step(monitor, clock, server)
    clock.now += 3.0
    assert "resolved" in step(monitor, clock, server)
    assert load(tmp_path / "loan" / NAME).holds == ()
    lines = [json.loads(line) for line in (tmp_path / "loan" / "alerts.jsonl").read_text().splitlines()]
    assert [line["to"] for line in lines if line["id"] == lines[0]["id"]][-1] == "resolved"


def test_a_restart_counts_nothing_twice_and_loses_nothing(tmp_path: Path, clock: Clock) -> None:
    server = Server(tmp_path, "hosta", 2)
    for _ in range(4):
        server.write(300)
        working = Monitor(KNOWN, tmp_path, clock=clock, env={})
        step(working, clock, server)
        working.close()
    other = Server(tmp_path, "hostb", 3)
    other.write(200)
    working = Monitor(KNOWN, tmp_path, clock=clock, env={})
    step(working, clock, server)
    assert working.ladder.rows == 1400
    ladder, _ = once(KNOWN, tmp_path / "loan", [tmp_path / "loan" / "records"])
    assert (ladder.rows, ladder.sources) == (1400, working.ladder.sources)
    working.close()


def test_a_killed_monitor_goes_on_from_its_last_checkpoint(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path, "hosta", 4)
    server.write(1500)
    working = Monitor(KNOWN, tmp_path, clock=clock, env={})
    step(working, clock, server)  # saves
    server.write(500, shift=0.5)
    assert "firing" in step(working, clock, server)  # counted, and not saved: killed here
    working._lock.close()
    working.delivery.close()
    again = Monitor(KNOWN, tmp_path, clock=clock, env={})
    assert [alert.state.value for alert in again.board.alerts.values()] == ["firing"]  # the journal knows
    assert "firing" not in step(again, clock, server)  # and nobody is paged twice
    assert again.ladder.rows == 2000
    again.close()


def test_two_monitors_of_one_home_are_one_too_many(tmp_path: Path, monitor: Monitor) -> None:
    with pytest.raises(WardlineError, match=f"already works .*process {os.getpid()}"):
        Monitor(KNOWN, tmp_path, env={})


def test_folders_of_several_hosts_are_one_log(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Server(tmp_path / name, f"host{name}", 5).write(300)
    folders = [tmp_path / name / "loan" / "records" for name in ("a", "b")]
    ladder, signals = once(KNOWN, tmp_path, folders)
    assert ladder.rows == 600
    assert {source for source, _ in ladder.sources} == {"hosta", "hostb"}
    together = tmp_path / "c" / "loan" / "records"
    together.mkdir(parents=True)
    for folder in folders:
        for file in folder.iterdir():
            (together / file.name).write_bytes(file.read_bytes())
    _, alone = once(KNOWN, tmp_path / "c", [together])
    assert drifts(signals) == drifts(alone) != {}  # whole counts add up: not about, but exactly


def drifts(signals: Sequence[Signal]) -> dict[str, tuple[float, int]]:
    return {each.key: (each.effect, each.rows) for each in signals if each.name == "drift.psi"}


def test_a_fault_of_one_round_does_not_end_the_monitor(
    tmp_path: Path, monitor: Monitor, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "loan" / "records"
    folder.mkdir(parents=True)
    (folder / "20180701T120000.000000-hostx-1-0.arrow").write_bytes(b"this is no segment" * 100)
    server = Server(tmp_path, "hosta", 6)
    server.write(600)
    step(monitor, clock, server)
    assert monitor.ladder.rows == 600


def test_a_look_is_a_pure_function_of_the_counts(monitor: Monitor, tmp_path: Path, clock: Clock) -> None:
    server = Server(tmp_path, "hosta", 7)
    server.write(1000)
    step(monitor, clock, server)
    from wardline.monitor.look import look

    assert look(monitor.ladder, clock.now) == look(monitor.ladder, clock.now)


def test_people_see_and_acknowledge_by_the_command_line(tmp_path: Path) -> None:
    from tests.monitor import live
    from wardline.cli.alerts import alerts
    from wardline.monitor import journal
    from wardline.monitor.alerts import Board
    from wardline.monitor.signal import Signal, Standing

    gate = live.gate
    board = Board("taxi", gate.monitoring, gate.owner)
    drifted = Signal("drift.psi", "distance", effect=0.4, warn=0.1, alert=0.25, standing=Standing.ALERT)
    path = tmp_path / "taxi" / "alerts.jsonl"
    for event in board.update([drifted], time.time()):
        journal.append(path, event)
    (alert,) = board.alerts.values()

    def run(*options: str) -> tuple[int, str]:
        done = CliRunner(env={"COLUMNS": "200"}).invoke(
            alerts, ["tests.monitor.live", "--home", str(tmp_path), *options]
        )
        return done.exit_code, done.output

    code, text = run()
    assert code == 1
    assert "trip-time" in text
    assert run("--ack", alert.id[:6])[0] == 2  # nobody said it
    assert run("--ack", alert.id[:6], "--by", "ann") == (
        0, f"{alert.id} acknowledged by ann: it will not be escalated\n",
    )  # fmt: skip
    assert run("--format", "json")[0] == 0
    assert run("--ack", alert.id, "--by", "ann")[0] == 2  # it is acknowledged already
    assert run("--silence", "drift.psi/distance", "--for", "2h", "--by", "ann")[0] == 0
    listening = journal.Journal(path)
    for event in listening.read():
        board.apply(event)
    assert board.counts()["acknowledged"] == 1
    assert board.silenced("drift.psi/distance", time.time() + 3600)
    assert not board.silenced("drift.psi/distance", time.time() + 9000)
    assert "silenced" in run("--all")[1]


def test_the_checkpoint_is_where_the_gate_is(tmp_path: Path, monitor: Monitor) -> None:
    monitor.close()
    assert (tmp_path / "loan" / process.STATE).exists()


def test_each_look_leaves_a_report_for_whoever_scrapes(
    tmp_path: Path, monitor: Monitor, clock: Clock
) -> None:
    server = Server(tmp_path, "hosta", 9)
    server.write(1500)
    step(monitor, clock, server)
    told = report.load(tmp_path / "loan")
    assert told is not None
    assert (told.gate, told.at) == ("loan", clock())
    assert told.until == clock() + KNOWN.monitoring.age_s
    assert {each.feature for each in told.drift} == set(KNOWN.features)
    assert sum(told.signals["drift"].values()) >= len(KNOWN.features)
