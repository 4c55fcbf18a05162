"""`wardline diff`: two references or two contracts, and what a caller will notice."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wardline.cli.target import load as load_gate
from wardline.launch.differing import Change, of_contracts, of_references
from wardline.reference import JSON_NAME, Reference, load

_PIPED_WIDTH = 140


class Side(NamedTuple):
    """What one argument names: a reference, a contract, or (a gate) both."""

    name: str
    reference: Reference | None
    contract: dict[str, Any] | None


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--format", "form", default="table", show_default=True,
    type=click.Choice(["table", "json"]), help="For people, or for programs.",
)  # fmt: skip
def diff(*, a: str, b: str, form: str) -> None:
    """Say what a caller will notice when A becomes B; exit 1 where calls that were answered will break.

    Each is a reference's directory (models/loan/3), a contract published at /schema.json and saved as a
    file, or a gate (guards.loan), which has both.
    """
    one, two = side(a), side(b)
    if not (one.reference and two.reference) and not (one.contract and two.contract):
        raise click.UsageError(f"{a} and {b} cannot be compared: give two references, or two contracts")
    changes: list[tuple[str, Change]] = []
    if one.contract and two.contract:
        changes += [("contract", change) for change in of_contracts(one.contract, two.contract)]
    if one.reference and two.reference:
        changes += [("reference", change) for change in of_references(one.reference, two.reference)]
    breaking = any(change.breaks for _, change in changes)
    if form == "json":
        tree = [{"of": of, **dataclasses.asdict(change)} for of, change in changes]
        click.echo(json.dumps({"a": a, "b": b, "breaks": breaking, "changes": tree}, indent=1))
    else:
        _show(one, two, changes)
    raise SystemExit(1 if breaking else 0)


def side(name: str) -> Side:
    """Read what an argument names."""
    path = Path(name)
    if path.is_dir() and (path / JSON_NAME).is_file():
        return Side(name, load(path), None)
    if path.suffix == ".json" and path.is_file():
        if path.name == JSON_NAME:
            return Side(name, load(path.parent), None)
        try:
            schema = json.loads(path.read_text())
        except ValueError as error:
            raise click.UsageError(f"{name} is no JSON: {error}") from None
        if not isinstance(schema, dict) or "properties" not in schema:
            raise click.UsageError(f"{name} is no contract as /schema.json publishes it")
        return Side(name, None, schema)
    gate = load_gate(name)
    reference = load(gate.reference_dir, gate=gate.name) if gate.reference_dir else None
    return Side(name, reference, gate.contract.schema())


def _show(one: Side, two: Side, changes: list[tuple[str, Change]]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    ids = [f"{each.name} ({each.reference.id})" if each.reference else each.name for each in (one, two)]
    console.print(f"{escape(ids[0])} → {escape(ids[1])}")
    if not changes:
        console.print("[green]A caller will notice nothing.[/]")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("", "subject", "was", "is", "a caller will notice"):
        table.add_column(title)
    for of, change in changes:
        colour = "red" if change.breaks else "yellow"
        cells = [escape(text) for text in (change.subject, change.was, change.now, change.notice)]
        table.add_row(of, *cells[:3], f"[{colour}]{cells[3]}[/]")
    console.print(table)
    count = sum(change.breaks for _, change in changes)
    console.print(f"{len(changes)} changes, {count} of them break calls that were answered before.")
