"""The page of metrics: whole, bounded, right over several workers and after one died."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tests.examples import Limit, declared_pair, doubling
from tests.serving.server import serving
from wardline import Chain, Python, Rule, Settings
from wardline.record import Records
from wardline.serving import app
from wardline.serving.bin_page import texts
from wardline.serving.metrics import Metrics
from wardline.settings import TraceSettings
from wardline.verdict import Finding, Severity, Stage

ROW = {"a": 1.0, "b": 2.0}


def gate() -> Any:
    rungs = Chain(Python(lambda: doubling, name="model"), Rule(lambda row: -1.0, answers_blocked=True))
    return declared_pair(rungs, [Limit(5, 20)])


def page(client: httpx.Client) -> dict[tuple[str, ...], float]:
    return samples(client.get("/metrics").text)


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (each.name, *(value for name, value in sorted(each.labels.items()) if name != "gate")): each.value
        for family in plain(text)
        for each in family.samples
    }


def one(action: int = 0, reason: str = "limit.over", **given: Any) -> Records:
    found = {0: [Finding("limit", Stage.INPUT, Severity.BLOCK, reason)]} if action else {}
    return Records(0, "id", "a" * 32, False, np.array([action], np.int8), np.zeros(1, np.int8), np.zeros(1),
                   np.zeros(1, np.intp), None, {}, found, (1.0,) * 6, **given)  # fmt: skip


def test_what_can_be_counted_is_there_at_zero(tmp_path: Path) -> None:
    with serving(app(gate(), Settings(home=tmp_path))) as client:
        found = page(client)
    for action in ("serve", "flag", "fallback", "abstain", "reject"):
        assert found["wardline_rows_total", action] == 0
    assert found["wardline_requests_total", "reject", "422"] == 0
    assert found["wardline_guard_findings_total", "limit", "block"] == 0
    assert found["wardline_rung_rows_total", "rule"] == 0
    assert found["wardline_log_total", "dropped"] == 0
    assert found["wardline_traces_total", "limited"] == 0
    assert found["wardline_breaker_workers", "model", "closed"] == 1
    assert found["wardline_in_flight_requests",] == 0
    assert found["wardline_queue_depth", "records"] == 0
    assert found["wardline_monitor_stale",] == 1
    assert found["wardline_stage_seconds_count", "chain"] == 0


def test_requests_are_counted_by_action_and_code_and_rung(tmp_path: Path) -> None:
    with serving(app(gate(), Settings(home=tmp_path))) as client:
        for row in (ROW, ROW, {"a": 30.0, "b": 1.0}, {"a": "x", "b": 1.0}):
            client.post("/predict", json=row)
        found = page(client)
    assert found["wardline_requests_total", "serve", "200"] == 2
    assert found["wardline_requests_total", "fallback", "200"] == 1
    assert found["wardline_requests_total", "reject", "422"] == 1
    assert found["wardline_rung_rows_total", "rule"] == 1
    assert found["wardline_rung_rows_total", "none"] == 1
    assert found["wardline_guard_findings_total", "limit", "block"] == 1
    assert found["wardline_findings_total", "limit", "limit.over", "block"] == 1


def test_latencies_carry_the_trace_that_shows_them(tmp_path: Path) -> None:
    with serving(app(gate(), Settings(home=tmp_path, traces=TraceSettings(sample=1.0)))) as client:
        trace = client.post("/predict", json=ROW).json()["trace_id"]
        response = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    seen = {
        sample.exemplar.labels["trace_id"]
        for family in openmetrics(response.text)
        for sample in family.samples
        if sample.exemplar
    }
    assert seen == {trace}


def test_no_caller_can_make_series(tmp_path: Path) -> None:
    with serving(app(gate(), Settings(home=tmp_path))) as client:
        client.post("/predict", json=ROW)
        client.get("/somewhere")
        client.post("/predict", json={"a": "x", "b": 1.0})
        before = len(page(client))
        for i in range(60):
            client.get(f"/{i}")
            client.post("/predict", json={**ROW, f"field_{i}": i}, headers={"x-request-id": f"r{i}"})
            client.post("/predict", json={"a": f"{i}", "b": i * 1e9})
            client.post(f"/predict?x={i}", json=ROW, headers={"x-wardline-action": f"a{i}"})
        after = page(client)
    assert len(after) <= before + 12  # a handful of reasons, each once


def test_a_guard_that_makes_up_reasons_is_bounded(tmp_path: Path) -> None:
    metrics = Metrics(gate(), tmp_path)
    for i in range(3000):
        metrics.observe(one(2, f"limit.{i}"))
        metrics.responded(1000 + i, f"action{i}")
    found = samples(metrics.render().decode())
    assert sum(key[0] == "wardline_findings_total" for key in found) <= 501
    assert sum(value for key, value in found.items() if key[0] == "wardline_findings_total") == 3000
    assert found["wardline_requests_total", "none", "other"] == 3000


def test_workers_add_up_and_a_dead_one_leaves_its_counts_and_takes_its_gauges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDLINE_RUN", "one")
    child = (
        "import sys; from pathlib import Path; from tests.serving.test_metrics import gate, one; "
        "from wardline.serving.metrics import Metrics; m = Metrics(gate(), Path(sys.argv[1])); "
        "m.in_flight = lambda: 5; m.observe(one()); m.observe(one(2)); m.write(); print('ok', flush=True); "
        "sys.stdin.read()"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", child, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"ok\n"
    ours = Metrics(gate(), tmp_path)
    ours.in_flight = lambda: 2
    ours.observe(one())
    found = samples(ours.render().decode())
    assert (found["wardline_rows_total", "serve"], found["wardline_rows_total", "fallback"]) == (2, 1)
    assert found["wardline_in_flight_requests",] == 7
    worker.kill()
    worker.communicate()
    found = samples(ours.render().decode())
    assert (found["wardline_rows_total", "serve"], found["wardline_rows_total", "fallback"]) == (2, 1)
    assert found["wardline_in_flight_requests",] == 2


def test_a_torn_file_of_another_worker_costs_its_own_counts_only(tmp_path: Path) -> None:
    ours = Metrics(gate(), tmp_path)
    ours.observe(one())
    ours.write()
    folder = next((tmp_path / "pair" / "metrics").iterdir())
    (folder / "torn.json").write_bytes(b'{"pid": 1, "counts": [[["rows", "ser')
    assert samples(ours.render().decode())["wardline_rows_total", "serve"] == 1


def test_the_page_is_what_prometheus_takes(tmp_path: Path) -> None:
    text = Metrics(gate(), tmp_path).render().decode()
    for name in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE):
        assert re.fullmatch(r"wardline_[a-z_]+", name)


def test_rows_by_bin_are_written_as_the_library_writes_them(tmp_path: Path) -> None:
    from prometheus_client import generate_latest
    from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
    from prometheus_client.registry import Collector, CollectorRegistry

    from guards.taxi import gate as taxi

    taxi.close()
    metrics = Metrics(taxi, tmp_path)
    opened = taxi.open(Settings(home=tmp_path))
    metrics.open(opened)
    for miles in (1.0, 2.5, 2.5, 120.0):
        row = {**taxi.contract.examples[0], "trip_distance": miles}
        metrics.observe(opened.walk(lambda row=row: taxi.contract.admit(row), "id", "a" * 32))  # type: ignore[misc] # its default is the row
    taxi.close()
    found = metrics.families()
    assert found.bins is not None

    class Library(Collector):
        def collect(self) -> Any:
            yield from metrics._bins.families(found.counts)  # type: ignore[union-attr] # it was opened

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Library())
    for generate in (generate_latest, generate_openmetrics):
        theirs = generate(registry).decode().removesuffix("# EOF\n")
        assert texts([(found.bins, found.counts)], generate).decode() == theirs
    assert list(openmetrics(metrics.render(openmetrics=True).decode()))
