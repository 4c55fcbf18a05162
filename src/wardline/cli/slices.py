"""`wardline slices`: how good answers were, slice by slice, by the labels that came."""

from __future__ import annotations

import json
import math
from io import StringIO
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wardline.cli.labels import finite, span
from wardline.monitor.labels import Quality
from wardline.monitor.performance import LEADING, Judged
from wardline.monitor.signal import Standing
from wardline.verdict import Coverage

_WIDTH = 130  # columns where no terminal says how many there are
_COLOURS = {"ok": "green", "warn": "yellow", "alert": "red", "insufficient": "dim",
            "valid": "green", "watch": "yellow", "void": "red"}  # fmt: skip


@click.command()
@click.argument("target")
@click.option("--since", metavar="15m|ISO", help="Only answers since then: 30s, 15m, 2h, 7d, or a date.")
@click.option("--until", metavar="15m|ISO", help="Only answers before then.")
@click.option("--by", metavar="COL", help="Split by this slice column only. [default: by each of them]")
@click.option(
    "--slice", "slices", multiple=True, metavar="COL=VALUE", help="Only these answers; may be repeated."
)
@click.option("--action", multiple=True, help="Only answers of these actions. [default: all of them]")
@click.option("--camera", help="Only answers about this camera.")
@click.option("--version", help="Only what this model answered.")
@click.option("--from", "store", metavar="URL", help="Sealed records in a store, as s3://log/prod.")
@click.option("--find", is_flag=True, help="Look for the worst segments over combinations of slice columns.")
@click.option("--depth", default=3, show_default=True, type=click.IntRange(1, 3), help="Columns a segment.")
@click.option("--engine", default="duckdb", show_default=True, metavar="duckdb|spark|spark://HOST:PORT",
              help="What adds the answers up.")  # fmt: skip
@click.option(
    "--format", "form", default="table", show_default=True, type=click.Choice(["table", "json", "html"])
)
def slices(*, target: str, form: str, **asked: Any) -> None:
    """Say how good the answers of the gate TARGET (guards.loan) were by slice; exit 1 where one is worse.

    Answers of the log are joined with the labels that came, and added up where they lie. A long audit that
    was stopped goes on where it was, when it is asked the same again within a day.
    """
    from wardline.cli.slicing import report  # noqa: PLC0415 - engines when they are asked for

    engine = asked["engine"]
    if engine not in ("duckdb", "spark") and not engine.startswith("spark://"):
        raise click.UsageError(f"--engine {engine!r} is none of duckdb, spark and spark://HOST:PORT")
    found = report(target, {**asked, "form": form})
    if form == "json":
        click.echo(json.dumps(as_tree(found), indent=1))
    elif form == "html":
        console = Console(record=True, width=_WIDTH, file=StringIO(), highlight=False)
        show(found, console)
        click.echo(console.export_html(inline_styles=True))
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = _WIDTH
        show(found, console)
    raise SystemExit(1 if found.standing is Standing.ALERT else 0)


def as_tree(found: Quality) -> dict[str, Any]:
    """Return the report for programs: one object with `verdict` and `events`; unknown numbers are null."""
    tree = msgspec.to_builtins(found)
    tree["maturity"] = found.maturity._asdict()
    for each, judged in zip(tree["performance"], found.performance, strict=True):
        each["measures"] = {name: measure._asdict() for name, measure in judged.measures.items()}
    for name in ("cbpe", "realised", "estimated"):
        measure = getattr(found.estimates, name, None)
        if measure is not None:
            tree["estimates"][name] = measure._asdict()
    for each, covered in zip(tree["coverage"], found.coverage, strict=True):
        each["share"] = covered.share
    events = [
        {"kind": "performance", "subjects": [each.slice or each.rung], "p_value": each.p_value,
         "effect": each.measures[_leading(each)].value, "explanation": each.says}
        for each in found.performance if each.standing is Standing.ALERT
    ]  # fmt: skip
    plain: dict[str, Any] = finite({"verdict": found.standing.value, "events": events, **tree})
    return plain


def show(found: Quality, console: Console) -> None:
    """Print the report for people."""
    old = found.maturity
    if math.isnan(old.lag_s):
        console.print(
            f"not matured: of {found.answered:,} answers too few have labels to say how late labels come"
        )
    else:
        console.print(
            f"{found.matured:,} of {found.answered:,} answers of gate [bold]{found.gate}[/] are matured "
            f"(older than {span(old.lag_s)}), {found.labelled:,} of them labelled"
        )
    console.print(_performance(found))
    for mix in found.mixes:
        if mix.reversed or mix.hidden:
            console.print(
                f"[yellow]{escape(mix.column)}: the whole changed by {mix.change:+.4g}, its slices by "
                f"{mix.within:+.4g}, their shares of the rows by {mix.mix:+.4g}"
                + (": the whole moved against its slices" if mix.reversed else "")
                + (f": the whole hides {escape(', '.join(mix.hidden))}" if mix.hidden else "")
                + "[/]"
            )
    _segments(found, console)
    console.print(_coverage(found))
    _estimates(found, console)
    if found.business:
        console.print(_business(found))


def _leading(judged: Judged) -> str:
    return LEADING["accuracy" in judged.measures]


def _performance(found: Quality) -> Table:
    table = Table("rung", "slice", "metric (95 %)", "reference", box=box.SIMPLE_HEAD, title="performance")
    table.title_justify = "left"
    for header in ("labels", "answers"):
        table.add_column(header, justify="right")
    table.add_column("standing")
    for each in found.performance:
        lines = [
            f"{name} {m.value:.4g} [{m.low:.4g}, {m.high:.4g}]"
            for name, m in each.measures.items()
            if not each.slice or name == _leading(each)
        ]
        base = each.baseline
        was = "" if base is None else f"{base.value:.4g} [{base.low:.4g}, {base.high:.4g}]"
        table.add_row(
            escape(each.rung), escape(each.slice or "(all)"), escape("\n".join(lines)), escape(was),
            f"{each.rows:,}", f"{each.answered:,}", _standing(each.standing.value, each.says),
        )  # fmt: skip
    return table


def _segments(found: Quality, console: Console) -> None:
    if found.segments is None:
        return
    if not found.segments:
        console.print("no segment is worse than the rest beyond chance")
        return
    table = Table("segment", box=box.SIMPLE_HEAD, title="worst segments, by what they cost", show_header=True)
    table.title_justify = "left"
    for header in ("labels", "mean loss", "elsewhere", "p (adjusted)"):
        table.add_column(header, justify="right")
    for each in found.segments[:10]:
        table.add_row(
            escape(each.where), f"{each.rows:,}", f"{each.mean:.4g}", f"{each.elsewhere:.4g}",
            f"{each.p_value:.3g}",
        )  # fmt: skip
    console.print(table)


def _coverage(found: Quality) -> Table:
    table = Table("rung", "level", "realised (95 %)", "labels", "p", "status", box=box.SIMPLE_HEAD)
    table.title, table.title_justify = "stated coverage", "left"
    for each in found.coverage:
        if not each.rows:
            continue
        level, p_value = ("" if math.isnan(value) else f"{value:.3g}" for value in (each.level, each.p_value))
        table.add_row(
            escape(each.rung), level, escape(f"{each.share:.3f} [{each.low:.3f}, {each.high:.3f}]"),
            f"{each.rows:,}", p_value,
            _standing("insufficient", "not enough data") if each.status is None else _status(each.status),
        )  # fmt: skip
    return table


def _estimates(found: Quality, console: Console) -> None:
    guess = found.estimates
    if guess is None:
        console.print("no estimate without labels: there is none for numbers")
        return
    if guess.realised is not None and guess.estimated is not None:
        console.print(
            f"accuracy of {guess.labelled:,} labelled answers: realised {guess.realised.value:.3f}, "
            f"estimated without their labels {guess.estimated.value:.3f} (p {guess.p_value:.2g})"
        )
    for why in guess.void:
        console.print(f"[red]estimates without labels are void:[/] {escape(why)}")
    if guess.cbpe is not None and not guess.void:
        others = ", ".join(
            f"{name} {value:.3f}"
            for name, value in (("DoC", guess.doc), ("ATC", guess.atc))
            if value is not None
        )
        console.print(
            f"accuracy of {guess.rows:,} answers not matured, estimated: CBPE {guess.cbpe.value:.3f} "
            + escape(f"[{guess.cbpe.low:.3f}, {guess.cbpe.high:.3f}]")
            + (f", {others}" if others else "")
        )
    checked = "labels agree so far" if guess.checked else "no labels have confirmed it yet"
    console.print(f"[dim]it {guess.assumption}; {checked}[/]")


def _business(found: Quality) -> Table:
    table = Table("business metric", "mean (95 %)", "bound", "figures", "standing", box=box.SIMPLE_HEAD)
    for each in found.business:
        mean = "" if math.isnan(each.mean) else f"{each.mean:.4g}"
        if math.isfinite(each.low):
            mean += f" [{each.low:.4g}, {each.high:.4g}]"
        bound = (
            "" if each.bound is None else f"{'at most' if each.worse == 'up' else 'at least'} {each.bound:g}"
        )
        table.add_row(
            escape(each.metric), escape(mean), bound, str(each.rows),
            _standing(each.standing.value, each.says),
        )  # fmt: skip
    return table


def _standing(name: str, says: str) -> str:
    return f"[{_COLOURS[name]}]{name}[/]" + (f"\n{escape(says)}" if says else "")


def _status(status: Coverage) -> str:
    return _standing(status.value, "")
