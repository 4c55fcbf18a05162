"""Real frames through the real gate: a firmware update ends in a page, a held camera, and recovery."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import pytest

from guards.leaf import gate
from tests.serving.processes import until
from tests.test_leaf import firmware_update, photos
from wardline import LogSettings, Settings
from wardline.cameras import Enrolment, remember
from wardline.cli.target import watched
from wardline.health import Held, load
from wardline.monitor import report
from wardline.monitor.camera_signals import CameraSignals
from wardline.monitor.evidence import told
from wardline.monitor.process import Monitor
from wardline.settings import TraceSettings
from wardline.tracing.frames import ATTRIBUTE
from wardline.tracing.read import traces


class Field:
    """Cameras that send leaves, and the monitor of their gate; they share nothing but a folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.leaves = cycle(photos().values())
        self.now = 0.0
        self.monitor = Monitor(watched(gate), home, clock=lambda: self.now, env={})

    def send(self, count: int, camera: str = "field-1", *, updated: bool = False) -> list[Any]:
        some = [next(self.leaves) for _ in range(count)]
        return [
            gate({
                "picture": firmware_update(photo) if updated else photo,
                "camera": camera, "firmware": "1.0",
            })
            for photo in some
        ]  # fmt: skip

    def seen(self, rows: int) -> bool:
        """Let the monitor look until it has read so many records."""
        self.tick()
        return self.monitor.ladder.rows >= rows

    def tick(self, seconds: float = 1.0) -> None:
        newest = self.monitor.ladder.now or 1.0
        self.now = max(self.now + seconds, newest)
        self.monitor.tick()

    def holds(self) -> tuple[Held, ...]:
        told = load(self.home / "leaf" / "health.json")
        return () if told is None else told.holds

    def events(self) -> list[dict[str, Any]]:
        path = self.home / "leaf" / "alerts.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [each for each in map(json.loads, lines) if each["alert"]["rule"] == "camera"]


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:

    gate.open(Settings(home=tmp_path, log=LogSettings(flush_s=0.05)))
    made = Field(tmp_path)
    made.now = time.time()
    try:
        yield made
    finally:
        made.monitor.close()
        gate.close()


def held(verdict: Any) -> str | None:
    return next((each.observed for each in verdict.findings if each.reason == "hold.held"), None)


def test_a_firmware_update_pages_the_owner_holds_the_camera_and_is_over_when_it_is_undone(
    field: Field,
) -> None:
    clean = field.send(20) + field.send(12, "field-2")
    assert Counter(each.served_by for each in clean)["leaf"] >= 28
    until(lambda: field.seen(32))
    assert field.events() == []

    field.send(3, updated=True)
    until(lambda: field.seen(35))
    firing = next(each for each in field.events() if each["to"] == "firing")
    alert = firing["alert"]
    assert alert["signals"] == ["camera.codec.requantised/camera=field-1"]
    assert (alert["owner"], alert["page"]) == ("crop-ml", "crop-ml-oncall")
    assert alert["runbook"] == "docs/runbooks/leaf.md"
    (signal,) = firing["evidence"]["signals"]
    assert "codec.requantised" in signal["says"]
    assert "level" in signal["says"]
    assert firing["evidence"]["samples"][signal["key"]]

    said = report.load(field.home / "leaf")
    assert said is not None
    assert (said.followed, said.cameras["codec.requantised"], sum(said.cameras.values())) == (2, 1, 1)

    (hold,) = field.holds()
    assert (hold.column, hold.value, hold.severity) == ("camera", "field-1", "block")
    until(lambda: held(field.send(1)[0]) == "camera.codec.requantised")
    assert field.send(1, "field-2")[0].served_by == "leaf"  # no other camera pays for it

    field.monitor.close()  # a restart remembers the change, and pages nobody again
    field.monitor = Monitor(watched(gate), field.home, clock=lambda: field.now, env={})
    field.tick()
    assert [each["to"] for each in field.events()].count("firing") == 1


def test_a_camera_that_writes_as_before_is_trusted_again(field: Field) -> None:
    field.send(12)
    until(lambda: field.seen(12))
    field.send(2, updated=True)
    until(lambda: field.seen(14))
    assert field.holds()
    field.send(2)
    until(lambda: field.seen(16))
    field.tick(5.0)
    assert field.events()[-1]["to"] == "resolved"
    assert field.holds() == ()
    until(lambda: field.send(1)[0].served_by == "leaf")


def test_a_camera_that_is_enrolled_anew_is_settled(field: Field) -> None:
    field.send(12)
    field.send(2, updated=True)
    until(lambda: field.seen(14))
    assert field.events()[-1]["to"] == "firing"
    enrolment = Enrolment("field-1")
    contract = gate.contract.afresh()
    for photo in list(photos().values())[:4]:
        given = {"picture": firmware_update(photo), "camera": "field-1", "firmware": "1.0"}
        (frame,) = contract.admit(given).rows
        enrolment.add(frame.statistics, frame.header, "1.0")
    remember(field.home / "leaf" / "cameras.json", enrolment, field.now)
    field.tick()
    field.tick(5.0)
    assert field.events()[-1]["to"] == "resolved"
    field.send(3, updated=True)
    until(lambda: field.seen(17))
    assert field.events()[-1]["to"] == "resolved"


def test_a_checkpoint_whose_cameras_cannot_be_read_costs_the_cameras_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    signals = CameraSignals(watched(gate), None, b"nothing")
    assert (signals.over_frames, len(signals.watch.cameras)) == (True, 0)
    assert "are learned anew" in caplog.text


def test_an_alert_names_a_picture_from_before_and_one_from_after(tmp_path: Path) -> None:
    gate.open(
        Settings(
            home=tmp_path, log=LogSettings(flush_s=0.05), traces=TraceSettings(sample=1.0, per_minute=6e4)
        )
    )
    field = Field(tmp_path)
    field.now = time.time()
    kept = tmp_path / "leaf" / "traces"

    def shown(count: int) -> bool:
        return sum(ATTRIBUTE in trace.root.attributes for trace in traces(kept)) >= count

    try:
        field.send(12)
        until(lambda: shown(12))
        field.send(3, updated=True)
        until(lambda: shown(15))
        until(lambda: field.seen(15))
        firing = next(each for each in field.events() if each["to"] == "firing")
        (named,) = firing["evidence"]["pictures"].values()
        names = [trace.root.attributes[ATTRIBUTE] for trace in reversed(list(traces(kept)))]
        assert named == {"before": f"frames/{names[11]}", "after": f"frames/{names[12]}"}
        assert all(cv2.imread(str(kept / name)) is not None for name in named.values())
        (alert,) = (each for each in field.monitor.board.alerts.values() if each.rule == "camera")
        _, body = told(alert, "leaf", "firing", field.monitor.signals, firing["evidence"]["pictures"])
        assert f"before: traces/{named['before']}\n    after: traces/{named['after']}" in body
    finally:
        field.monitor.close()
        gate.close()
