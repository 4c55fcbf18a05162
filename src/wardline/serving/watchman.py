"""What the server tells of its monitor: whether it lives, what it found, what it holds."""

from __future__ import annotations

from typing import Any

from wardline.gate import OpenGate


def detail(opened: OpenGate | None) -> dict[str, Any]:
    """Return the detail of /readyz: a dead monitor does not make a gate unready, but it is told."""
    pulse = None if opened is None else opened.pulse
    health, age = (None, None) if pulse is None else (pulse.now, pulse.age())
    if health is None or age is None or opened is None:
        return {"state": "absent"}
    return {
        "state": "silent" if health.stale(opened.clock()) else "alive",
        "age_s": round(age, 1),
        "records": health.records,
        "alerts": dict(health.alerts),
        "held": sorted({held.subject for held in health.holds}),
        "problems": list(health.problems),
    }
