"""`wardline alerts`: what is open, what became of it, and a person's word about it."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from wardline.cli.target import load
from wardline.gate import Gate
from wardline.monitor import journal
from wardline.monitor.alerts import Board, Event, Silence, State, subjects
from wardline.settings import Settings

_UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0}


@click.command()
@click.argument("target")
@click.option("--home", type=click.Path(path_type=Path), help="Where alerts are. [default: .wardline]")
@click.option("--all", "everything", is_flag=True, help="Every transition ever, not only what is open.")
@click.option("--ack", metavar="ID", help="Acknowledge an alert (the first letters of its id will do).")
@click.option("--silence", metavar="SIGNAL", help="No messages of signals that begin so: drift.psi/age.")
@click.option("--for", "length", default="1h", show_default=True, help="How long to be silent: 30m, 4h, 7d.")
@click.option("--by", metavar="NAME", help="Who says so; needed with --ack and --silence.")
@click.option(
    "--format", "form", default="table", show_default=True, type=click.Choice(["table", "json"]),
    help="For people, or JSON.",
)  # fmt: skip
def alerts(
    *, target: str, home: Path | None, everything: bool, ack: str | None, silence: str | None, length: str,
    by: str | None, form: str,
) -> None:  # fmt: skip
    """Show the open alerts of the gate TARGET; exit status 1 where one fires and nobody has it."""
    gate = load(target)
    path = (home or Settings.from_env().home) / gate.name / journal.NAME
    events = list(journal.Journal(path).read())
    board = folded(gate, events)
    if (ack or silence) and not (by or "").strip():
        raise click.UsageError("--by NAME: an alert is acknowledged by somebody")
    if ack:
        _acknowledge(gate, board, path, ack, by or "")
        return
    if silence:
        until = time.time() + _seconds(length)
        quiet = Silence(silence, until, by or "")
        event = Event(time.time(), gate.name, "", "", "silenced", by=by or "", silence=quiet)
        journal.append(path, event)
        click.echo(
            f"no messages about {silence} until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC"
        )
        return
    if form == "json":
        shown = events if everything else list(board.alerts.values())
        click.echo(json.dumps(msgspec.to_builtins(shown)))
    elif everything:
        Console(highlight=False).print(_history(events))
    else:
        Console(highlight=False).print(_open(board) if board.alerts else "no alert is open")
    sys.exit(any(alert.state is State.FIRING for alert in board.alerts.values()))


def folded(gate: Gate, events: list[Event]) -> Board:
    """Return the board as the journal leaves it."""
    board = Board(gate.name, gate.monitoring, gate.owner)
    for event in events:
        board.apply(event)
    return board


def _acknowledge(gate: Gate, board: Board, path: Path, prefix: str, by: str) -> None:
    found = [alert for alert in board.alerts.values() if alert.id.startswith(prefix)]
    if len(found) != 1:
        raise click.UsageError(f"{len(found)} open alerts have an id that begins with {prefix!r}")
    (alert,) = found
    if alert.state is not State.FIRING:
        raise click.UsageError(f"alert {alert.id} is {alert.state.value}, not firing")
    to = State.ACKNOWLEDGED.value
    journal.append(path, Event(time.time(), gate.name, alert.id, alert.state.value, to, by=by))
    click.echo(f"{alert.id} acknowledged by {by}: it will not be escalated")


def _seconds(length: str) -> float:
    try:
        return float(length[:-1]) * _UNITS[length[-1:]]
    except (KeyError, ValueError):
        raise click.UsageError(f"--for {length!r}: a number with m, h or d, as 30m") from None


def _open(board: Board) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("id", "state", "since", "rule", "about", "owner", "page", "runbook", "does"):
        table.add_column(column, overflow="fold")
    for alert in board.alerts.values():
        since = datetime.fromtimestamp(alert.begun, UTC)
        table.add_row(
            alert.id, alert.state.value, f"{since:%Y-%m-%d %H:%M:%S}", alert.rule,
            ", ".join(subjects(alert.signals)[:5]), alert.owner, alert.page, alert.runbook, alert.do,
        )  # fmt: skip
    return table


def _history(events: list[Event]) -> Table:
    table = Table("at", "id", "became", "rule", "about", "by", box=None, pad_edge=False)
    for event in events:
        alert = event.alert
        table.add_row(
            f"{datetime.fromtimestamp(event.at, UTC):%Y-%m-%d %H:%M:%S}", event.id, event.to,
            alert.rule if alert else "", ", ".join(subjects(alert.signals)[:5]) if alert else
            (event.silence.match if event.silence else ""), event.by,
        )  # fmt: skip
    return table
