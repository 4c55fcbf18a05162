"""What the monitor saw last, as metric families: by feature and by kind, whatever its file says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily

from wardline.monitor.report import CAMERA_KINDS, Report
from wardline.monitor.signal import SEVERITY, Standing
from wardline.monitoring import FAMILIES
from wardline.serving.bins import MOST

_ANSWERS = ("answered", "matured", "labelled")


def families(
    gate: str, features: Iterable[str], report: Report | None, now: float, *, pictures: bool
) -> Iterator[GaugeMetricFamily]:
    """Give the families of one gate; a report that is missing, of another gate or too old tells nothing.

    Series are bounded by the gate itself: features it has, at most so many as are followed by bin; families
    of signals, standings and kinds of change that are known.
    """
    told = report if report is not None and report.gate == gate and report.until >= now else None
    yield from _drift(gate, list(features)[:MOST], told)
    signals = GaugeMetricFamily(
        "wardline_signals", "Signals of the monitor by what they say", labels=["gate", "family", "standing"]
    )
    cameras = GaugeMetricFamily(
        "wardline_camera_changes", "Cameras at which a kind of change lasts", labels=["gate", "kind"]
    )
    followed = GaugeMetricFamily(
        "wardline_cameras_followed", "Cameras that the monitor follows", labels=["gate"]
    )  # fmt: skip
    if told is not None:
        if pictures:
            followed.add_metric([gate], told.followed)
        for family in FAMILIES:
            counted = told.signals.get(family, {})
            for standing in SEVERITY:
                signals.add_metric([gate, family, standing.value], counted.get(standing.value, 0))
        for kind in (*CAMERA_KINDS, "other") if pictures else ():
            cameras.add_metric([gate, kind], told.cameras.get(kind, 0))
    yield from (signals, cameras, followed)
    yield from _labels(gate, told)


def _drift(gate: str, features: list[str], told: Report | None) -> Iterator[GaugeMetricFamily]:
    """The distance of every feature, and what it is worth of those that do not stand well."""
    psi = GaugeMetricFamily(
        "wardline_drift_psi", "PSI of each feature's last window against the reference",
        labels=["gate", "feature"],
    )  # fmt: skip
    drifted = GaugeMetricFamily(
        "wardline_drifted", "1 for each feature whose drift is more than chance, while it lasts",
        labels=["gate", "feature", "standing"],
    )  # fmt: skip
    together = GaugeMetricFamily(
        "wardline_drift_design_effect", "Rows in sequence that are worth one row that stands alone",
        labels=["gate", "feature"],
    )  # fmt: skip
    found = {} if told is None else {each.feature: each for each in told.drift}
    for name in features:
        each = found.get(name)
        if each is None or not each.rows:
            continue
        psi.add_metric([gate, name], each.psi)
        together.add_metric([gate, name], each.together)
        if each.standing in (Standing.WARN, Standing.ALERT):
            drifted.add_metric([gate, name, each.standing.value], 1)
    yield from (psi, drifted, together)


def _labels(gate: str, told: Report | None) -> Iterator[GaugeMetricFamily]:
    answers = GaugeMetricFamily(
        "wardline_labelled_answers", "Answers there are, old enough to have a label, with one",
        labels=["gate", "what"],
    )  # fmt: skip
    coverage = GaugeMetricFamily(
        "wardline_label_coverage_ratio", "Share of matured answers that have their label", labels=["gate"]
    )
    if told is not None:
        for what in _ANSWERS:
            answers.add_metric([gate, what], getattr(told.labels, what))
        if (share := told.labels.coverage) is not None:
            coverage.add_metric([gate], share)
    yield from (answers, coverage)
