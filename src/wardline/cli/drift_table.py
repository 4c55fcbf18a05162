"""The answer of `wardline drift` as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wardline.cli.comparing import Comparison, Point
from wardline.monitor.signal import Signal, Standing

_PIPED_WIDTH = 140
_COLOURS = {"ok": "green", "warn": "yellow", "alert": "red", "insufficient": "cyan"}


def show(made: Comparison, told: dict[str, Any]) -> None:
    """Print the answer for people, what moved most first."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    verdict = told["verdict"]
    console.print(f"[bold {_COLOURS[verdict]}]{verdict}[/]: {_summary(made)}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("feature", overflow="fold")
    table.add_column("slice", overflow="fold")
    for name in ("PSI", "p", "rows", "worth"):
        table.add_column(name, justify="right")
    table.add_column("standing")
    if made.trends:
        table.add_column("trend")
    table.add_column("what moved", overflow="fold")
    for each in sorted(made.signals, key=lambda signal: (signal.slice, -signal.effect)):
        known = each.p_value == each.p_value
        moved = each.standing in (Standing.WARN, Standing.ALERT)
        table.add_row(
            escape(each.subject), escape(each.slice or "-"), f"{each.effect:.4f}",
            f"{each.p_value:.2g}" if known else "?", f"{each.rows:,}",
            f"{each.effective:,.0f}" if each.effective == each.effective else "?",
            f"[{_COLOURS[each.standing.value]}]{each.standing.value}[/]",
            *([spark(made.trends.get((each.slice, each.subject), []), each.alert)] if made.trends else []),
            escape(_moved(each) if moved else ""),
        )  # fmt: skip
    console.print(table)
    for note in made.notes:
        console.print(f"[yellow]note:[/] {escape(note)}")


def spark(points: Sequence[Point], alert: float) -> str:
    """Draw a trend in one line: as high as what alerts is the last but one of eight heights.

    >>> spark([Point(0, 1, 0.0, 500), Point(1, 2, 0.25, 500), Point(2, 3, 0.9, 500)], 0.25)
    '▁▇█'
    """
    return "".join("▁▂▃▄▅▆▇█"[min(7, int(6 * point.psi / max(alert, 1e-9)))] for point in points)


def _moved(signal: Signal) -> str:
    return "\n".join(f"{each.bin}: {each.before:.1%} to {each.now:.1%}" for each in signal.moved[:3])


def _summary(made: Comparison) -> str:
    alerts = [each.key.partition("/")[2] for each in made.signals if each.standing is Standing.ALERT]
    named = f": {', '.join(alerts)}" if alerts else ""
    return f"{len(alerts)} of {len(made.signals)} compared have drifted{named}"
