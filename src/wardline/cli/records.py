"""`wardline records`: what the model saw, and what was answered."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wardline.errors import LogError
from wardline.log import batches
from wardline.log.fetch import fetched
from wardline.log.plain import plain, readable
from wardline.verdict import ACTIONS

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHOWN = (
    "time", "request_id", "action", "served_by", "prediction", "confidence", "set", "interval_low",
    "interval_high", "level", "coverage_status", "ood_p", "findings",
)  # fmt: skip
_ACTIONS = [action.value for action in ACTIONS]
PIPED_WIDTH = 160  # columns where no terminal says how many there are
COLOURS = {"serve": "green", "flag": "yellow", "fallback": "cyan", "abstain": "magenta", "reject": "red"}


@click.command()
@click.argument("target")
@click.option("--request", "request_id", metavar="ID", help="One record, whole (or every row of one batch).")
@click.option("--action", "actions", multiple=True, type=click.Choice(_ACTIONS), help="Only these actions.")
@click.option("--since", metavar="15m|ISO", help="Only later ones: 30s, 15m, 2h, 7d, or a date and time.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(0), help="The newest N; 0: all.")
@click.option("--columns", metavar="A,B", help="Only these columns, for example time,feature.income.")
@click.option("--from", "store", metavar="URL", help="Sealed records in a store, as s3://models-log/prod.")
@click.option(
    "--format", "form", default="table", show_default=True,
    type=click.Choice(["table", "json", "jsonl", "csv"]), help="For people, or for programs.",
)  # fmt: skip
def records(
    *,
    target: str,
    request_id: str | None,
    actions: tuple[str, ...],
    since: str | None,
    limit: int,
    columns: str | None,
    store: str | None,
    form: str,
) -> None:
    """Show what the gate TARGET (guards.loan) was asked and answered, also while it is being served."""
    from wardline.cli.target import load  # noqa: PLC0415 - loading a gate loads its models' libraries

    gate = load(target)
    chosen = None if columns is None else tuple(name.strip() for name in columns.split(","))
    needed = chosen or (_SHOWN if form == "table" and request_id is None else None)
    begin = None if since is None else moment(since, datetime.now(UTC))
    try:
        with (
            nullcontext(gate.records_dir) if store is None else fetched(store, gate.name, begin) as directory
        ):
            table = find(
                directory, request_id=request_id, actions=actions, since=begin, limit=limit, columns=needed
            )
    except LogError as error:
        raise click.UsageError(str(error)) from error
    if not table.num_rows:
        click.echo(f"no such record in {store or gate.records_dir}", err=True)
    show(table, form, whole=request_id is not None, chosen=chosen)


def find(
    directory: Path,
    *,
    request_id: str | None = None,
    actions: Sequence[str] = (),
    since: datetime | None = None,
    limit: int = 0,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Return the newest `limit` records of a directory (0: all), oldest first; memory holds no more.

    The id of a batch stands for its rows.
    """
    found = batches(directory, request_id=request_id, action=actions or None, since=since, columns=columns,
                    on_problem=lambda sentence: click.echo(f"warning: {sentence}", err=True))  # fmt: skip
    kept: list[pa.RecordBatch] = []
    count = 0
    schema = None
    for batch in found:
        schema = batch.schema
        kept.append(batch)
        count += batch.num_rows
        while limit and count - kept[0].num_rows >= limit:
            count -= kept.pop(0).num_rows
    table = pa.Table.from_batches(kept, schema=schema) if kept else pa.table({})
    return table.slice(table.num_rows - limit) if limit and table.num_rows > limit else table


def moment(text: str, now: datetime) -> datetime:
    """Read `15m` as that long before now, anything else as a date and time (UTC unless it says).

    >>> now = datetime(2018, 3, 1, 12, tzinfo=UTC)
    >>> moment("15m", now).isoformat(), moment("2018-03-01", now).isoformat()
    ('2018-03-01T11:45:00+00:00', '2018-03-01T00:00:00+00:00')
    """
    ago = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: float(ago[1])})
        given = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"--since {text!r} is neither a stretch such as 30s, 15m, 2h, 7d nor a date such as "
            "2018-03-01 or 2018-03-01T12:00:00+01:00"
        ) from error
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)


def show(table: pa.Table, form: str, *, whole: bool, chosen: Sequence[str] | None) -> None:
    """Print records: a table for people (each record down the page where `whole`), or text for programs."""
    rows = readable(table).to_pylist()
    if form == "json":
        click.echo(json.dumps([plain(row) for row in rows], indent=1, ensure_ascii=False))
    elif form == "jsonl":
        for row in rows:
            click.echo(json.dumps(plain(row), ensure_ascii=False))
    elif form == "csv":
        click.echo(_csv(table.column_names, rows), nl=False)
    elif rows:
        console = Console()
        if not console.is_terminal:
            console = Console(width=PIPED_WIDTH)
        for part in [_upright(row) for row in rows] if whole else [_across(rows, chosen)]:
            console.print(part)


def _across(rows: Sequence[dict[str, Any]], chosen: Sequence[str] | None) -> Table:
    """One line a record: the columns asked for, else the answer and how far to trust it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    if chosen is not None:
        for name in chosen:
            table.add_column(escape(name), overflow="fold")
        for row in rows:
            table.add_row(*(_cell(name, row[name]) for name in chosen))
        return table
    for name in ("time", "request", "action", "served by", "prediction", "uncertainty", "findings"):
        table.add_column(name, overflow="fold", no_wrap=name in {"action", "prediction"})
    for row in rows:
        table.add_row(
            _cell("time", row["time"]), _cell("request_id", row["request_id"]),
            _cell("action", row["action"]), _cell("served_by", row["served_by"]),
            _cell("prediction", row["prediction"]), escape(_uncertainty(row)),
            _cell("findings", row["findings"]),
        )  # fmt: skip
    return table


def _upright(row: dict[str, Any]) -> Table:
    """One record down the page: every column that holds something."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column("column", style="bold", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name, value in row.items():
        if name == "findings" and value:
            for place, finding in enumerate(value):
                told = ", ".join(
                    f"{key} {_number(item)}" for key, item in finding.items() if item is not None
                )
                table.add_row("" if place else name, escape(told))
        elif value is not None and value != []:
            table.add_row(escape(name), str(value) if name == "time" else _cell(name, value))
    table.add_row("", "")
    return table


def _cell(name: str, value: Any) -> str:
    """One value as a person reads it."""
    if value is None:
        return "-"
    if name == "time":
        return str(value)[:23].replace("T", " ")
    if name == "action":
        return f"[{COLOURS.get(value, 'default')}]{value}[/]"
    if name == "findings":
        return escape("\n".join(f"{f['guard']}:{f['reason']} {f['subject']}".strip() for f in value)) or "-"
    if isinstance(value, list):
        return escape("{" + ", ".join(map(str, value)) + "}")
    return escape(_number(value))


def _uncertainty(row: dict[str, Any]) -> str:
    """What is known of how far to trust an answer."""
    parts = []
    if row["interval_low"] is not None:
        parts.append(f"[{_number(row['interval_low'])}, {_number(row['interval_high'])}]")
    if row["set"] is not None:
        parts.append("{" + ", ".join(row["set"]) + "}")
    if parts and row["level"] is not None:
        status = row["coverage_status"]
        parts.append(f"at {row['level']:.0%}" + ("" if status == "valid" else f", coverage {status}"))
    parts.extend(f"{name} {row[name]:.3g}" for name in ("confidence", "ood_p") if row[name] is not None)
    return "\n".join(parts) or "-"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _csv(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """Comma-separated, with lists as JSON in their cell and missing values empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        cells = plain(row).values()
        writer.writerow([json.dumps(v, ensure_ascii=False) if isinstance(v, list) else v for v in cells])
    return text.getvalue()
