"""The whole circle on real trips: drift, alert with its owner, hold, fallback, recovery."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tests.monitor.live import gate
from tests.serving.processes import until
from tests.serving.server import serving
from wardline import LogSettings, Settings
from wardline.cli.alerts import alerts
from wardline.cli.target import watched
from wardline.monitor.process import Monitor
from wardline.serving import app

ROOT = Path(__file__).parents[2]


def trips(seed: int) -> Iterator[dict[str, Any]]:
    """Held-back trips of 2018, in an order of chance, as callers send them."""
    table = pq.read_table(ROOT / "models/taxi/data/split/held_back.parquet").select(gate.contract.fields)
    rows = [row for row in table.to_pylist() if row["trip_distance"] > 0]
    rng = np.random.default_rng(seed)
    while True:
        for place in rng.permutation(len(rows)).tolist():
            row = rows[place]
            yield {**row, "pickup_datetime": f"{row['pickup_datetime']}-05:00"}


class Meter:
    """Sends batches of trips at a steady rate, in miles or, after somebody's upgrade, in kilometres."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.trips = trips(7)
        self._pause = threading.Event()

    def send(self, rows: int, factor: float = 1.0, rate: float = 150.0) -> Counter[str]:
        """Send rows; return what was done with them."""
        done: Counter[str] = Counter()
        for _ in range(rows // 15):
            some = [next(self.trips) for _ in range(15)]
            some = [{**row, "trip_distance": min(199.0, row["trip_distance"] * factor)} for row in some]
            answers = self.client.post("/predict", json={"rows": some}).json()
            done.update(answer["action"] for answer in answers["verdicts"])
            self._pause.wait(15 / rate)
        return done


@dataclass
class Circle:
    """A served gate and its monitor, which share nothing but a folder."""

    client: httpx.Client
    home: Path

    def events(self, to: str) -> list[dict[str, Any]]:
        path = self.home / "taxi" / "alerts.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [each for each in found if each["to"] == to and each["alert"]["rule"] == "drift"]

    def monitor(self) -> dict[str, Any]:
        told: dict[str, Any] = self.client.get("/readyz").json()["monitor"]
        return told


@pytest.fixture
def circle(tmp_path: Path) -> Iterator[Circle]:
    settings = Settings(home=tmp_path, log=LogSettings(flush_s=0.05))
    stopped = threading.Event()
    with serving(app(gate, settings)) as client:
        monitor = Monitor(watched(gate), tmp_path, env={})
        thread = threading.Thread(target=monitor.run, args=(stopped,))
        thread.start()
        try:
            yield Circle(client, tmp_path)
        finally:
            stopped.set()
            thread.join(30)


def test_miles_become_kilometres_and_the_gate_falls_back_until_they_are_miles_again(circle: Circle) -> None:
    meter = Meter(circle.client)
    good = meter.send(1200)
    assert good["serve"] + good["flag"] > 0.95 * good.total()
    until(lambda: circle.monitor()["state"] == "alive")
    assert not circle.events("firing")

    meter.send(750, factor=1.609)
    until(lambda: circle.events("firing"), 20)
    (drifted,) = circle.events("firing")
    alert, evidence = drifted["alert"], drifted["evidence"]
    assert {key.split("/")[1] for key in alert["signals"]} >= {"distance"}
    assert (alert["owner"], alert["page"]) == ("trip-time", "trip-time-oncall")
    assert alert["runbook"] == "docs/runbooks/taxi.md"
    moved = next(each for each in evidence["signals"] if each["key"] == "drift.psi/distance")
    assert moved["effect"] >= 0.25
    assert moved["moved"]
    assert evidence["versions"]["model"].startswith("taxi")
    assert len(evidence["samples"]["drift.psi/distance"]) == 5

    until(lambda: "distance" in circle.monitor().get("held", ()), 10)
    assert meter.send(45, factor=1.609) == {"fallback": 45}
    page = circle.client.get("/metrics").text
    assert 'wardline_alerts{gate="taxi",state="firing"} ' in page
    assert "wardline_monitor_heartbeat_timestamp_seconds" in page
    shown = CliRunner().invoke(alerts, ["tests.monitor.live", "--home", str(circle.home), "--format", "json"])
    assert (shown.exit_code, json.loads(shown.stdout)[0]["page"]) == (1, "trip-time-oncall")

    end = time.monotonic() + 60
    while drifted["id"] not in {event["id"] for event in circle.events("resolved")}:
        assert time.monotonic() < end
        meter.send(45)
    until(lambda: meter.send(15)["fallback"] < 5, 10)
