"""Faults of the processes of `wardline serve`: each really happens to one that serves."""

from __future__ import annotations

import re
import resource
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.examples import EXAMPLE_PAIR
from tests.faults.gates import STUCK
from tests.serving.processes import Running, answers, loaded, started
from tests.waiting import until
from wardline.log import read

QUICK = {
    "WARDLINE_LOG_OVERFLOW": "drop",
    "WARDLINE_LOG_QUEUE_ROWS": "1000",
    "WARDLINE_SERVING_STUCK_S": "5",
    "WARDLINE_SERVING_LINE_MS": "60000",  # who asks waits, however slow the machine is
    "WARDLINE_UNCHECKED": "its faults are what is tested",
}


def recorded(running: Running) -> list[str]:
    return read(running.home / "pair" / "records", columns=["request_id"])["request_id"].to_pylist()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with started(tmp_path_factory.mktemp("faults"), target="tests.faults.gates", **QUICK) as running:
        yield running


def test_in_drop_policy_every_dropped_record_is_counted_exactly_by_two_workers(tmp_path: Path) -> None:
    """Batches that do not fit beside each other: each is recorded whole, or dropped and counted whole."""
    sizes = [150 * (1 + place % 5) for place in range(48)] + [1001] * 2

    def ask(size: int) -> int:
        rows = {"rows": [EXAMPLE_PAIR] * size}
        return len(httpx.post(f"{two.url}/predict", json=rows, timeout=120).json()["verdicts"])

    with started(tmp_path, "--workers", "2", target="tests.faults.gates", **QUICK) as two:
        until(lambda: len(two.workers()) == 2)

        def counted(what: str) -> int:
            page = httpx.get(f"{two.url}/metrics", timeout=60).text
            found = re.search(rf'^wardline_log_total{{gate="pair",what="{what}"}} (\d+)', page, re.MULTILINE)
            return int(found.group(1)) if found else 0

        with ThreadPoolExecutor(8) as pool:
            asked = sum(pool.map(ask, sizes))
        until(lambda: counted("written") + counted("dropped") == asked)
        assert asked == sum(sizes)
        assert counted("dropped") >= 2 * 1001
        until(lambda: len(recorded(two)) == counted("written"))
        assert len(set(recorded(two))) == counted("written")
    written = (two.home / "pair" / "records").glob("*.parquet")  # only who wrote rows left any
    assert len({path.name.split("-")[-2] for path in written}) == 2


def test_a_worker_out_of_file_descriptors_serves_who_is_connected_and_recovers(running: Running) -> None:
    (worker,) = running.workers()
    with httpx.Client(base_url=running.url, timeout=60) as client:
        assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 200
        _, hard = worker.rlimit(resource.RLIMIT_NOFILE)
        before = worker.rlimit(resource.RLIMIT_NOFILE)
        worker.rlimit(resource.RLIMIT_NOFILE, (worker.num_fds(), hard))
        crowd = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(20)]
        assert client.post("/predict", json=EXAMPLE_PAIR).status_code == 200
        worker.rlimit(resource.RLIMIT_NOFILE, before)
        for each in crowd:
            each.close()
        given = client.post("/predict", json=EXAMPLE_PAIR).json()["request_id"]
    until(lambda: answers(running.url))
    until(lambda: given in recorded(running))
    assert running.workers() == [worker]


def test_a_log_that_may_not_grow_refuses_and_recovers(running: Running) -> None:
    """The kernel refuses to write to any file: rows wait, callers get 503, nothing is lost or doubled."""
    (worker,) = running.workers()
    with httpx.Client(base_url=running.url, timeout=60) as client:
        given = [client.post("/predict", json=EXAMPLE_PAIR).json()["request_id"]]
        worker.rlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

        def refused() -> bool:
            reply = client.post("/predict", json=EXAMPLE_PAIR)
            if reply.status_code == 200:
                given.append(reply.json()["request_id"])
            return reply.status_code == 503

        until(refused)
        assert client.get("/readyz").status_code == 503
        worker.rlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        until(lambda: client.get("/readyz").status_code == 200)
        given.append(client.post("/predict", json=EXAMPLE_PAIR).json()["request_id"])
    until(lambda: set(given) <= set(recorded(running)))
    found = recorded(running)
    assert len(found) == len(set(found))


def test_a_guard_stuck_beyond_pythons_reach_ends_its_worker_and_the_next_one_serves(running: Running) -> None:
    (worker,) = running.workers()
    with pytest.raises(httpx.TransportError):  # no answer: nothing that could be taken for one
        httpx.post(
            f"{running.url}/predict",
            json={"a": STUCK, "b": 0.0},
            headers={"x-request-id": "stuck"},
            timeout=120,
        )
    until(lambda: answers(running.url))
    (successor,) = running.workers()
    assert successor.pid != worker.pid
    assert "stuck" not in recorded(running)
    until(lambda: re.search(r"Timeout \(0:00:0\d", "".join(running.screen)))


def test_a_killed_supervisor_takes_its_workers_with_it_and_their_records_are_whole(running: Running) -> None:
    with loaded(running, EXAMPLE_PAIR) as load:
        workers = running.workers()
        running.process.kill()
        gone, alive = psutil.wait_procs(workers, timeout=120)
        assert (len(gone), alive) == (1, [])
    found = recorded(running)
    assert set(load.served) <= set(found)
    assert len(found) == len(set(found))
    assert not load.odd
