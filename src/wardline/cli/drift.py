"""`wardline drift`: what changed, over any stretch of a log or between two plain files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wardline.cli.comparing import Comparison, Point, tree
from wardline.cli.drift_page import page
from wardline.monitor.signal import Signal, Standing

_OPTION = {"store": "from"}  # which is no name in Python
_FILES = (".parquet", ".pq", ".csv", ".tsv", ".txt", ".gz")
_PIPED_WIDTH = 140
_COLOURS = {"ok": "green", "warn": "yellow", "alert": "red", "insufficient": "cyan"}


@click.command("drift")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET | A B")
@click.option("--since", metavar="15m|ISO", help="Of a log: from then on.")
@click.option("--until", metavar="15m|ISO", help="Of a log: before then.")
@click.option("--against", metavar="FROM/TO", help="Of a log: compare with this stretch, not the reference.")
@click.option("--by", metavar="COL", help="Apart for each value of a slice column.")
@click.option(
    "--time", metavar="COL", help="Of two files: what orders the rows, so that dependence is known."
)
@click.option("--columns", metavar="A,B", help="Only these features. [default: all of them]")
@click.option(
    "--slice", "slices", multiple=True, metavar="COL=VALUE", help="Only these rows; may be repeated."
)
@click.option("--action", multiple=True, help="Of a log: only these actions. [default: all but reject]")
@click.option("--camera", help="Of a log: only this camera.")
@click.option("--version", help="Of a log: only what this model answered.")
@click.option("--from", "store", metavar="URL", help="Of a log: sealed records in a store, as s3://log/prod.")
@click.option("--level", default=0.05, show_default=True, type=click.FloatRange(0, 1, min_open=True),
              help="False discovery rate over all features and slices.")  # fmt: skip
@click.option("--engine", metavar="arrow|duckdb|spark|spark://HOST:PORT",
              help="What counts the rows. [default: arrow for two files, duckdb for a log]")  # fmt: skip
@click.option("--format", "form", default="table", show_default=True,
              type=click.Choice(["table", "json", "html"]), help="People, programs, a page.")  # fmt: skip
def drift(*, targets: tuple[str, ...], form: str, **asked: Any) -> None:
    """Say what changed in the log of the gate TARGET, or from file A to file B; exit 1 on an alert.

    Judged as the monitor does: an alert needs a PSI of 0.25, evidence after the false discovery rate of all
    that is compared, and enough rows. A long audit of a log that was stopped goes on where it was, when it is
    asked the same again within a day.
    """
    asked["form"] = form
    files = [Path(target) for target in targets if target.lower().endswith(_FILES)]
    if files and (len(targets) != 2 or len(files) != 2):
        raise click.UsageError("two files are compared, A with B, or the log of one TARGET")
    if len(targets) > 1 and not files:
        raise click.UsageError("one TARGET at a time")
    asked["engine"] = _engine(asked["engine"], of_files=bool(files))
    asked["columns"] = _listed(asked["columns"])
    if files:
        from wardline.cli import paired  # noqa: PLC0415 - each reader when it is asked for: they take a second

        for name in ("since", "until", "against", "action", "camera", "version", "store"):
            if asked[name]:
                raise click.UsageError(f"--{_OPTION.get(name, name)} is about a log; these are files")
        made = paired.compared(files, asked)
        told = tree(made, {"reference": str(files[0]), "window": str(files[1])}, None, None)
    else:
        from wardline.cli import logged  # noqa: PLC0415 - as above

        made, when = logged.compared(targets[0], asked)
        told = tree(made, {"gate": targets[0], "against": asked["against"] or "reference"}, when[1], when[0])
    if form == "json":
        click.echo(json.dumps(told, ensure_ascii=False, indent=1))
    elif form == "html":
        click.echo(page(made, told))
    else:
        show(made, told)
    raise SystemExit(1 if made.verdict is Standing.ALERT else 0)


def _engine(asked: str | None, *, of_files: bool) -> str:
    engine = asked or ("arrow" if of_files else "duckdb")
    if engine not in ("arrow", "duckdb", "spark") and not engine.startswith("spark://"):
        raise click.UsageError(f"--engine {engine!r} is none of arrow, duckdb, spark and spark://HOST:PORT")
    if engine == "arrow" and not of_files:
        raise click.UsageError("--engine arrow compares two files; a log is read by duckdb or spark")
    return engine


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


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
