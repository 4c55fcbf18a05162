"""What the servers count of their logs, read from the files that real servers write."""

from __future__ import annotations

from pathlib import Path

from tests.monitor.live import gate
from tests.serving.server import serving
from wardline import Settings
from wardline.monitor.service import counters, losses
from wardline.monitor.signal import Standing, settle
from wardline.serving import app


def test_the_servers_counts_are_read_as_they_write_them(tmp_path: Path) -> None:
    with serving(app(gate, Settings(home=tmp_path))) as client:
        client.post("/predict", json=gate.contract.examples[0])
        assert client.get("/metrics").status_code == 200
        found = counters(tmp_path / "taxi" / "metrics")
        assert {"written", "dropped", "queued"} <= found.keys()
    after = counters(tmp_path / "taxi" / "metrics")
    assert (after["written"], after["dropped"]) == (1, 0)


def test_a_dropped_record_alerts_at_once_and_an_old_drop_does_not() -> None:
    def standing(now: int, before: int) -> list[Standing]:
        return [each.standing for each in settle(list(losses({"dropped": now}, {"dropped": before})), 1e-8)]

    assert standing(3, 0) == [Standing.ALERT, Standing.OK]
    assert standing(3, 3) == [Standing.OK, Standing.OK]


def test_files_that_say_nothing_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x.json").write_text("[")
    assert counters(tmp_path) == {}
