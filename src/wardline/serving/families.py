"""The page of metrics: the sums over workers as families, each of bounded cardinality by construction."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from prometheus_client.core import CounterMetricFamily, Exemplar, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from wardline import health
from wardline.gate import Gate, OpenGate
from wardline.monitor.report import Report
from wardline.record import STAGES
from wardline.serving import watched
from wardline.serving.bin_page import BinPage
from wardline.serving.bins import Key
from wardline.serving.gauges import Gauges, age_s, of_health

EDGES_US = (10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000)
"""Upper edges of the latency buckets in microseconds: a path takes tens of them, a slow model thousands."""

Exemplars = Mapping[Key, tuple[str, float, float]]
"""By stage and bucket: a kept trace's id, the seconds it took, and when."""

_BUILD = (version("wardline"), platform.python_version())
_COUNTERS = {
    "rows": ("wardline_rows", "Rows by what was done with them", ["action"]),
    "requests": ("wardline_requests", "Requests by what was done and the HTTP status", ["action", "code"]),
    "responses": ("wardline_responses", "HTTP responses by status", ["code"]),
    "findings": ("wardline_findings", "Findings that are not ok", ["guard", "reason", "severity"]),
    "spoke": ("wardline_guard_findings", "The same by guard, each from zero", ["guard", "severity"]),
    "rung": ("wardline_rung_rows", "Rows by the rung that answered; none where nobody did", ["rung"]),
    "log": ("wardline_log", "Records written, records dropped, failed writes", ["what"]),
    "pushed": ("wardline_metric_exports", "Exports of metrics by OTLP, by how they went", ["what"]),
    "traces": (
        "wardline_traces",
        "Traces kept, limited, dropped; spans sent and unsent",
        ["what"],
    ),
}
_GAUGES = {
    "in_flight": ("wardline_in_flight_requests", "Requests being answered now", []),
    "queue": ("wardline_queue_depth", "What waits to be written or sent", ["queue"]),
    "lag": ("wardline_record_lag_seconds", "Since records that wait were last written", []),
    "breaker": ("wardline_breaker_workers", "Workers by the state of a rung's breaker", ["rung", "state"]),
}


class Families(Collector):
    """The sums, as metric families."""

    def __init__(
        self,
        gate: Gate,
        opened: OpenGate | None,
        counts: Mapping[Key, int],
        *,
        bins: BinPage | None,
        gauges: Gauges,
        exemplars: Exemplars,
        told: health.Health | None,
        report: Report | None = None,
    ) -> None:
        self._gate = gate
        self._opened = opened
        self.bins = bins
        self.counts = counts
        self._gauges = gauges
        self._exemplars = exemplars
        self._told = told
        self._report = report

    def collect(self) -> Iterator[Any]:
        """Yield every family."""
        gate = self._gate.name
        counters = {
            kind: CounterMetricFamily(name, told, labels=["gate", *labels])
            for kind, (name, told, labels) in _COUNTERS.items()
        }
        for key, count in self.counts.items():
            if key[0] in counters:
                counters[key[0]].add_metric([gate, *key[1:]], count)
        yield from counters.values()
        levels = {
            kind: GaugeMetricFamily(name, told, labels=["gate", *labels])
            for kind, (name, told, labels) in _GAUGES.items()
        }
        for label, value in self._gauges.items():
            if label[0] in levels:
                levels[label[0]].add_metric([gate, *label[1:]], value)
        yield from levels.values()
        yield self._stages(gate)
        yield from self._infos(gate)
        yield from self._monitor(gate)
        yield from watched.families(
            gate, self._gate.features.schema.names, self._report, time.time(),
            pictures=self._gate.contract.pictures,
        )  # fmt: skip

    def _infos(self, gate: str) -> Iterator[GaugeMetricFamily]:
        owner = self._gate.owner
        info = GaugeMetricFamily(
            "wardline_gate_info", "What is served, and who answers for it",
            labels=["gate", "features_version", "contract", "owner"],
        )  # fmt: skip
        told = [self._gate.features.version, self._gate.contract.hash[:12], owner.team if owner else ""]
        info.add_metric([gate, *told], 1)
        yield info
        build = GaugeMetricFamily("wardline_build_info", "The program", labels=["version", "python"])
        build.add_metric(list(_BUILD), 1)
        yield build
        age = GaugeMetricFamily(
            "wardline_reference_age_seconds", "Since the reference was built", labels=["gate", "reference"]
        )
        reference = None if self._opened is None else self._opened.reference
        if reference is not None:
            age.add_metric([gate, reference.id], age_s(reference.created))
        yield age

    def _monitor(self, gate: str) -> Iterator[GaugeMetricFamily]:
        """What the monitor said last; its heartbeat is 0 where it never spoke."""
        told = of_health(self._told, time.time())
        for kind, name, words in (
            ("heartbeat", "wardline_monitor_heartbeat_timestamp_seconds", "When the monitor last spoke"),
            ("stale", "wardline_monitor_stale", "1 where what it said is too old to go by"),
        ):
            family = GaugeMetricFamily(name, words, labels=["gate"])
            family.add_metric([gate], told[kind])
            yield family
        for kind, name, words, label in (
            ("alerts", "wardline_alerts", "Open alerts of the monitor", "state"),
            (
                "holds",
                "wardline_holds",
                "What may not be trusted: features, or slices by column",
                "column",
            ),
            ("coverage", "wardline_coverage_status", "Promised coverage: 0 valid, 1 watch, 2 void", "rung"),
        ):
            family = GaugeMetricFamily(name, words, labels=["gate", label])
            for value, count in told[kind].items():
                family.add_metric([gate, value], count)
            yield family

    def _stages(self, gate: str) -> HistogramMetricFamily:
        family = HistogramMetricFamily(
            "wardline_stage_seconds", "Time of each stage of the path, a request", labels=["gate", "stage"]
        )
        for stage in STAGES:
            total = 0
            buckets: list[Any] = []
            for place in range(len(EDGES_US) + 1):
                total += self.counts.get(("stage", stage, str(place)), 0)
                edge = str(EDGES_US[place] / 1e6) if place < len(EDGES_US) else "+Inf"
                seen = self._exemplars.get((stage, str(place)))
                buckets.append((edge, total, seen and Exemplar({"trace_id": seen[0]}, seen[1], seen[2])))
            family.add_metric([gate, stage], buckets, self.counts.get(("stage_sum", stage), 0) / 1e6)
        return family


class Together(Collector):
    """The families of several gates: each family once, with the samples of all."""

    def __init__(self, gates: Sequence[Families]) -> None:
        self._gates = gates

    def collect(self) -> Iterator[Any]:
        """Yield every family."""
        merged: dict[str, Any] = {}
        for families in self._gates:
            for family in families.collect():
                before = merged.setdefault(family.name, family)
                if before is not family:  # what is about no gate, as the program's version, is told once
                    before.samples += [each for each in family.samples if "gate" in each.labels]
        yield from merged.values()
