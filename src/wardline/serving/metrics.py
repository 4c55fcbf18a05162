"""Metrics: whole numbers counted per worker, added up over workers when somebody scrapes."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import CollectorRegistry

from wardline import health, whole
from wardline.gate import Gate, OpenGate
from wardline.health import alive
from wardline.monitor import report
from wardline.record import STAGES, Records
from wardline.serving import plain
from wardline.serving.bin_page import BinPage, Generate, texts
from wardline.serving.bins import BinCounts, Key
from wardline.serving.families import EDGES_US, Families, Together
from wardline.serving.gauges import Gauges, gauges, together
from wardline.serving.push import Push, push
from wardline.tracing.tracer import counts as traced
from wardline.verdict import ACTIONS, Finding

log = logging.getLogger(__name__)

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
_HELD = 8192  # rows that wait to be counted at most
_REASONS = 500  # kinds of finding told apart; a guard that makes up reasons without end fills no memory
_CODES = frozenset(range(100, 600))
_USUAL = (
    ("serve", 200), ("flag", 200), ("fallback", 200), ("abstain", 200), ("abstain", 504), ("reject", 422),
    ("reject", 400), ("reject", 413), ("none", 429), ("none", 500), ("none", 503),
)  # fmt: skip


class Counts(Protocol):
    """Who counts responses: a gate's `Metrics`, or nobody where a response is about no gate."""

    def responded(self, status: int, action: str = "none") -> None:
        """Count one response."""


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
        self._written: dict[Key, int] = {}
        self._opened: OpenGate | None = None
        self._bins: BinCounts | None = None
        self._page: BinPage | None = None
        self._waiting: list[Records] = []
        self._rows = self._kinds = 0
        self._home = home / gate.name
        self._exemplars: dict[Key, tuple[str, float, float]] = {}
        self._gauges: Gauges = {}
        self._push: Push | None = None
        self.in_flight: Callable[[], int] = lambda: 0
        """How many requests are being answered; who counts them says so here."""

    def open(self, opened: OpenGate) -> None:
        """Start with every action at zero, so that a rate has a beginning."""
        self._opened = opened
        self._bins = BinCounts(opened, self._counts)
        self._page = BinPage(self._bins)
        zeros: list[Key] = [("rows", action.value) for action in ACTIONS]
        zeros += [("requests", action, str(code)) for action, code in _USUAL]
        zeros += [("responses", str(code)) for code in sorted({code for _, code in _USUAL})]
        zeros += [("rung", name) for name in (*opened.schema.rungs, "none")]
        zeros += [("log", what) for what in ("written", "dropped", "errors")]
        guards = [guard.name for guard in opened.gate.guards]
        zeros += [("spoke", name, weight) for name in (*_OURS, *guards) for weight in ("warn", "block")]
        for key in zeros:
            self._counts[key] += 0
        if self._push is None:
            self._push = push(self._folder, opened.schema)

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
        rungs = np.concatenate([records.rungs for records in waiting]) + 1
        names = ("none", *(self._opened.schema.rungs if self._opened is not None else ()))
        for name, rows in zip(names, np.bincount(rungs, minlength=len(names)).tolist(), strict=False):
            counts["rung", name] += rows
        for records in waiting:
            self._note(records)
        for place, stage in enumerate(STAGES):
            spent = [records.stages_us[place] for records in waiting if len(records.stages_us) > place]
            edges = np.searchsorted(EDGES_US, spent)
            for edge, requests in enumerate(np.bincount(edges, minlength=len(EDGES_US) + 1).tolist()):
                if requests:
                    counts["stage", stage, str(edge)] += requests
            counts["stage_sum", stage] += int(sum(spent))
        if self._bins is not None:
            self._bins.count([records.block for records in waiting if records.block is not None])

    def _note(self, records: Records) -> None:
        """Count what was found in one request, and remember its times where its trace is kept."""
        for findings in records.findings.values():
            for finding in findings:
                self._found(finding)
        if records.kept:
            for stage, us in zip(STAGES, records.stages_us, strict=False):
                bucket = str(int(np.searchsorted(EDGES_US, us)))
                self._exemplars[stage, bucket] = (records.trace_id, us / 1e6, records.time / 1e9)

    def _found(self, finding: Finding) -> None:
        """Count a finding; reasons past the bound are counted as other."""
        counts, weight = self._counts, finding.severity.value
        key = ("findings", finding.guard, finding.reason, weight)
        if key not in counts:
            if self._kinds >= _REASONS:
                key = ("findings", "other", "other", weight)
            else:
                self._kinds += 1
        counts[key] += 1
        if ("spoke", finding.guard, weight) in counts:
            counts["spoke", finding.guard, weight] += 1

    def responded(self, status: int, action: str = "none") -> None:
        """Count one response."""
        code = str(status) if status in _CODES else "other"
        self._counts["responses", code] += 1
        self._counts["requests", action if action in _ACTIONS else "none", code] += 1

    async def tick(self) -> None:
        """Write the counts every second, as long as they change."""
        while True:
            await asyncio.sleep(1.0)
            self.write()
            if self._push is not None and self._push.due():
                self._push.give(self.families())

    def write(self) -> None:
        """Write this worker's counts, by atomic rename; a disk that refuses costs metrics, not requests."""
        self._count()
        self._take_over()
        before, self._gauges = self._gauges, gauges(self._opened, self.in_flight(), time.time())
        if dict(self._counts) == self._written and before == self._gauges:
            return
        told = Told(os.getpid(), [(list(key), count) for key, count in self._counts.items()],
                    [(list(key), value) for key, value in self._gauges.items()],
                    [(list(key), seen) for key, seen in self._exemplars.items()])  # fmt: skip
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            whole.put(self._file, msgspec.json.encode(told))
        except OSError as error:
            log.warning("metrics cannot be written: %s", error)
        else:
            self._written = dict(self._counts)

    def close(self) -> None:
        """Write the last counts, and send them where somebody asked for that."""
        self.write()
        if self._push is not None:
            self._push.close(self.families)
            self._push = None
        self._opened = None

    def _take_over(self) -> None:
        """Take over what the record log, the tracer and the sender of metrics count themselves."""
        opened = self._opened
        if self._push is not None:
            for name in ("sent", "failed", "skipped"):
                self._counts["pushed", name] = getattr(self._push, name)
        if opened is None:
            return
        stats = getattr(opened.sink, "stats", None)
        if stats is not None:
            state = stats()
            for name in ("written", "dropped", "errors"):
                self._counts["log", name] = getattr(state, name)
        if opened.tracer is not None:
            for name, count in traced(opened.tracer.stats()).items():
                self._counts["traces", name] = count

    def families(self) -> Families:
        """Return the sums over all workers. Gauges are of those alive: one that died is not in flight."""
        self.write()
        total: Counter[Key] = Counter(self._counts)
        levels: list[Mapping[Key, float]] = [self._gauges]
        seen = dict(self._exemplars)
        for file in sorted(self._folder.glob("*.json")):
            if file == self._file:
                continue
            try:
                told = msgspec.json.decode(file.read_bytes(), type=Told)
            except (OSError, ValueError):
                log.warning("metrics of another worker cannot be read: %s", file.name)
                continue
            total.update({tuple(key): count for key, count in told.counts})
            seen.update({tuple(key): each for key, each in told.exemplars})
            if alive(told.pid):
                levels.append({tuple(key): value for key, value in told.gauges})
        return Families(
            self._gate, self._opened, total, bins=self._page, gauges=together(levels), exemplars=seen,
            told=health.load(self._home / health.NAME), report=report.load(self._home),
        )  # fmt: skip

    def render(self, *, openmetrics: bool = False) -> bytes:
        """Return the page of all workers."""
        return written([self.families()], openmetrics=openmetrics)


def written(gates: Sequence[Families], *, openmetrics: bool) -> bytes:
    """Write each gate's families as Prometheus reads them, or as OpenMetrics, which has exemplars."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(gates[0] if len(gates) == 1 else Together(gates))
    generate: Generate = generate_openmetrics if openmetrics else plain.generate
    made, end = generate(registry), b"# EOF\n" if openmetrics else b""
    rows = texts([(each.bins, each.counts) for each in gates if each.bins is not None], generate)
    return made.removesuffix(end) + rows + end


class Told(msgspec.Struct):
    """What one worker writes for the others."""

    pid: int
    counts: list[tuple[list[str], int]]
    gauges: list[tuple[list[str], float]]
    exemplars: list[tuple[list[str], tuple[str, float, float]]]


_ACTIONS = frozenset(action.value for action in ACTIONS)
_OURS = ("contract", "features", "chain", "gate")  # who speaks beside the guards
