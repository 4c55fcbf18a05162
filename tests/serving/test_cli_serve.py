"""`wardline serve` as a user starts it: real workers, a real kill, a real stop."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
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


def test_a_killed_worker_loses_nothing_flushed_and_the_next_request_is_served(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        row, sent, stop = gate.contract.examples[0], [], threading.Event()

        def load() -> None:
            with httpx.Client(base_url=running.url, timeout=60) as client:
                while not stop.is_set():
                    try:
                        sent.append(client.post("/predict", json=row).json()["request_id"])
                    except (httpx.TransportError, ValueError):
                        stop.wait(0.05)

        threads = [threading.Thread(target=load, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: len(records(running.home)) > 200)
        flushed = records(running.home)
        (worker,) = running.workers()
        worker.kill()
        before = len(sent)
        until(lambda: len(sent) > before + 50)  # a new worker answers
        stop.set()
        for thread in threads:
            thread.join()
        after = set(sent[before + 3 :])
        until(lambda: after <= records(running.home))
        assert flushed <= records(running.home)
        ids = read(running.home / "taxi" / "records")["request_id"].to_pylist()
        assert len(ids) == len(set(ids))


def test_a_stop_by_signal_under_load_flushes_every_answer(tmp_path: Path) -> None:
    with started(tmp_path) as running, loaded(running, gate.contract.examples[0]) as load:
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(180)
    assert running.process.returncode == 0
    assert not load.odd
    assert set(load.served) <= records(running.home)
    assert not re.search("Traceback", "".join(running.screen))


def monitors(running: Running) -> list[psutil.Process]:
    return [child for child in running.children() if "monitor" in command(child)]


def ended(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_the_monitor_runs_beside_the_server_and_ends_with_it(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        (monitor,) = monitors(running)
        until(lambda: httpx.get(f"{running.url}/readyz", timeout=60).json()["monitor"]["state"] == "alive")
        running.says("beside the server")
        monitor.kill()
        until(lambda: ended(monitor))
        asked = httpx.post(f"{running.url}/predict", json=gate.contract.examples[0], timeout=60)
        assert asked.status_code == 200
        health = tmp_path / "w" / "taxi" / "health.json"
        until(health.exists)
    with started(tmp_path) as running:
        (monitor,) = monitors(running)
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(180)
        until(lambda: ended(monitor))


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
