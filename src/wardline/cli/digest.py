"""What a stretch of the log was like, on one screen: actions, who speaks most, which camera is slowest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click
import msgspec
from rich import box
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from wardline.cli.records import COLOURS
from wardline.log.summary import Summary, summarise

_MOST = 10


def digest(records: Path, since: datetime, form: str, console: Console) -> None:
    """Print it; every row counts, kept trace or not."""
    told = summarise(records, since)
    if form == "json":
        click.echo(json.dumps({"since": since.isoformat(), **msgspec.to_builtins(told)}, ensure_ascii=False))
        return
    if not told.rows:
        click.echo(f"no row since {since:%Y-%m-%d %H:%M} UTC in {records}", err=True)
        return
    console.print(f"{told.rows:,} rows since {since:%Y-%m-%d %H:%M} UTC")
    console.print(Group(*filter(None, (_actions(told), _guards(told), _stages(told), _cameras(told)))))


def _actions(told: Summary) -> Table:
    rows = [
        (f"[{COLOURS.get(action, 'default')}]{action}[/]", f"{rows:,}", f"{rows / told.rows:.2%}")
        for action, rows in told.actions.items()
    ]
    return _table(("what was done", "rows", "share"), rows)


def _guards(told: Summary) -> Table:
    rows = [
        (escape(guard), escape(reason), f"{rows:,}", f"{rows / told.rows:.2%}")
        for guard, reason, rows in told.findings[:_MOST]
    ]
    return _table(("who speaks most", "finding", "rows", "share"), rows or [("nobody", "", "", "")])


def _stages(told: Summary) -> Table:
    rows = [(each.name, f"{each.median_ms:.3f}", f"{each.p95_ms:.3f}") for each in told.stages]
    return _table(("slowest stage", "median ms", "95 % within ms"), rows)


def _cameras(told: Summary) -> Table | None:
    rows = [
        (escape(each.name), f"{each.rows:,}", f"{each.median_ms:.2f}", f"{each.p95_ms:.2f}", each.slowest)
        for each in told.cameras[:_MOST]
    ]
    head = ("slowest camera", "frames", "median ms", "95 % within ms", "most of it in")
    return _table(head, rows) if rows else None


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in head:
        number = name in {"rows", "share", "frames"} or "ms" in name
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
