"""The real thing: a served gate, its monitor process, and months of real trips through its endpoint."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from models.taxi.replay import KILOMETRES, monitor, replay, trips
from tests.serving.processes import Running, started
from tests.waiting import until
from wardline.cli.alerts import alerts

GATE = "tests.monitor.live"
MONTH = "2018-12"
RATE = 900.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("served")
    with started(home, "--unchecked", "a smaller window", target=GATE) as running:
        yield running


class Months:
    """Trips of one month, sent on and on, with distances as the meter shows them."""

    def __init__(self, served: Running) -> None:
        self.served = served
        self.miles, self.kilometres = trips(MONTH), trips(MONTH, KILOMETRES)
        self.done: Counter[str] = Counter()
        self._pause = threading.Event()

    def ask(self, rows: int, *, kilometres: bool = False) -> Counter[str]:
        of, at = self.kilometres if kilometres else self.miles, self.done.total()
        some = [of[(at + place) % len(of)] for place in range(rows)]
        done = sum(replay(self.served.url, some, RATE, self._pause.wait), Counter())
        self.done += done
        return done

    def found(self, state: str, key: str) -> dict[str, Any] | None:
        """The first event that left an alert about a signal in a state: a slice's may fire before, and the
        whole gate's join it."""
        path = self.served.home / "taxi" / "alerts.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []  # the last may be half written
        events = [json.loads(line) for line in lines]
        told = [event for event in events if event["alert"] and event["alert"]["state"] == state]
        return next((event for event in told if key in event["alert"]["signals"]), None)

    def until(self, state: str, key: str, *, kilometres: bool = False) -> dict[str, Any]:
        """Send trips until such an event is there; how many that takes is the monitor's matter, and the time
        it has does not depend on how fast this machine sends."""
        while (event := self.found(state, key)) is None:
            self.ask(300, kilometres=kilometres)
            assert self.done.total() < 400_000, f"no {key} is {state}"
        return event


def test_a_later_month_ends_in_an_alert_and_a_changed_meter_in_the_fallback_and_back(served: Running) -> None:
    months = Months(served)
    # In December 2018 a vendor sends trips that nobody trained on, one and a half in a hundred.
    new = months.until("firing", "quality.new/vendor")
    assert months.done["serve"] + months.done["flag"] > 0.9 * months.done.total()
    assert whose(new) == ("trip-time", "trip-time-oncall", "docs/runbooks/taxi.md")
    assert months.found("firing", "drift.psi/distance") is None

    far = months.until("firing", "drift.psi/distance", kilometres=True)
    assert whose(far) == ("trip-time", "trip-time-oncall", "docs/runbooks/taxi.md")
    evidence = far["evidence"]
    moved = next(each for each in evidence["signals"] if each["key"] == "drift.psi/distance")
    assert moved["effect"] >= 0.25
    assert moved["moved"]
    # The whole gate's signal may join a slice's alert, whose hold has moved trips to the rule by then.
    assert evidence["versions"]["model"].startswith(("taxi", "rule"))
    assert len(evidence["samples"]["drift.psi/distance"]) == 5

    until(lambda: "distance" in monitor(served.url).get("held", ()))
    until(lambda: months.ask(50, kilometres=True)["fallback"] >= 45)
    page = httpx.get(f"{served.url}/metrics", timeout=60).text
    assert 'wardline_alerts{gate="taxi",state="firing"} ' in page
    assert "wardline_monitor_heartbeat_timestamp_seconds" in page
    shown = CliRunner().invoke(alerts, [GATE, "--home", str(served.home), "--format", "json"])
    assert (shown.exit_code, json.loads(shown.stdout)[0]["page"]) == (1, "trip-time-oncall")

    months.until("resolved", "drift.psi/distance")
    until(lambda: months.ask(50)["fallback"] < 5)

    # What stood in the terminal of `make serve`:
    served.says("taxi firing", "drift.psi/distance", "quality.new/vendor", "owner trip-time", "taxi resolved")
    served.says("runbook docs/runbooks/taxi.md, held")


def whose(event: dict[str, Any]) -> tuple[str, str, str]:
    alert = event["alert"]
    return alert["owner"], alert["page"], alert["runbook"]


def test_the_month_as_it_is_sent_carries_the_zone_and_the_meters_unit() -> None:
    miles, kilometres = trips("2018-11"), trips("2018-11", KILOMETRES)
    assert {row["pickup_datetime"][-6:] for row in miles} == {"-04:00", "-05:00"}
    assert all(far["trip_distance"] <= 200 for far in kilometres)
    near = [(a["trip_distance"], b["trip_distance"]) for a, b in zip(miles, kilometres, strict=True)]
    assert sum(b for _, b in near) > 1.55 * sum(a for a, _ in near)
    assert Path("models/taxi/data/yellow_2018-11.csv.gz").is_file()
