"""The gates of a server that has several: who answers for each, and whether it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wardline.ui.html import page, table, tag


class Shown(NamedTuple):
    """A gate, as it is listed. `under` is the path its pages lie under, `alerts` counts them by state."""

    name: str
    under: str
    owner: str
    problems: Sequence[str]
    monitor: str
    alerts: Mapping[str, int]


def gates_page(gates: Sequence[Shown]) -> bytes:
    """Make the page."""
    rows = [
        (
            tag("a", gate.name, href=f"{gate.under}/ui/"),
            tag("a", "traces", href=f"{gate.under}/ui/traces"),
            gate.owner or "nobody",
            "; ".join(gate.problems) or "it answers",
            gate.monitor,
            ", ".join(f"{count} {state}" for state, count in gate.alerts.items() if count) or "none",
        )
        for gate in gates
    ]
    return page("Gates", "", table(("gate", "", "owner", "ready", "monitor", "alerts"), rows))
