"""`wardline serve` as a user starts it: real workers, a real kill, a real stop."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from guards.taxi import gate
from tests.serving.processes import ROOT, Running, command, loaded, started
from tests.waiting import until
from wardline.log.reader import read


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("serve")) as running:
        yield running


def records(home: Path) -> set[str]:
    return set(read(home / "taxi" / "records")["request_id"].to_pylist())


def test_it_prints_one_screen_of_what_is_guarded(served: Running) -> None:
    served.says("taxi", "risk closed", "range", "listens", f"127.0.0.1:{served.port}", "records", "sampling")


def test_it_listens_on_loopback_only(served: Running) -> None:
    listening = [
        connection.laddr.ip
        for process in [
            psutil.Process(served.process.pid),
            *psutil.Process(served.process.pid).children(recursive=True),
        ]
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == served.port
    ]
    assert set(listening) == {"127.0.0.1"}


def test_a_row_is_answered_and_recorded_under_its_id(served: Running) -> None:
    response = httpx.post(f"{served.url}/predict", json=gate.contract.examples[0], timeout=60)
    assert response.status_code == 200
    assert response.json()["action"] == "serve"
    assert response.json()["uncertainty"]["coverage_status"] == "valid"
    until(lambda: response.json()["request_id"] in records(served.home))


def test_a_killed_worker_loses_nothing_flushed_and_the_next_request_is_served(served: Running) -> None:
    with loaded(served, gate.contract.examples[0]) as load:
        flushed = until(lambda: found if len(found := records(served.home)) > 100 else set())
        (worker,) = served.workers()
        worker.kill()
        worker.wait(180)
        before = len(load.served) + 3  # what the three callers had in hand when it died
        until(lambda: len(load.served) > before + 50)  # a new worker answers
    after = set(load.served[before:])
    until(lambda: after <= records(served.home))
    assert flushed <= records(served.home)
    ids = read(served.home / "taxi" / "records")["request_id"].to_pylist()
    assert len(ids) == len(set(ids))


def test_a_stop_by_signal_under_load_flushes_every_answer_and_ends_the_monitor(tmp_path: Path) -> None:
    with started(tmp_path) as running, loaded(running, gate.contract.examples[0]) as load:
        (monitor,) = monitors(running)
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(180)
    assert running.process.returncode == 0
    until(lambda: ended(monitor))
    assert not load.odd
    assert set(load.served) <= records(running.home)
    assert not re.search("Traceback", "".join(running.screen))


def monitors(running: Running) -> list[psutil.Process]:
    return [child for child in running.children() if "monitor" in command(child)]


def ended(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_the_monitor_runs_beside_the_server_which_answers_without_it(served: Running) -> None:
    (monitor,) = monitors(served)
    until(lambda: httpx.get(f"{served.url}/readyz", timeout=60).json()["monitor"]["state"] == "alive")
    served.says("beside the server")
    assert (served.home / "taxi" / "health.json").exists()
    monitor.kill()
    until(lambda: ended(monitor))
    asked = httpx.post(f"{served.url}/predict", json=gate.contract.examples[0], timeout=60)
    assert asked.status_code == 200


def test_a_wrong_target_is_one_sentence(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "wardline", "serve", "guards.nobody"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "no module 'guards.nobody'" in run.stderr
    assert "Traceback" not in run.stderr
