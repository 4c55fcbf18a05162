"""A Spark master with two workers on loopback: an audit there is the audit that DuckDB made here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.waiting import free_port, until

pytestmark = pytest.mark.fleet
ROOT = Path(__file__).parents[2]


class Cluster:
    """A standalone master and its workers, with what the master says of them."""

    def __init__(self, folder: Path) -> None:
        self.port, self._page = free_port(), free_port()
        self.url = f"spark://127.0.0.1:{self.port}"
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, workers: int) -> None:
        self._run("master.Master", "--port", str(self.port), "--webui-port", str(self._page))
        until(lambda: self.told().get("status") == "ALIVE")
        for place in range(workers):
            self._run("worker.Worker", "--webui-port", "0", "--cores", "1", "--memory", "1g",
                      "--work-dir", str(self._folder / f"worker{place}"), self.url)  # fmt: skip
        until(lambda: self.told().get("aliveworkers") == workers)

    def _run(self, what: str, *arguments: str) -> None:
        spark = Path(sys.prefix, "lib", f"python3.{sys.version_info.minor}", "site-packages/pyspark")
        command = [str(spark / "bin/spark-class"), f"org.apache.spark.deploy.{what}", "--host", "127.0.0.1"]
        env = {**os.environ, "SPARK_HOME": str(spark), "SPARK_DAEMON_MEMORY": "256m",
               "SPARK_LOCAL_IP": "127.0.0.1"}  # fmt: skip
        with (self._folder / f"{what}.log").open("ab") as log:
            self._running.append(subprocess.Popen([*command, *arguments], env=env, stdout=log, stderr=log))

    def told(self) -> dict[str, Any]:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self._page}/json/", timeout=60)
        except httpx.TransportError:
            return {}
        found: dict[str, Any] = answer.json() if answer.is_success else {}  # no such page yet
        return found

    def stop(self) -> None:
        for each in reversed(self._running):
            each.terminate()
            each.wait(180)


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    made = Cluster(folder)
    try:
        made.start(workers)
        yield made
    finally:
        made.stop()


def test_two_workers_of_a_cluster_give_the_same_answer_to_the_last_digit(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for file, shift in zip(files, (0.0, 0.8), strict=True):
        columns = {f"x{i}": rng.normal(shift * (i == 2), 1.0, 10_000) for i in range(4)}
        columns["x3"][::97] = np.nan
        text = pa.array(rng.choice(["north", "south", None], 10_000))
        pq.write_table(pa.table({**columns, "place": text}), file, row_group_size=5_000)
    arguments = [*map(str, files), "--by", "place"]
    here = audit(tmp_path, *arguments)
    with cluster(tmp_path, 2) as made:
        there = audit(tmp_path, *arguments, "--engine", made.url)
        (app,) = until(lambda: made.told().get("completedapps"))
    assert app["cores"] == 2  # one of each worker
    assert here["verdict"] == "alert"
    assert here == there


def audit(home: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "wardline", "drift", *arguments, "--format", "json"],
        cwd=ROOT, env={**os.environ, "WARDLINE_HOME": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told
