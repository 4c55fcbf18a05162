"""`wardline drift`: what changed, over any stretch of a log or between two plain files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wardline.cli.comparing import REFERENCE, WINDOW, Comparison, contrast, tree
from wardline.cli.counting import Counted, Side
from wardline.cli.drift_page import page
from wardline.cli.engines import engine, parquet_of, parquet_of_log
from wardline.cli.freezing import freeze
from wardline.cli.logged import Asked, answers, chosen, parts_of, sides_of, stretch
from wardline.cli.progress import progress
from wardline.cli.resuming import Kept
from wardline.cli.target import load, watched
from wardline.gate import Gate
from wardline.log.fetch import fetched
from wardline.monitor.judge import Limits
from wardline.monitor.signal import Signal, Standing
from wardline.settings import Settings

_FILES = (".parquet", ".pq", ".csv", ".tsv", ".txt", ".gz")
_OPTION = {"store": "from"}  # which is no name in Python
_ROWS = 200  # fewer rows than the bins were cut for are too few to judge
_WARN, _ALERT = 0.1, 0.25
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
@click.option("--engine", default="duckdb", show_default=True,
              metavar="duckdb|spark|spark://HOST:PORT", help="What counts the rows.")  # fmt: skip
@click.option("--format", "form", default="table", show_default=True,
              type=click.Choice(["table", "json", "html"]), help="People, programs, a page.")  # fmt: skip
def drift(*, targets: tuple[str, ...], form: str, **asked: Any) -> None:
    """Say what changed in the log of the gate TARGET, or from file A to file B; exit 1 on an alert.

    Judged as the monitor does: an alert needs a PSI of 0.25, evidence after the false discovery rate of all
    that is compared, and enough rows. A long audit that was stopped goes on where it was, when it is asked
    the same again within a day.
    """
    asked["form"] = form
    if asked["engine"] not in ("duckdb", "spark") and not asked["engine"].startswith("spark://"):
        raise click.UsageError(f"--engine {asked['engine']!r} is none of duckdb, spark and spark://HOST:PORT")
    files = [Path(target) for target in targets if target.lower().endswith(_FILES)]
    if files and (len(targets) != 2 or len(files) != 2):
        raise click.UsageError("two files are compared, A with B, or the log of one TARGET")
    if len(targets) > 1 and not files:
        raise click.UsageError("one TARGET at a time")
    asked["columns"] = _listed(asked["columns"])
    if files:
        for name in ("since", "until", "against", "action", "camera", "version", "store"):
            if asked[name]:
                raise click.UsageError(f"--{_OPTION.get(name, name)} is about a log; these are files")
        made = _files(files, asked)
        told = tree(made, {"reference": str(files[0]), "window": str(files[1])}, None, None)
    else:
        made, when = _log(targets[0], asked)
        told = tree(made, {"gate": targets[0], "against": asked["against"] or "reference"}, when[1], when[0])
    if form == "json":
        click.echo(json.dumps(told, ensure_ascii=False, indent=1))
    elif form == "html":
        click.echo(page(made, told))
    else:
        show(made, told)
    raise SystemExit(1 if made.verdict is Standing.ALERT else 0)


def _files(files: list[Path], asked: dict[str, Any]) -> Comparison:
    for file in files:
        if not file.exists():
            raise click.UsageError(f"{file} does not exist")
    with parquet_of(files) as (first, second), engine(asked["engine"]) as opened:
        one, other = opened.read([first]), opened.read([second])
        apart = [name for name in (asked["by"], asked["time"]) if name]
        names = asked["columns"] or [
            name for name in one.columns if name in other.columns and name not in apart
        ]
        for name in [*names, *apart]:
            for file, table in zip(files, (one, other), strict=True):
                if name not in table.columns:
                    raise click.UsageError(
                        f"{file} has no column {name!r}; it has {', '.join(table.columns)}"
                    )
        kept = [name for name in names if not _apart(one[name])]
        profiles = freeze([first], kept)
        counted = [Counted(name, name, profiles[name]) for name in kept]
        sides = [
            Side(name, chosen(table, slices=asked["slices"]), asked["by"], asked["time"])
            for name, table in ((REFERENCE, one), (WINDOW, other))
        ]
        memory = _kept(Settings.from_env().home, asked, files=[(file, *_state(file)) for file in files])
        with progress("counting", asked["form"], len(counted) * len(sides)) as advance:
            made = contrast(
                sides, counted, Limits(_WARN, _ALERT, _ROWS), asked["level"], advance=advance, memory=memory
            )
        memory.finish()
    dropped = [name for name in names if name not in kept]
    missing = [name for name in one.columns if name not in other.columns]
    made.notes.extend([f"left out: {', '.join(dropped)} (neither number nor category)"] if dropped else [])
    made.notes.extend(
        [f"only in {files[0]}: {', '.join(missing)}"] if missing and not asked["columns"] else []
    )
    return made


def _log(target: str, asked: dict[str, Any]) -> tuple[Comparison, tuple[str | None, str | None]]:
    gate = load(target)
    of = watched(gate)
    counted = answers(of, asked["columns"])
    if asked["by"] is not None and asked["by"] not in gate.slices:
        raise click.UsageError(
            f"{asked['by']!r} is no slice of {gate.name}; there are {', '.join(gate.slices)}"
        )
    with (
        log_of(gate, asked) as directory,
        parquet_of_log(directory) as files,
        engine(asked["engine"]) as opened,
    ):
        if not files:
            raise click.UsageError(f"there is no record in {asked['store'] or directory}")
        plan = parts_of(files, whole=asked["engine"] != "duckdb")
        memory = _kept(gate.records_dir.parent, asked, plan, gate=target, reference=of.reference.id)
        now = datetime.fromtimestamp(memory.began, UTC)
        when = stretch(asked["since"], asked["until"], now)
        if len(memory):  # what was written since then is not asked about
            when = when[0], when[1] or now
        filters = {name: asked[name] for name in ("action", "camera", "version", "by", "slices")}
        sides = sides_of(opened, files, memory.plan, WINDOW, Asked(when, **filters))
        if asked["against"]:
            start, _, end = asked["against"].partition("/")
            other = stretch(start or None, end or None, now)
            sides += sides_of(opened, files, memory.plan, REFERENCE, Asked(other, **filters))
        limits = Limits(gate.monitoring.warn, gate.monitoring.alert, _ROWS)
        with progress("counting", asked["form"], len(counted) * len(sides)) as advance:
            made = contrast(sides, counted, limits, asked["level"], advance=advance, memory=memory)
        memory.finish()
    if asked["by"] is not None and not asked["against"]:
        made.notes.append(
            "each slice is held against the whole reference: a slice may differ from it and be well"
        )
    begin, end_ = when
    return made, (None if begin is None else begin.isoformat(), None if end_ is None else end_.isoformat())


@contextmanager
def log_of(gate: Gate, asked: Mapping[str, Any]) -> Iterator[Path]:
    """Give the folder of a gate's records: its own, or copies from the store that is asked about."""
    if asked["store"] is None:
        yield gate.records_dir
        return
    begin, end = stretch(asked["since"], asked["until"], datetime.now(UTC))
    if asked["against"]:
        begin = end = None
    with (
        progress("fetching", asked["form"]) as advance,
        fetched(asked["store"], gate.name, begin, end, advance=advance) as directory,
    ):
        yield directory


def _kept(home: Path, asked: Mapping[str, Any], plan: Any = None, **about: Any) -> Kept:
    """Return what an earlier run of the same audit counted; nothing where there was none."""
    question = {name: value for name, value in asked.items() if name not in ("form", "level")}
    kept = Kept.of(home / "drift", {**question, **about}, plan)
    if len(kept):
        began = datetime.fromtimestamp(kept.began, UTC)
        click.echo(f"going on with the audit that began at {began:%Y-%m-%d %H:%M:%S} UTC", err=True)
    return kept


def _state(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


def _apart(column: Any) -> bool:
    kind = column.type()
    return not (kind.is_numeric() or kind.is_string() or kind.is_boolean())


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
    table.add_column("what moved", overflow="fold")
    for each in sorted(made.signals, key=lambda signal: (signal.slice, -signal.effect)):
        known = each.p_value == each.p_value
        moved = each.standing in (Standing.WARN, Standing.ALERT)
        table.add_row(
            escape(each.subject), escape(each.slice or "-"), f"{each.effect:.4f}",
            f"{each.p_value:.2g}" if known else "?", f"{each.rows:,}",
            f"{each.effective:,.0f}" if each.effective == each.effective else "?",
            f"[{_COLOURS[each.standing.value]}]{each.standing.value}[/]",
            escape(_moved(each) if moved else ""),
        )  # fmt: skip
    console.print(table)
    for note in made.notes:
        console.print(f"[yellow]note:[/] {escape(note)}")


def _moved(signal: Signal) -> str:
    return "\n".join(f"{each.bin}: {each.before:.1%} to {each.now:.1%}" for each in signal.moved[:3])


def _summary(made: Comparison) -> str:
    alerts = [each.key.partition("/")[2] for each in made.signals if each.standing is Standing.ALERT]
    named = f": {', '.join(alerts)}" if alerts else ""
    return f"{len(alerts)} of {len(made.signals)} compared have drifted{named}"
