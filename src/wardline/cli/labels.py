"""`wardline labels`: bring in late truth, and see how late it comes and how much of it is there."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import msgspec
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from wardline import truth
from wardline.cli import audits, entries
from wardline.cli.records import moment
from wardline.cli.target import load
from wardline.gate import Gate
from wardline.log.figures import FOLDER as FIGURES
from wardline.log.figures import FigureLog, read_figures
from wardline.log.joining import labelled
from wardline.log.labelled import Labelled
from wardline.log.labels import FOLDER as LABELS
from wardline.log.labels import LabelLog, read_labels
from wardline.monitor.business import business as business_of
from wardline.monitor.maturity import Maturity, by_age, maturity

_PIPED_WIDTH = 120  # columns where no terminal says how many there are


@click.command()
@click.argument("target")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Labels to bring in: CSV, Parquet or JSON lines with request_id, label, observed_at[, row].",
)
@click.option(
    "--business",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Business figures to bring in: metric, value, at[, request_id][, target].",
)
@click.option("--zone", metavar="NAME", help="The zone of times in the file that have none, such as UTC.")
@click.option(
    "--next",
    "wanted",
    type=click.IntRange(10, 10_000),
    metavar="N",
    help="Draw N answers to label next, at random with known chances; CSV on standard output.",
)
@click.option("--by", metavar="SLICE", help="With --next: draw within the values of this slice column.")
@click.option("--seed", type=int, help="With --next: draw the same again.")
@click.option("--since", metavar="15m|ISO", help="Only answers since then: 30s, 15m, 2h, 7d, or a date.")
@click.option("--format", "form", default="table", show_default=True, type=click.Choice(["table", "json"]))
def labels(
    *,
    target: str,
    file: Path | None,
    business: Path | None,
    zone: str | None,
    wanted: int | None,
    by: str | None,
    seed: int | None,
    since: str | None,
    form: str,
) -> None:
    """Bring in labels for the gate TARGET (guards.loan), or say how late they come and how many are there.

    Exit status 1 where entries of a file are broken: the others are kept.
    """
    gate = load(target)
    if file is not None or business is not None:
        broken = 0
        if file is not None:
            broken += _bring_labels(gate, file, _zone(zone))
        if business is not None:
            broken += _bring_figures(gate, business, _zone(zone))
        raise SystemExit(1 if broken else 0)
    begin = None if since is None else moment(since, datetime.now(UTC))
    known = joined(gate, begin)
    if wanted is not None:
        click.echo(audits.begin(gate, known, wanted, by, seed), nl=False)
        return
    told = {**summary(gate, known, time.time()), "audits": audits.results(gate, known)}
    told["business"] = msgspec.to_builtins(
        business_of(read_figures(gate.records_dir.parent / FIGURES), gate.launch.business)
    )
    if form == "json":
        click.echo(json.dumps(finite(told), indent=1))
    else:
        _show(told)


def joined(gate: Gate, since: datetime | None = None) -> Labelled:
    """Return a gate's answers with their labels, as the environment's settings find them."""

    def warn(sentence: str) -> None:
        click.echo(f"warning: {sentence}", err=True)

    home = gate.records_dir.parent
    came = read_labels(home / LABELS, classes=bool(gate.classes), on_problem=warn)
    return labelled(
        home / "records", came, classes=gate.classes, slices=gate.slices, since=since, on_problem=warn
    )


def summary(gate: Gate, known: Labelled, now: float) -> dict[str, Any]:
    """Return lag and coverage for programs; numbers that are not known are null."""
    until = maturity(known, gate.monitoring.labels, now)
    lags = known.lag_s[known.has]
    quantiles = {f"p{q}": float(np.quantile(lags, q / 100)) if len(lags) else None for q in (50, 95, 99)}
    return {
        "gate": gate.name,
        "answered": len(known),
        "labelled": int(known.has.sum()),
        "corrected": known.corrected,
        "unknown": known.unknown,
        "by_age": [age._asdict() for age in by_age(known, now)],
        "lag_s": quantiles,
        "maturity": _matured(known, until),
    }


def _matured(known: Labelled, until: Maturity) -> dict[str, Any]:
    old = known.time < until.until
    return {
        "lag_s": None if math.isnan(until.lag_s) else until.lag_s,
        "declared": until.declared,
        "answered": int(old.sum()),
        "labelled": int((old & known.has).sum()),
    }


def _bring_labels(gate: Gate, file: Path, zone: ZoneInfo | None) -> int:
    ledger = LabelLog(gate.records_dir.parent / LABELS, classes=bool(gate.classes))
    kept = broken = 0
    try:
        for given in entries.read(file, ("request_id", "label", "observed_at"), ("row",), zone):
            read = given if gate.classes else [_numbered(entry) for entry in given]
            found, wrong = truth.labels(read, gate.classes, time.time())
            kept += ledger.append(found)
            broken = _tell(wrong, broken, kept + broken - len(found))
    finally:
        ledger.close()
    click.echo(f"{kept:,} labels kept, {broken:,} entries broken")
    return broken


def _bring_figures(gate: Gate, file: Path, zone: ZoneInfo | None) -> int:
    ledger = FigureLog(gate.records_dir.parent / FIGURES)
    kept = broken = 0
    try:
        for given in entries.read(file, ("metric", "value", "at"), ("request_id", "target"), zone):
            found, wrong = truth.figures(given, time.time())
            kept += ledger.append(found)
            broken = _tell(wrong, broken, kept + broken - len(found))
    finally:
        ledger.close()
    click.echo(f"{kept:,} figures kept, {broken:,} entries broken")
    return broken


def _tell(wrong: list[truth.Broken], before: int, first: int) -> int:
    """Name broken entries on stderr, up to a bound; return how many there are by now."""
    for each in wrong[: max(0, truth.MOST_NAMED - before)]:
        what = f"{each.subject} is {each.observed}" if each.subject else each.observed
        click.echo(f"entry {first + each.entry + 1}: {what}, must be {each.expected}", err=True)
    return before + len(wrong)


def _numbered(entry: Any) -> Any:
    """A table has numbers as text where any of them is; a gate that answers numbers reads them back."""
    if isinstance(entry, dict) and isinstance(entry.get("label"), str):
        try:
            return {**entry, "label": float(entry["label"])}
        except ValueError:
            return entry
    return entry


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise click.BadParameter(f"--zone {name!r} is no time zone: say UTC, or Europe/Berlin") from None


def _show(told: dict[str, Any]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    console.print(
        f"{told['labelled']:,} of {told['answered']:,} answers of gate [bold]{told['gate']}[/] have labels; "
        f"{told['corrected']:,} were corrected, {told['unknown']:,} are of ids that no answer has"
    )
    table = Table("age of the answer", box=box.SIMPLE_HEAD)
    for header in ("answered", "labelled", "coverage"):
        table.add_column(header, justify="right")
    for age in told["by_age"]:
        share = f"{age['labelled'] / age['answered']:.1%}" if age["answered"] else ""
        table.add_row(age["name"], f"{age['answered']:,}", f"{age['labelled']:,}", share)
    console.print(table)
    if told["lag_s"]["p50"] is not None:
        lags = ", ".join(f"{name} {span(seconds)}" for name, seconds in told["lag_s"].items())
        console.print(f"lag: {lags}")
    old = told["maturity"]
    if old["lag_s"] is None:
        console.print("nothing is matured: too few labels to say how late they come")
    else:
        why = "as declared" if old["declared"] else "by the lags seen, corrected for labels still to come"
        console.print(
            f"matured: answers older than {span(old['lag_s'])} ({why}): {old['answered']:,}, "
            f"{old['labelled']:,} of them labelled"
        )
    for audit in told["audits"]:
        console.print(_audit(audit))
    for each in told["business"]:
        says = f", {each['says']}" if each["says"] else ""
        console.print(f"{each['metric']}: {each['rows']} figures, {each['standing']}{says}", markup=False)


def _audit(told: dict[str, Any]) -> str:
    head = f"audit of {told['drawn_at'][:16]}: {told['labelled']} of {told['drawn']} drawn answers labelled"
    measure = told["measure"]
    if measure is None:
        return head
    text = f"{head}; mean loss of {told['rows']:,} answers {measure['value']:.4g} "
    text += f"\\[{measure['low']:.4g}, {measure['high']:.4g}]"
    if told["labelled"] < told["drawn"] and told["lowest"] is not None:
        text += f"; with the missing labels between {told['lowest']:.4g} and {told['highest']:.4g}"
    return text


def finite(value: Any) -> Any:
    """Make numbers that JSON has no word for null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def span(seconds: float) -> str:
    """Say a stretch of time as a person would.

    >>> span(90), span(5400), span(200_000)
    ('90 s', '90 min', '2.31 d')
    """
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h" if seconds < 172_800 else f"{seconds / 86_400:.3g} d"
