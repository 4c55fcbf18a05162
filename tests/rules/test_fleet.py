"""Three replicas, a real Prometheus and a real Alertmanager: drifted traffic pages the owner by name."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from guards.taxi import gate
from tests.waiting import free_port, until
from wardline.log.reader import read
from wardline.monitor.plan import Binner
from wardline.reference import load
from wardline.stats.psi import psi

pytestmark = pytest.mark.fleet
ROOT = Path(__file__).parents[2]
WINDOW = "30m"  # of any length that the whole test fits into, on whatever machine
FAR = 1.609344**2  # miles made kilometres twice


def test_promtool_finds_every_rule_true_on_traffic_whose_psi_is_known(tmp_path):
    for name in ("taxi", "employment", "leaf"):
        made(name, tmp_path)
        for what, file in (("check", "rules"), ("test", "tests")):
            run("promtool", what, "rules", str(tmp_path / f"wardline-{name}.{file}.yml"))
        run("amtool", "check-config", str(tmp_path / "alertmanager.yml"))
        run("promtool", "check", "config", str(tmp_path / "prometheus.yml"))


def test_a_rule_that_smooths_otherwise_is_caught(tmp_path):
    made("taxi", tmp_path)
    rules = tmp_path / "wardline-taxi.rules.yml"
    rules.write_text(rules.read_text().replace("+ 0.5)", "+ 0.51)"))
    with pytest.raises(AssertionError, match="psi"):
        run("promtool", "test", "rules", str(tmp_path / "wardline-taxi.tests.yml"))


def test_every_expression_of_the_dashboard_is_one_prometheus_reads(tmp_path):
    made("taxi", tmp_path)
    board = json.loads((tmp_path / "wardline-taxi.dashboard.json").read_text())
    exprs = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = [{"record": f"panel:{place}:x", "expr": expr} for place, expr in enumerate(exprs)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run("promtool", "check", "rules", str(file))
    assert len(exprs) == len(board["panels"]) == 8


def test_the_page_about_all_replicas_reaches_the_owner_though_one_dies(tmp_path):
    pager, port, manager = Pager(), free_port(), free_port()
    replicas = [Replica(tmp_path / f"replica{place}") for place in range(3)]
    with contextlib.ExitStack() as stack:
        stack.callback(pager.close)
        for replica in replicas:
            stack.callback(replica.stop)
            replica.start()
        for replica in replicas:
            replica.ready()
        files = tmp_path / "rules"
        made("taxi", files, "--window", WINDOW, "--page", f"{gate.owner.page}={pager.url}/owner",
             "--default-page", f"{pager.url}/default", "--alertmanager", f"127.0.0.1:{manager}",
             *(part for each in replicas for part in ("--scrape", f"127.0.0.1:{each.port}")))  # fmt: skip
        hurried(files)
        stack.enter_context(process(
            "prometheus-alertmanager", f"--config.file={files / 'alertmanager.yml'}",
            f"--web.listen-address=127.0.0.1:{manager}", f"--storage.path={tmp_path / 'am'}",
            "--cluster.listen-address=",
        ))  # fmt: skip
        stack.enter_context(process(
            "prometheus", f"--config.file={files / 'prometheus.yml'}",
            f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        ))  # fmt: skip
        until(lambda: len(query(port, "wardline_feature_bin_rows_total{bin='missing'} == 0")) >= 45)
        ask(replicas[0], kilometres(0, 900))
        ask(replicas[1], kilometres(900, 1500))
        replicas[2].die()
        replicas[2].start()
        replicas[2].ready()
        until(lambda: query(port, f'up{{instance="127.0.0.1:{replicas[2].port}"}} == 1'))
        ask(replicas[2], kilometres(1500, 2000))
        until(lambda: total(port) >= 2000)

        body = until(lambda: pager.about("WardlineDriftAlert", "distance"))
        (alert,) = [each for each in body["alerts"] if named(each, "WardlineDriftAlert", "distance")]
        assert body["path"] == "/owner"
        assert alert["labels"]["reference"] == load(gate.reference_dir).id
        assert alert["annotations"]["runbook"] == "docs/runbooks/taxi.md"

        # The page may come before the last rows are in a file, and before a rule has counted them.
        until(lambda: sum(len(table) for table in logs(replicas)) == 2000)
        expected = over_the_logs(replicas)
        until(lambda: expected == pytest.approx(psis(port, expected), abs=0.01))
        assert float(re.search(r"PSI (\d+\.\d+)", alert["annotations"]["summary"])[1]) >= 0.25


PSI = f'wardline:psi:{WINDOW}{{gate="taxi"}}'


def psis(port, features):
    found = {each["metric"]["feature"]: float(each["value"][1]) for each in query(port, PSI)}
    return {name: found.get(name) for name in features}


def named(alert, name, feature):
    labels = alert["labels"]
    return (labels.get("alertname"), labels.get("feature")) == (name, feature)


def total(port):
    rows = query(port, "sum(wardline_feature_bin_rows_total{feature='distance'})")
    return float(rows[0]["value"][1]) if rows else 0.0


def logs(replicas):
    return [read(replica.home / "taxi" / "records") for replica in replicas]


def over_the_logs(replicas):
    """PSI of each feature over the records of all replicas, by numpy."""
    reference, tables = load(gate.reference_dir), logs(replicas)
    found = {}
    for name, profile in reference.features.items():
        binner = Binner(profile)
        column = np.concatenate([
            np.asarray(table[f"feature.{name}"].to_pylist(), dtype=np.float64) for table in tables
        ])  # fmt: skip
        counts = np.bincount(binner.codes(column), minlength=binner.size)
        found[name] = psi(profile.counts, counts).value
    return found


def kilometres(first, last):
    """Real trips whose distance was reported in another unit."""
    table = pq.read_table(ROOT / "models/taxi/data/split/held_back.parquet")
    table = table.filter(pc.greater(table["trip_distance"], 0.0)).slice(first, last - first)
    fields = [name for name in gate.contract.fields if name in table.column_names]
    rows = [gate.contract.adopt(row) for row in table.select(fields).to_pylist()]
    return [{**row, "trip_distance": min(row["trip_distance"] * FAR, 190.0)} for row in rows]


def ask(replica, rows):
    answer = httpx.post(f"{replica.url}/predict", content=json.dumps({"rows": rows}, default=str),
                        headers={"content-type": "application/json"}, timeout=240)  # fmt: skip
    assert answer.status_code == 200, answer.text[:300]
    assert {each["action"] for each in answer.json()["verdicts"]}.isdisjoint({"reject"})


def hurried(files):
    """The same rules, evaluated and grouped every second: a test does not wait for minutes."""
    for file in files.glob("*.yml"):
        text = file.read_text()
        for slow in ("interval: 30s", "interval: 15s", "wait: 10s", "interval: 1m"):
            text = text.replace(slow, slow.rpartition(" ")[0] + " 1s")
        file.write_text(text)


def query(port, expr):
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": expr}, timeout=60)
    except httpx.TransportError:
        return []
    if answer.status_code == 503:  # it listens before it is ready
        return []
    found = answer.json()
    assert found["status"] == "success", found
    return found["data"]["result"]


def made(name, out, *more):
    run(sys.executable, "-m", "wardline", "rules", f"guards.{name}", "--out", str(out), *more)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def process(*command):
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(120)


class Replica:
    """`wardline serve guards.taxi` with a home of its own, that may die and come back at the same port."""

    def __init__(self, home):
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = None

    def start(self):
        command = [sys.executable, "-m", "wardline", "serve", "guards.taxi", "--port", str(self.port),
                   "--home", str(self.home)]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                         cwd=ROOT, start_new_session=True)  # fmt: skip

    def ready(self):
        until(self._answers)

    def _answers(self):
        try:
            return httpx.get(f"{self.url}/readyz", timeout=20).status_code == 200
        except httpx.TransportError:
            return False

    def die(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        until(lambda: not self._answers())  # its worker sees that it is alone, and ends

    def stop(self):
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(180)


class Pager:
    """The webhook of whoever is on call: keeps what it was told, and where."""

    def __init__(self):
        told = self.told = []

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                told.append({**body, "path": self.path})
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def about(self, alert, feature):
        for body in list(self.told):
            if any(named(each, alert, feature) for each in body["alerts"]):
                return body
        return None

    def close(self):
        self._server.shutdown()
        self._server.server_close()
