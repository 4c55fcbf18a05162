"""What one worker is like now: numbers that end with it, unlike the counts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from wardline.gate import OpenGate
from wardline.health import Health
from wardline.log.ship import ShipStats
from wardline.serving.bins import Key

Gauges = dict[Key, float]
"""By name and labels. Over workers they add up, but for those in `MAXIMA`, of which the largest counts."""

MAXIMA = frozenset({"lag"})

_STARTED = time.time()


_PROMISES = ("valid", "watch", "void")


def gauges(opened: OpenGate | None, in_flight: int, now: float) -> Gauges:
    """Return them for this worker."""
    found: Gauges = {("in_flight",): float(in_flight)}
    if opened is None:
        return found
    stats = getattr(opened.sink, "stats", None)
    if stats is not None:
        state = stats()
        found["queue", "records"] = state.queued
        since = state.last_flush or _STARTED  # a disk that never took a record lags from the start
        found["lag",] = max(0.0, now - since) if state.queued else 0.0
        found["queue", "sealed_files"] = getattr(opened.sink, "shipping", ShipStats()).waiting
    if opened.tracer is not None:
        found["queue", "traces"] = opened.tracer.stats().queued
        found["queue", "spans"] = opened.tracer.stats().spans_queued
    lines = [getattr(rung.opened, "in_line", None) for rung in opened.chain.rungs]
    if any(line is not None for line in lines):
        found["queue", "micro_batch"] = float(sum(line or 0 for line in lines))
    for rung in opened.chain.rungs:
        for name in ("closed", "half_open", "open"):
            found["breaker", rung.name, name] = float(rung.breaker.state == name)
    return found


def together(each: list[Mapping[Key, float]]) -> Gauges:
    """Put the gauges of several workers together.

    >>> together([{("in_flight",): 1.0, ("lag",): 3.0}, {("in_flight",): 2.0, ("lag",): 1.0}])
    {('in_flight',): 3.0, ('lag',): 3.0}
    """
    whole: Gauges = {}
    for one in each:
        for key, value in one.items():
            before = whole.get(key)
            if before is None:
                whole[key] = value
            else:
                whole[key] = max(before, value) if key[0] in MAXIMA else before + value
    return whole


def of_health(health: Health | None, now: float) -> Mapping[str, Any]:
    """Return what the monitor said last, by the names that metrics give it."""
    if health is None:
        return {"heartbeat": 0.0, "stale": 1.0, "alerts": {}, "holds": {}, "coverage": {}}
    holds: dict[str, float] = {}
    for held in health.holds:
        column = held.column or "feature"
        holds[column] = holds.get(column, 0) + 1
    return {
        "heartbeat": health.at, "stale": float(health.stale(now)), "holds": holds,
        "alerts": {str(state): float(count) for state, count in health.alerts.items()},
        "coverage": {rung or "all": _PROMISES.index(str(left)) for rung, left in health.coverage.items()},
    }  # fmt: skip


def age_s(created: str) -> float:
    """Return the seconds since a reference was built, from its ISO 8601 stamp; NaN where it says nothing."""
    from datetime import UTC, datetime  # noqa: PLC0415 - once a scrape

    try:
        built = datetime.fromisoformat(created)
    except ValueError:
        return float("nan")
    built = built if built.tzinfo is not None else built.replace(tzinfo=UTC)
    return time.time() - built.timestamp()
