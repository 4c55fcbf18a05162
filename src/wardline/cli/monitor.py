"""`wardline monitor`: the reader of a gate's log, which says what changed, and to whom."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from wardline.cli.target import load, watched
from wardline.monitor.alerts import Event
from wardline.monitor.budget import LOOK_S, Budget
from wardline.monitor.camera_signals import CameraSignals
from wardline.monitor.ladder import Ladder
from wardline.monitor.look import look
from wardline.monitor.plan import Plan, Watched
from wardline.monitor.process import Monitor, once
from wardline.monitor.signal import Signal, Standing, worst
from wardline.monitoring import FAMILIES
from wardline.settings import Settings


@click.command()
@click.argument("target")
@click.option("--home", type=click.Path(path_type=Path), help="Where records are. [default: .wardline]")
@click.option(
    "--records", multiple=True, type=click.Path(file_okay=False, path_type=Path),
    help="Folders of records to follow instead: several hosts' copies. May be given again.",
)  # fmt: skip
@click.option("--once", "single", is_flag=True, help="Read all there is, say what stands, and end.")
@click.option("--beside", type=int, hidden=True, help="End when this process is no longer the parent.")
@click.option(
    "--format", "form", default="table", show_default=True, type=click.Choice(["table", "json"]),
    help="For people, or a line of JSON for each event (with --once: one object).",
)  # fmt: skip
def monitor(  # noqa: PLR0917 - click passes options by name
    target: str, home: Path | None, records: Sequence[Path], single: bool, beside: int | None, form: str
) -> None:
    """Follow the records of the gate TARGET, and tell its owner what changed.

    Alerts go to alerts.jsonl, to the screen, and by WARDLINE_PAGE_<NAME> to people; what is held goes back
    to the gate by health.json. With --once the exit status is 1 where something alerts.
    """
    known = watched(load(target))
    home = home or Settings.from_env().home
    folders = list(records) or [home / known.name / "records"]
    if single:
        ladder, signals = once(known, home / known.name, folders)
        _print_once(known, ladder, signals, form)
        sys.exit(1 if worst(signals) is Standing.ALERT else 0)
    stopped = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stopped.set())
    if beside is not None:
        threading.Thread(target=_end_with, args=(beside, stopped), daemon=True).start()
    working = Monitor(known, home, folders)
    console = Console(stderr=True, highlight=False)
    if form == "table" and beside is None:
        console.print(split(known))
        console.print(f"following {', '.join(map(str, folders))}; alerts go to {working.folder}/alerts.jsonl")
    working.run(stopped, lambda event: _say(event, console, form))


def _end_with(parent: int, stopped: threading.Event) -> None:
    """Stop when the server that started this monitor is gone."""
    while os.getppid() == parent and not stopped.wait(0.2):
        pass
    stopped.set()


def split(known: Watched) -> Table:
    """Show how the alarm budget is split: over families, and within each over what it asks."""
    budget = Budget(known.monitoring)
    asked = Counter(signal.family for signal in look(Ladder(Plan(known)), 0.0))
    table = Table(
        title=f"{known.name}: at most {known.monitoring.false_pages:g} false page(s) in "
        f"{known.monitoring.days:g} days, looked at every {LOOK_S:g} s",
        title_justify="left", box=None, pad_edge=False,
    )  # fmt: skip
    for column in ("signals", "share", "level a look", "questions", "rule", "pages", "does"):
        table.add_column(column, overflow="fold")
    over_frames = CameraSignals(known).over_frames
    for family in (each for each in FAMILIES if each != "camera" or over_frames):
        rule = known.monitoring.rule(family)
        owner = (rule.owner if rule else None) or (
            known.owner.of(rule.title) if known.owner and rule else None
        )
        table.add_row(
            family, f"{known.monitoring.shares.get(family, 0.0):.0%}", f"{budget.level(family):.2g}",
            _asked(family, asked[family]),
            rule.title if rule else "none", owner.page if owner else "nobody", rule.do if rule else "",
        )  # fmt: skip
    return table


def _asked(family: str, count: int) -> str:
    """Say how many questions a family asks."""
    if family == "camera":
        return "4 a camera"
    return f"{count} and slices" if family != "serving" else str(max(count, 4))


def _say(event: Event, console: Console, form: str) -> None:
    if form == "json":
        click.echo(msgspec.json.encode(event).decode())
        return
    alert = event.alert
    if alert is None:
        return
    colour = {"firing": "red", "escalated": "red", "resolved": "green"}.get(event.to, "yellow")
    moment = datetime.fromtimestamp(event.at, UTC)
    console.print(
        f"[{colour}]{moment:%H:%M:%S} {event.gate} {event.to}[/]: {alert.rule}, "
        f"{', '.join(alert.signals[:6])}; owner {alert.owner or 'nobody'}, runbook {alert.runbook or 'none'}"
        + (", held" if alert.do == "hold" and event.to == "firing" else "")
        + f" ({event.id})",
        soft_wrap=True,
    )


def _print_once(known: Watched, ladder: Ladder, signals: Sequence[Signal], form: str) -> None:
    verdict = worst(signals)
    if verdict is Standing.OK and ladder.rows < known.monitoring.rows:
        verdict = Standing.INSUFFICIENT
    if form == "json":
        tree = {
            "gate": known.name, "verdict": verdict.value, "rows": ladder.rows,
            "signals": [{"key": each.key, **msgspec.to_builtins(each)} for each in signals],
        }  # fmt: skip
        click.echo(json.dumps(tree))
        return
    console = Console(highlight=False)
    console.print(split(known))
    console.print(f"{ladder.rows} records; {verdict.value}")
    table = Table("standing", "signal", "effect", "alerts at", "p", "rows", "what", box=None, pad_edge=False)
    for each in sorted(signals, key=lambda each: (each.standing.value, each.key)):
        if each.standing in (Standing.OK, Standing.INSUFFICIENT) and not each.plain:
            continue
        table.add_row(
            each.standing.value, each.key, f"{each.effect:.3g} {each.unit}", f"{each.alert:.3g}",
            f"{each.p_value:.2g}", str(each.rows), each.says,
        )  # fmt: skip
    console.print(table if table.row_count else "nothing to say")
    short = sum(each.standing is Standing.INSUFFICIENT for each in signals)
    if short:
        console.print(f"{short} questions have not enough rows yet")
