"""The first page: what is guarded, what was done, who speaks most, which camera is slowest, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from wardline.log.summary import Summary
from wardline.ui.html import Safe, facts, link, page, table, tag


def overview(gate: str, guarded: Mapping[str, object], told: Summary, window: str, alerts: Safe) -> bytes:
    """Make the page. `guarded` says what is served, `window` which stretch `told` is about;
    `alerts` is their list."""
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
        cameras if told.cameras else Safe(""), alerts,
    )  # fmt: skip
