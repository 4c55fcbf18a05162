"""What the monitor saw, at `/metrics`: bounded by the gate whatever its file says, and never doubled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as plain

from guards.leaf import gate as leaf
from tests.examples import declared_pair, doubling
from wardline import Chain, Python
from wardline.monitor import report
from wardline.monitor.report import CAMERA_KINDS, Drifted, Labels, Report, made
from wardline.monitor.signal import Signal, Standing
from wardline.serving.metrics import Metrics

FAR = 4e9  # seconds since the epoch: not too old for a long time


def gate() -> Any:
    return declared_pair(Chain(Python(lambda: doubling, name="model")))


def page(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return {
        (each.name, *(value for name, value in sorted(each.labels.items()) if name != "gate")): each.value
        for family in plain(metrics.render().decode())
        for each in family.samples
        if each.name.startswith(("wardline_drift", "wardline_signals", "wardline_camera", "wardline_label"))
    }


def served(home: Path, said: Report | None = None, gated: Any = None) -> Metrics:
    gated = gated or gate()
    folder = home / gated.name
    folder.mkdir(parents=True, exist_ok=True)
    if said is not None:
        report.save(said, folder)
    return Metrics(gated, home)


def signal(subject: str, effect: float, standing: Standing, name: str = "drift.psi", **given: Any) -> Signal:
    return Signal(name, subject, effect=effect, standing=standing, rows=500, **given)


SIGNALS = [
    signal("a", 0.41, Standing.ALERT, effective=20.0), signal("total", 0.02, Standing.OK),
    signal("a", 9.9, Standing.ALERT, slice="a=1"),  # a slice is no feature of all rows
    signal("total", 0.0, Standing.INSUFFICIENT, "sequence.shift"),
    signal("", 7.0, Standing.ALERT, "camera.isp.sharpening", slice="camera=a1"),
    signal("", 7.0, Standing.WARN, "camera.isp.sharpening", slice="camera=a2"),
    signal("", 7.0, Standing.WARN, "camera.never.heard.of", slice="camera=a3"),
]  # fmt: skip


def test_a_report_boils_a_look_down() -> None:
    told = made("pair", 1.0, 31.0, SIGNALS, Labels(100, 80, 60))
    assert [(each.feature, each.psi, each.standing) for each in told.drift] == [
        ("a", 0.41, Standing.ALERT), ("total", 0.02, Standing.OK),
    ]  # fmt: skip
    assert told.signals["drift"] == {"alert": 2, "ok": 1}
    assert told.cameras["isp.sharpening"] == 2
    assert told.cameras["other"] == 1
    assert told.labels.coverage == 0.75
    assert Labels(100, 0, 0).coverage is None


def test_drift_and_labels_are_gauges(tmp_path: Path) -> None:
    found = page(served(tmp_path, made("pair", FAR - 9, FAR, SIGNALS, Labels(100, 80, 60))))
    assert found["wardline_drift_psi", "a"] == 0.41
    assert found["wardline_drift_psi", "total"] == 0.02
    assert found["wardline_drifted", "a", "alert"] == 1
    assert found["wardline_drift_design_effect", "a"] == 25  # 500 rows are worth 20
    assert found["wardline_drift_design_effect", "total"] == 1
    assert ("wardline_drifted", "total", "ok") not in found
    assert found["wardline_signals", "drift", "alert"] == 2
    assert found["wardline_signals", "serving", "alert"] == 0  # there from zero
    assert found["wardline_label_coverage_ratio",] == 0.75
    assert found["wardline_labelled_answers", "matured"] == 80
    assert not [key for key in found if key[0] == "wardline_camera_changes"]  # no gate over frames


def test_every_kind_of_change_at_a_camera_is_there_from_zero(tmp_path: Path) -> None:
    found = page(served(tmp_path, made("leaf", FAR - 9, FAR, SIGNALS, Labels()), leaf))
    kinds = {key[1]: value for key, value in found.items() if key[0] == "wardline_camera_changes"}
    assert kinds.keys() == {*CAMERA_KINDS, "other"}
    assert kinds["isp.sharpening"] == 2
    assert sum(kinds.values()) == 3


@pytest.mark.parametrize("said", [None, Report("other", 1.0, FAR), Report("pair", 1.0, 31.0)])
def test_no_report_of_this_gate_or_one_too_old_tells_nothing(tmp_path: Path, said: Report | None) -> None:
    assert page(served(tmp_path, said)) == {}


def test_a_report_of_somebody_hostile_makes_no_series(tmp_path: Path) -> None:
    flood = Report(
        "pair", FAR - 9, FAR,
        tuple(Drifted(f"made up {i}", float(i), Standing.ALERT, 9) for i in range(5000)),
        {f"family{i}": {f"standing{i}": i} for i in range(5000)},
        {f"kind{i}": i for i in range(5000)}, 9, Labels(-1, 5, 10**9),
    )  # fmt: skip
    few = len(page(served(tmp_path / "usual", made("pair", FAR - 9, FAR, SIGNALS, Labels(1, 1, 1)))))
    assert len(page(served(tmp_path / "flood", flood))) <= few


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"gate": 3}', b"\xff\xfe", b"[" * 100_000, b'{"gate": "pair"}']
)  # fmt: skip
def test_a_report_that_is_none_costs_itself_only(tmp_path: Path, text: bytes) -> None:
    metrics = served(tmp_path)
    (tmp_path / "pair" / report.NAME).write_bytes(text)
    assert page(metrics) == {}
    assert b"# TYPE wardline_rows_total counter" in metrics.render()


def test_two_workers_do_not_double_what_one_monitor_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDLINE_RUN", "one")
    first = served(tmp_path, made("pair", FAR - 9, FAR, SIGNALS, Labels(100, 80, 60)))
    second = served(tmp_path)
    first.write()
    second.write()
    assert page(first) == page(second)
    assert page(second)["wardline_drift_psi", "a"] == 0.41
