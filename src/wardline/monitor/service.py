"""The service: how long each stage takes, what fails, what of the log was lost or waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np

from wardline.health import alive
from wardline.monitor.judge import Limits, exceed
from wardline.monitor.plan import EDGES_US
from wardline.monitor.sight import Counts, Sight
from wardline.monitor.signal import Signal
from wardline.record import STAGES

FAILING = 0.01
"""Share of rows that may meet a fault of ours."""
TAIL = 0.05
"""Share of rows that may be slower than `Monitoring.slower` times the past's 99th percentile."""
WAITING = 20_000
"""Records that may wait for the log's disk."""


def latencies(sight: Sight) -> Iterator[Signal]:
    """`serving.p50` and `serving.p99` by stage: rows slower than the past's percentile times `slower`.

    Percentiles are read off counts by half again. A request's time is each of its rows': the log's own past
    is the standard, for it had batches and a machine like these; what the reference measured is told.
    """
    plan, view = sight.ladder.plan, sight.whole
    if view is None:
        return
    slower = plan.watched.monitoring.slower
    for stage in STAGES:
        span = plan.whole[f"us.{stage}"]
        counts, series = sight.detailed(span)
        past = sight.detailed_past(span)
        for name, quantile, most in (("p50", 0.5, 0.5), ("p99", 0.99, TAIL)):
            edge = percentile(past, quantile) if past is not None else None
            if edge is None:
                continue
            first = int(np.searchsorted(EDGES_US, edge * slower)) + 1
            slow = series[:, first:].sum(axis=1)
            now = percentile(counts, quantile)
            says = f"rows whose {stage} took over {edge * slower:.0f} µs; {name} is {now or 0:.0f} µs"
            says += _measured(sight, stage, name)
            yield exceed(
                Signal(f"serving.{name}", stage, says=says),
                int(counts[first:].sum()), int(counts.sum()), Limits(most, most, sight.rows),
                blocks=np.stack([slow, series.sum(axis=1) - slow], axis=1),
            )  # fmt: skip


def percentile(counts: Counts, quantile: float) -> float | None:
    """Return the upper edge, in microseconds, of the bin that holds a quantile; None of no rows."""
    total = int(counts.sum())
    if not total:
        return None
    place = int(np.searchsorted(np.cumsum(counts), quantile * total))
    return float(EDGES_US[min(place, len(EDGES_US) - 1)])


def _measured(sight: Sight, stage: str, name: str) -> str:
    """Say what the reference measured of the primary: a row alone, on the machine that built it."""
    watched = sight.ladder.plan.watched
    primary = watched.reference.rungs.get(watched.rungs[0])
    if stage != "chain" or primary is None or name not in primary.latency_ms:
        return ""
    return f" ({primary.latency_ms[name] * 1000.0:.0f} µs a row in the reference)"


def errors(sight: Sight) -> Iterator[Signal]:
    """`serving.error`: rows that met a fault of ours, whatever the input was."""
    plan = sight.ladder.plan
    if sight.whole is None:
        yield from sight.short("serving.error")
        return
    for view in sight.views:
        failed = view.series(plan.sliced["error"])[:, 0]
        total = view.series(plan.sliced["rows"])[:, 0]
        yield exceed(
            Signal("serving.error", "", view.name, says="rows that met a fault of ours"),
            int(failed[len(failed) - view.used :].sum()), view.rows, sight.rate(FAILING),
            blocks=np.stack([failed, np.maximum(0, total - failed)], axis=1),
        )  # fmt: skip


def losses(counters: Mapping[str, int], before: Mapping[str, int]) -> Iterator[Signal]:
    """`serving.drops` and `serving.queue`: the servers' own counts, in which chance has no part."""
    lost = max(0, counters.get("dropped", 0) - before.get("dropped", 0))
    yield _fact("serving.drops", float(lost), 1.0, "records dropped since the last look")
    yield _fact("serving.queue", float(counters.get("queued", 0)), WAITING, "records that wait to be written")


def _fact(name: str, value: float, limit: float, says: str) -> Signal:
    return msgspec.structs.replace(
        Signal(name, says=says), effect=value, warn=limit, alert=limit, unit="records",
        p_value=0.0 if value >= limit else 1.0, rows=1, needed=1, effective=1.0, plain=value >= limit,
    )  # fmt: skip


class _Told(msgspec.Struct):
    """What a worker's file of metrics says, as far as it is read here."""

    pid: int
    counts: list[tuple[list[str], float]]
    gauges: list[tuple[list[str], float]] = []


def counters(folder: Path) -> dict[str, int]:
    """Add up what the workers of all runs count of their logs, from their files of metrics.

    What a worker that is gone had waiting waits no more.
    """
    total: dict[str, int] = {}
    for file in folder.glob("*/*.json"):
        try:
            told = msgspec.json.decode(file.read_bytes(), type=_Told)
        except (OSError, msgspec.DecodeError):
            continue
        found = {key[1]: count for key, count in told.counts if len(key) == 2 and key[0] == "log"}
        if alive(told.pid):
            found["queued"] = sum(value for key, value in told.gauges if key == ["queue", "records"])
        for name, count in found.items():
            total[name] = total.get(name, 0) + int(count)
    return total
