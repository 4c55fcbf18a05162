"""`wardline detect`: when did which column of a table change."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wardline.cli.detecting import Question
from wardline.cli.detecting import detect as find
from wardline.cli.progress import progress
from wardline.cli.streams import Streams

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_SHARE = 0.2  # of the rows are the reference, where nothing else is said
_PIPED_WIDTH = 140
_COLOURS = {"ok": "green", "alert": "red", "insufficient": "yellow"}


@click.command("detect")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--time", metavar="COL", help="What orders the rows. [default: the order of the file]")
@click.option("--columns", metavar="A,B", help="Only these columns. [default: all of them]")
@click.option(
    "--reference-rows", type=click.IntRange(1), help="The first N rows are normal. [default: a fifth]"
)
@click.option("--reference-until", metavar="T", help="What came before T is normal.")
@click.option("--season", multiple=True, type=click.Choice(["auto", "year", "week", "day", "none"]),
              help="Cycles that are no change; may be repeated. [default: auto, with times]")  # fmt: skip
@click.option("--step", metavar="30m|1d", help="How long a row is, where no column has times.")
@click.option("--run-length", type=click.FloatRange(min=1), metavar="N",
              help="Rows to a false alarm, at least. [default: 5 % chance of any in the file]")  # fmt: skip
@click.option("--format", "form", default="table", show_default=True, type=click.Choice(["table", "json"]),
              help="For people, or for programs.")  # fmt: skip
def detect(
    *, files: tuple[Path, ...], time: str | None, columns: str | None, reference_rows: int | None,
    reference_until: str | None, season: tuple[str, ...], step: str | None, run_length: float | None,
    form: str,
) -> None:  # fmt: skip
    """Say when which column of FILES (CSV or Parquet, one table together) changed; exit 1 where one did.

    A change is told once, with an interval of its time, its direction and size; when the column goes back,
    the change ends. No model and no gate is needed.
    """
    chosen = None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]
    if reference_rows is not None and reference_until is not None:
        raise click.UsageError("--reference-rows and --reference-until say the same thing: give one")
    if reference_until is not None and time is None:
        raise click.UsageError("--reference-until needs --time")
    with Streams(files, time, chosen, 1.0 if step is None else seconds(step)) as streams:
        with progress("reading", form) as advance:
            streams.load(advance)
        if not streams.rows:
            raise click.UsageError("there are no rows with a time")
        reference = reference_rows or int(streams.rows * _SHARE)
        if reference_until is not None:
            reference = streams.row_of(reference_until)
        asked = Question(min(reference, streams.rows), run_length, _seasons(season, streams, step, time))
        with progress("watching", form, streams.rows * len(streams.columns)) as advance:
            told = find(streams, asked, advance)
    if form == "json":
        click.echo(json.dumps(_finite(told), ensure_ascii=False, indent=1))
    else:
        show(told)
    raise SystemExit(1 if told["verdict"] == "alert" else 0)


def seconds(text: str) -> float:
    """Read a length of time: 30s, 15m, 1h, 1d, 1w.

    >>> seconds("30m")
    1800.0
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    if found is None or not float(found[1]):
        raise click.BadParameter(f"--step {text!r} is no length of time such as 30s, 15m, 1h, 1d")
    return float(found[1]) * _SECONDS[found[2]]


def _seasons(given: tuple[str, ...], streams: Streams, step: str | None, time: str | None) -> tuple[str, ...]:
    """Seasons need to know how long a second is: stamps, or a step."""
    known = streams.dated or (time is None and step is not None)
    if not given:
        return ("auto",) if known else ()
    named = tuple(name for name in given if name != "none")
    if named and not known:
        raise click.UsageError(
            "a season needs times: --time with a column of stamps, or --step without --time"
        )
    return tuple(sorted(set(named), key=["auto", "year", "week", "day"].index))


def show(told: dict[str, Any]) -> None:
    """Print the answer for people."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    verdict = told["verdict"]
    many = len(told["events"])
    what = {
        "alert": f"{many} change{'s' if many != 1 else ''}",
        "ok": "no change",
        "insufficient": "too little data",
    }
    reference = told["reference"]["rows"]
    console.print(
        f"[bold {_COLOURS[verdict]}]{verdict}[/]: {what[verdict]} in {told['rows'] - reference:,} rows "
        f"after {reference:,} of reference"
    )
    if told["events"]:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("at", "between", "until", "columns", "what"):
            table.add_column(name, overflow="fold")
        for event in told["events"]:
            low, high = event["interval"]
            table.add_row(
                escape(str(event["at"])), escape(f"{low}\n{high}"), escape(str(event["until"] or "-")),
                escape("\n".join(event["subjects"])), escape(event["explanation"].replace("; ", "\n")),
            )  # fmt: skip
        console.print(table)
    if "streams" in told:
        console.print(
            f"[dim]at most one false alarm in {told['run_length']:,.0f} rows, over all {told['streams']} "
            "things watched together[/]"
        )
    for note in told["notes"]:
        console.print(f"[yellow]note:[/] {escape(note)}")


def _finite(value: Any) -> Any:
    """JSON has no NaN: what is not a number is nothing."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
