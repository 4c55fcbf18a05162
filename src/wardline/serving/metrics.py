"""Metrics: whole numbers counted per worker, added up over workers when somebody scrapes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from wardline.gate import Gate, OpenGate
from wardline.record import STAGES, Records
from wardline.serving.bins import BinCounts, Key
from wardline.verdict import ACTIONS

log = logging.getLogger(__name__)

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
EDGES_US = (10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000)
"""Upper edges of the latency buckets in microseconds: a path takes tens of them, a slow model thousands."""

_HELD = 8192  # rows that wait to be counted at most


class Metrics:
    """Counters of one worker, and the sum over all workers of the server.

    Each worker writes its counts to a file of its own every second while they change; a scrape adds the
    files up. A worker that died leaves its counts behind, so counters never fall while the server runs;
    `wardline serve` starts with none (`WARDLINE_RUN` tells the runs apart).
    """

    def __init__(self, gate: Gate, home: Path) -> None:
        self._gate = gate
        run = os.environ.get("WARDLINE_RUN", f"pid{os.getpid()}")
        self._folder = home / gate.name / "metrics" / run
        self._file = self._folder / f"{uuid.uuid4().hex}.json"
        self._counts: Counter[Key] = Counter()
        self._written: Counter[Key] = Counter()
        self._opened: OpenGate | None = None
        self._bins: BinCounts | None = None
        self._waiting: list[Records] = []
        self._rows = 0

    def open(self, opened: OpenGate) -> None:
        """Start with every action at zero, so that a rate has a beginning."""
        self._opened = opened
        self._bins = BinCounts(opened, self._counts)
        for action in ACTIONS:
            self._counts["rows", action.value] += 0

    def observe(self, records: Records) -> None:
        """Note one request; it is counted when the counts are next asked for."""
        self._waiting.append(records)
        self._rows += len(records.actions)
        if self._rows >= _HELD:
            self._count()

    def _count(self) -> None:
        """Count what was noted: rows by action, findings, the time of each stage, rows by bin."""
        waiting, self._waiting, self._rows = self._waiting, [], 0
        if not waiting:
            return
        counts = self._counts
        actions = np.concatenate([records.actions for records in waiting])
        for code, rows in enumerate(np.bincount(actions, minlength=len(ACTIONS)).tolist()):
            counts["rows", ACTIONS[code].value] += rows
        for records in waiting:
            for findings in records.findings.values():
                for finding in findings:
                    counts["findings", finding.guard, finding.reason, finding.severity.value] += 1
        for place, stage in enumerate(STAGES):
            spent = [records.stages_us[place] for records in waiting if len(records.stages_us) > place]
            edges = np.searchsorted(EDGES_US, spent)
            for edge, requests in enumerate(np.bincount(edges, minlength=len(EDGES_US) + 1).tolist()):
                if requests:
                    counts["stage", stage, str(edge)] += requests
            counts["stage_sum", stage] += int(sum(spent))
        if self._bins is not None:
            self._bins.count([records.block for records in waiting if records.block is not None])

    def responded(self, status: int) -> None:
        """Count one response."""
        self._counts["responses", str(status)] += 1

    async def tick(self) -> None:
        """Write the counts every second, as long as they change."""
        while True:
            await asyncio.sleep(1.0)
            self.write()

    def write(self) -> None:
        """Write this worker's counts, by atomic rename; a disk that refuses costs metrics, not requests."""
        self._count()
        self._gauges()
        if self._counts == self._written:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_suffix(".tmp")
            draft.write_text(json.dumps([[list(key), count] for key, count in self._counts.items()]))
            draft.replace(self._file)
        except OSError as error:
            log.warning("metrics cannot be written: %s", error)
        else:
            self._written = self._counts.copy()

    def close(self) -> None:
        """Write the last counts."""
        self.write()
        self._opened = None

    def _gauges(self) -> None:
        """Take over what the record log counts itself."""
        stats = getattr(self._opened.sink, "stats", None) if self._opened is not None else None
        if stats is None:
            return
        state = stats()
        for name in ("written", "dropped", "errors"):
            self._counts["log", name] = getattr(state, name)

    def render(self) -> bytes:
        """Return the page of all workers, as Prometheus reads it."""
        self.write()
        total: Counter[Key] = Counter(self._counts)
        for file in sorted(self._folder.glob("*.json")):
            if file == self._file:
                continue
            try:
                total.update({tuple(key): count for key, count in json.loads(file.read_text())})
            except (OSError, ValueError):
                log.warning("metrics of another worker cannot be read: %s", file.name)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Page(self._gate, total, self._bins))
        return generate_latest(registry)


class _Page(Collector):
    """The sums, as metric families."""

    def __init__(self, gate: Gate, counts: Mapping[Key, int], bins: BinCounts | None) -> None:
        self._gate = gate
        self._counts = counts
        self._bins = bins

    def collect(self) -> Iterator[Any]:
        """Yield every family."""
        gate = self._gate.name
        families: dict[str, tuple[Any, int]] = {
            "rows": (CounterMetricFamily(
                "wardline_rows", "Rows by what was done with them", labels=["gate", "action"]), 1),
            "responses": (CounterMetricFamily(
                "wardline_responses", "HTTP responses by status", labels=["gate", "code"]), 1),
            "findings": (CounterMetricFamily(
                "wardline_findings", "Findings that are not ok",
                labels=["gate", "guard", "reason", "severity"]), 3),
            "log": (CounterMetricFamily(
                "wardline_log", "Records written, records dropped, failed writes",
                labels=["gate", "what"]), 1),
        }  # fmt: skip
        for key, count in self._counts.items():
            if key[0] in families:
                families[key[0]][0].add_metric([gate, *key[1:]], count)
        yield from (family for family, _ in families.values())
        yield self._stages(gate)
        yield self._info(gate)
        if self._bins is not None:
            yield from self._bins.families(self._counts)

    def _info(self, gate: str) -> GaugeMetricFamily:
        owner = self._gate.owner
        info = GaugeMetricFamily(
            "wardline_gate_info", "What is served, and who answers for it",
            labels=["gate", "features_version", "contract", "owner"],
        )  # fmt: skip
        told = [self._gate.features.version, self._gate.contract.hash[:12], owner.team if owner else ""]
        info.add_metric([gate, *told], 1)
        return info

    def _stages(self, gate: str) -> HistogramMetricFamily:
        family = HistogramMetricFamily(
            "wardline_stage_seconds", "Time of each stage of the path, a request", labels=["gate", "stage"]
        )
        for stage in STAGES:
            total, buckets = 0, []
            for place in range(len(EDGES_US) + 1):
                total += self._counts.get(("stage", stage, str(place)), 0)
                edge = str(EDGES_US[place] / 1e6) if place < len(EDGES_US) else "+Inf"
                buckets.append((edge, total))
            family.add_metric([gate, stage], buckets, self._counts.get(("stage_sum", stage), 0) / 1e6)
        return family
