"""The first page: what is guarded, what was done, who speaks most, which camera is slowest, what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wardline.log.summary import Summary
from wardline.ui.html import Safe, facts, link, page, table, tag

_ALERTS = 10


def overview(
    gate: str, guarded: Mapping[str, object], told: Summary, window: str, alerts: list[Any]
) -> bytes:
    """Make the page. `guarded` says what is served, `window` which stretch `told` is about."""
    whole = max(told.rows, 1)
    actions = table(
        ("action", "rows", "share"),
        [
            (tag("span", action, class_=action), rows, f"{rows / whole:.2%}")
            for action, rows in told.actions.items()
        ],
        f"What was done with {told.rows} rows, {window}",
    )
    guards = table(
        ("guard", "finding", "rows", ""),
        [
            (guard, reason, rows, link("traces", "/ui/traces", guard=guard, reason=reason))
            for guard, reason, rows in told.findings[:10]
        ],
        f"Which guard speaks most, {window}",
    )
    cameras = table(
        ("camera", "frames", "median ms", "95 % within ms", "most of it in", ""),
        [
            (pace.name, pace.rows, f"{pace.median_ms:.2f}", f"{pace.p95_ms:.2f}", pace.slowest,
             link("traces", "/ui/traces", camera=pace.name))
            for pace in told.cameras[:20]
        ],
        f"The slowest camera first, {window}",
    )  # fmt: skip
    stages = table(
        ("stage", "median ms", "95 % within ms"),
        [(each.name, f"{each.median_ms:.3f}", f"{each.p95_ms:.3f}") for each in told.stages],
        f"The slowest stage first, {window}",
    )
    return page(
        "Overview", gate, facts(guarded),
        tag("div", tag("section", actions), tag("section", guards), class_="cols"),
        tag("div", tag("section", stages), class_="cols"),
        cameras if told.cameras else Safe(""), _alerts(alerts),
    )  # fmt: skip


def _alerts(alerts: list[Any]) -> Safe:
    if not alerts:
        return tag("p", "No alert was raised by the monitor.", class_="quiet")
    rows = [
        (each.get("at", ""), each.get("state", ""), ", ".join(map(str, each.get("subjects", ()))),
         each.get("explanation", json.dumps(each)[:300]))
        for each in alerts
    ]  # fmt: skip
    return table(("when", "state", "about", "what"), rows, "The newest alerts")


def newest_alerts(file: Path) -> list[Any]:
    """Read the newest alerts, the newest first; none where the monitor never wrote any."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - 65_536))
            lines = opened.read().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for text in reversed(lines):
        try:
            alert = json.loads(text)
        except ValueError:  # the first may be half of one
            continue
        if isinstance(alert, dict):
            found.append(alert)
        if len(found) == _ALERTS:
            break
    return found
