"""Faults of the record log under a served gate: what is answered, and what the log has in the end."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.examples import EXAMPLE_PAIR, NOON, TRIP, Trip, declared_pair, doubling
from tests.log.disk import Disk
from tests.log.samples import PATIENT, REGRESSION, request
from tests.serving.processes import until
from tests.serving.server import serving
from wardline import Action, Chain, Gate, LogSettings, Python, Risk, Rule, Settings, Tabular, features
from wardline.log import LogWriter, read
from wardline.serving import app
from wardline.testing import FakeClock

ROOT = Path(__file__).parents[2]


@contextmanager
def over(disk: Disk, home: Path, log: LogSettings, risk: Risk) -> Iterator[tuple[httpx.Client, LogWriter]]:
    """Serve a gate whose log lies on this disk."""
    gate = declared_pair(Chain(Python(lambda: doubling, name="model"), Rule(lambda row: -1.0)), risk=risk)
    gate.open(Settings(home=home))  # once, for the schema of its records
    schema = gate.open().schema
    gate.close()
    writer = LogWriter(home / "pair" / "records", schema, log, opener=disk.open)
    gate.open(Settings(home=home), sink=writer)
    with serving(app(gate, Settings(home=home, log=log))) as client:
        yield client, writer


def answered(client: httpx.Client, times: int) -> tuple[list[str], int]:
    """Ask so often; return the ids of rows that were answered, and how many were refused."""
    replies = [client.post("/predict", json=EXAMPLE_PAIR) for _ in range(times)]
    assert {reply.status_code for reply in replies} <= {200, 503}
    given = [reply.json()["request_id"] for reply in replies if reply.status_code == 200]
    for reply in replies:
        if reply.status_code == 503:
            assert "record log cannot be written" in reply.json()["error"]
    return given, times - len(given)


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_refuses_makes_the_gate_not_ready_until_it_is_mended(
    tmp_path: Path, fault: str, risk: Risk
) -> None:
    disk = Disk()
    with over(disk, tmp_path, LogSettings(flush_s=0.01), risk) as (client, writer):
        before, _ = answered(client, 5)
        disk.refuse(fault)
        during, refused = [], 0
        for _ in range(2000):
            given, more = answered(client, 1)
            during, refused = during + given, refused + more
            if refused == 5:
                break
        assert refused == 5
        assert client.get("/readyz").status_code == 503
        assert client.get("/livez").status_code == 200
        disk.broken = False
        until(lambda: client.get("/readyz").status_code == 200)
        after, refused = answered(client, 5)
        assert refused == 0
        assert writer.stats().dropped == 0
    recorded = read(tmp_path / "pair" / "records")["request_id"].to_pylist()
    assert recorded == [*before, *during, *after]  # what was answered is there once, what was refused is not


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize("overflow", ["drop", "block"])
def test_a_slow_disk_fills_the_queue_and_every_dropped_record_is_counted(
    tmp_path: Path, overflow: Any, risk: Risk
) -> None:
    disk = Disk()
    log = LogSettings(flush_s=0.01, flush_rows=4, queue_rows=20, overflow=overflow, block_ms=1.0)
    with over(disk, tmp_path, log, risk) as (client, writer):
        disk.running.clear()  # a disk that takes for ever
        given, refused = answered(client, 60)
        assert (len(given), refused) == (60, 0)
        dropped = writer.stats().dropped
        assert dropped == 40
        disk.running.set()
        assert writer.flush()
        page = client.get("/metrics").text
        assert 'wardline_log_total{gate="pair",what="dropped"} 40.0' in page
        assert 'wardline_log_total{gate="pair",what="written"} 20.0' in page
    assert read(tmp_path / "pair" / "records")["request_id"].to_pylist() == given[:20]


_IN_A_NAMESPACE = """
import json, os, subprocess, sys
from pathlib import Path
from tests.log.samples import PATIENT, REGRESSION, request
from tests.waiting import until
from wardline.log import LogWriter, read

def mount(*options):
    subprocess.run(["mount", *options], check=True)

home = Path(sys.argv[1])
mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(home))
writer = LogWriter(home / "records", REGRESSION, PATIENT)
def send(first, last):
    return [writer.append(request(number)) for number in range(first, last)]
send(0, 10); assert writer.flush()
(home / "filler").write_bytes(b"x" * (os.statvfs(home).f_bavail * os.statvfs(home).f_bsize))
send(10, 400); assert not writer.flush(timeout=0.3)
until(lambda: not writer.stats().healthy)
full = writer.stats()
(home / "filler").unlink()
assert writer.flush()
writer.close()
kept = read(home / "records")["request_id"].to_pylist()
mount("-o", "remount,ro", str(home))
try:
    LogWriter(home / "records", REGRESSION, PATIENT)
except Exception as error:
    refused = str(error)
print(json.dumps([full.healthy, full.last_error, full.dropped, kept, refused]))
"""


def _may_mount() -> bool:
    run = subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True)  # noqa: S607 - where the system has it
    return run.returncode == 0


@pytest.mark.skipif(not _may_mount(), reason="this system lets nobody mount a small disk")
def test_a_real_disk_that_is_full_and_one_that_is_read_only(tmp_path: Path) -> None:
    command = ["unshare", "-rm", sys.executable, "-c", _IN_A_NAMESPACE, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    healthy, error, dropped, kept, refused = json.loads(run.stdout)
    assert (healthy, dropped) == (False, 0)
    assert "No space left on device" in error
    assert kept == [f"r{number}" for number in range(400)]
    assert "Read-only file system" in refused
    assert "make it writable" in refused


class Miles(NamedTuple):
    miles: float


@features(version="1")
def miles_of(row: Trip) -> Miles:
    return Miles(row.miles)


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0], ids=["forward", "back"])
def test_a_clock_that_jumps_loses_and_doubles_no_record(tmp_path: Path, jump: float) -> None:
    clock = FakeClock(NOON)
    log = LogSettings(flush_s=60.0, segment_s=600.0)
    writer = LogWriter(tmp_path, REGRESSION, log, clock=clock)
    sent = []
    for number in range(30):
        records = request(number, time=int(clock() * 1e9) + number)
        sent.append(records.request_id)
        assert writer.append(records)
        assert writer.flush()
        if number % 10 == 9:
            clock.advance(jump)
    writer.close()
    assert sorted(read(tmp_path)["request_id"].to_pylist()) == sorted(sent)


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize(("jump", "action"), [(86_400.0, Action.REJECT), (-86_400.0, Action.REJECT)])
def test_a_clock_that_jumps_makes_stamps_stale_or_early_and_never_fresh(
    tmp_path: Path, jump: float, action: Action, risk: Risk
) -> None:
    clock = FakeClock(NOON)
    gate = Gate(
        "trip",
        contract=Tabular(Trip, examples=[TRIP]),
        features=miles_of,
        chain=Chain(Rule(lambda row: 1.0)),
        risk=risk,
    )
    gate.open(Settings(home=tmp_path), clock=clock)
    row = {**TRIP, "at": "2018-07-01T11:59:00Z"}
    assert gate(row).action is Action.SERVE
    clock.advance(jump)
    verdict = gate(row)
    assert verdict.action is action
    assert verdict.findings[0].subject == "at"
    gate.close()
    assert read(tmp_path / "trip" / "records")["action"].to_pylist() == ["serve", action.value]


def test_a_writer_whose_disk_hangs_holds_up_a_stop_no_longer_than_it_says(tmp_path: Path) -> None:
    disk = Disk()
    writer = LogWriter(tmp_path, REGRESSION, PATIENT, opener=disk.open)
    disk.running.clear()
    writer.append(request(1))
    done = threading.Event()
    threading.Thread(target=lambda: (writer.close(timeout=0.05), done.set())).start()
    assert done.wait(120)
    disk.running.set()


DURABLE = LogSettings(flush_s=60.0, ack="durable", ack_s=120.0)


def test_an_answer_that_waits_for_its_record_has_it_on_the_disk(tmp_path: Path) -> None:
    disk = Disk()
    with over(disk, tmp_path, DURABLE, Risk.CLOSED) as (client, _):
        for _ in range(20):
            reply = client.post("/predict", json=EXAMPLE_PAIR)
            assert reply.status_code == 200
            recorded = read(tmp_path / "pair" / "records", columns=["request_id"])
            assert reply.json()["request_id"] in recorded["request_id"].to_pylist()


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize("fault", ["full", "slow", "unsynced"])
def test_without_its_record_there_is_no_answer(tmp_path: Path, fault: str, risk: Risk) -> None:
    disk = Disk()
    log = replace(DURABLE, flush_s=0.01, ack_s=0.05)
    with over(disk, tmp_path, log, risk) as (client, writer):
        asked: list[httpx.Response] = []

        def ask() -> bool:
            asked.append(client.post("/predict", json=EXAMPLE_PAIR))
            return asked[-1].status_code == 200

        until(ask)  # a sound disk of a busy machine may take longer than `ack_s`, too
        if fault == "slow":
            disk.running.clear()
        else:
            disk.refuse(fault)
        assert not ask()
        reply = asked[-1]
        assert (reply.status_code, reply.headers["x-wardline-action"]) == (503, "none")
        assert reply.json()["error"].startswith("no answer without its record")
        disk.running.set()
        disk.mend()
        until(lambda: client.get("/readyz").status_code == 200 and writer.stats().queued == 0)
        until(ask)
    recorded = read(tmp_path / "pair" / "records")["request_id"].to_pylist()
    assert len(recorded) == len(set(recorded)) == len(asked)  # those nobody was told of came late


def test_those_who_wait_share_one_sync(tmp_path: Path) -> None:
    disk = Disk()
    writer = LogWriter(tmp_path, REGRESSION, DURABLE, opener=disk.open)
    disk.running.clear()
    kept: list[bool] = []
    threads = [
        threading.Thread(target=lambda number=number: kept.append(writer.append(request(number))))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    until(lambda: writer.stats().queued == 16)
    disk.running.set()
    for thread in threads:
        thread.join()
    assert kept == [True] * 16
    assert disk.writes <= 3
    writer.close()
