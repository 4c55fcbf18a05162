"""`wardline check`: the launch checklist of a gate."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wardline.cli.parity import against_lines
from wardline.cli.target import load
from wardline.launch.checklist import Checked, check
from wardline.launch.lines import Status
from wardline.settings import Settings

_COLOURS = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "red"}
_PIPED_WIDTH = 140


@click.command("check")
@click.argument("target")
@click.option("--against", metavar="FILE|MODULE:FUNCTION",
              help="Training's features: a file of them, or the function that computes them.")  # fmt: skip
@click.option("--rows", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Raw rows of --against, where its file has only features.")  # fmt: skip
@click.option("--id", "key", metavar="COLUMN", help="What names a row in --against and --rows.")
@click.option("--home", type=click.Path(path_type=Path), help="Where records will go. [default: .wardline]")
@click.option(
    "--format", "form", default="table", show_default=True,
    type=click.Choice(["table", "json", "markdown"]), help="For people, for programs, for a pull request.",
)  # fmt: skip
def check_command(
    *, target: str, against: str | None, rows: Path | None, key: str | None, home: Path | None, form: str
) -> None:
    """Say whether the gate TARGET (guards.loan) is ready to launch; exit 1 where it is not.

    Each line passes, warns, or fails with what to do. Only failures keep it from launching.
    """
    gate = load(target)
    settings = Settings.from_env()
    if home is not None:
        settings = dataclasses.replace(settings, home=home)
    more = against_lines(gate, against, rows, key) if against else ()
    checked = check(gate, settings, source=source_of(target), more=more)
    if form == "json":
        click.echo(json.dumps(as_tree(checked), ensure_ascii=False, indent=1))
    elif form == "markdown":
        click.echo(as_markdown(checked))
    else:
        show(checked, Console(highlight=False))
    raise SystemExit(1 if checked.failures else 0)


def source_of(target: str) -> Path | None:
    """Return the file that declares a target which was loaded."""
    file = getattr(sys.modules.get(target.partition(":")[0]), "__file__", None)
    return Path(file) if file else None


def as_tree(checked: Checked) -> dict[str, Any]:
    """Return the checklist for programs."""
    return {
        "verdict": checked.verdict.value,
        "identity": checked.identity,
        "lines": [
            {"name": line.name, "status": line.status.value, "says": line.says, "do": line.do,
             "subjects": list(line.subjects), "details": list(line.details)}
            for line in checked.lines
        ],
    }  # fmt: skip


def as_markdown(checked: Checked) -> str:
    """Return the checklist as a table for a pull request."""

    def cell(text: str) -> str:
        return text.replace("|", "\\|").replace("\n", " ")

    marks = {Status.PASS: "✓", Status.WARN: "⚠", Status.FAIL: "✗"}
    rows = [
        f"| {marks[line.status]} {line.status.value} | {line.name} | {cell(line.says)} | {cell(line.do)} |"
        for line in checked.lines
    ]
    facts = " · ".join(f"{name} `{value}`" for name, value in checked.identity.items())
    head = [f"**{_verdict(checked)}** {facts}", "", "| | line | found | do |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows])


def show(checked: Checked, console: Console) -> None:
    """Print the checklist for people: the fault, the next step, and every difference by name."""
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("", "line", "found"):
        table.add_column(title, no_wrap=title != "found")
    for line in checked.lines:
        colour = _COLOURS[line.status]
        says = escape(line.says) + (f"\n[bold]→ {escape(line.do)}[/]" if line.do else "")
        table.add_row(f"[{colour}]{line.status.value}[/]", line.name, says)
    console.print("  ".join(f"{name} [bold]{escape(value)}[/]" for name, value in checked.identity.items()))
    console.print(table)
    for detail in _details(checked.failures):
        console.print(f"  {escape(detail)}")
    console.print(f"[{_COLOURS[checked.verdict]}]{_verdict(checked)}[/]")


def _details(failures: Sequence[Any]) -> list[str]:
    """Spell out what a line could only begin to."""
    return list(
        dict.fromkeys(detail for line in failures if len(line.details) > 1 for detail in line.details)
    )


def _verdict(checked: Checked) -> str:
    count = len(checked.failures)
    warned = sum(line.status is Status.WARN for line in checked.lines)
    if count:
        return f"not ready: {count} of {len(checked.lines)} lines fail."
    return f"ready to launch: {len(checked.lines)} lines" + (f", {warned} to look at." if warned else ".")
