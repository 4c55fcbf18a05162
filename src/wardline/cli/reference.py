"""`wardline reference`: profile training data into the bundle that guards and monitor judge by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from wardline.cli import summary
from wardline.cli.profiling import Plan, Step, build
from wardline.cli.tables import sha256
from wardline.cli.target import load
from wardline.cli.training import Source
from wardline.gate import Gate
from wardline.reference import save

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


_FILES = ("--data", "--calibration")


class ManyFiles(click.Command):
    """A command whose file options take all files up to the next option, as shells expand `*.parquet`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its files."""
        spread: list[str] = []
        option = ""
        for word in args:
            if word.startswith("-"):
                option = word.partition("=")[0]
            elif option in _FILES and spread[-1] != option and Path(word).is_file():
                spread.append(option)
            spread.append(word)
        return super().parse_args(ctx, spread)


@click.command(cls=ManyFiles)
@click.argument("target")
@click.option(
    "--data", multiple=True, required=True, type=FILE, help="Training rows: .parquet, .csv, .csv.gz."
)
@click.option("--target", "target_sql", required=True, metavar="SQL", help="The truth: a column, or SQL.")
@click.option("--time", metavar="SQL", help="When a row happened: a column, or SQL over the columns.")
@click.option("--calibration", multiple=True, type=FILE, help="Held-out rows, which trained no model.")
@click.option("--where", metavar="SQL", help="Only these rows, such as 'fare_amount > 0'.")
@click.option("--calibration-where", metavar="SQL", help="Only these held-out rows. [default: --where]")
@click.option("--seed", default=0, show_default=True, help="The same rows and seed sample the same rows.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="[default: the gate's reference=]"
)
@click.option(
    "--format", "form", default="table", show_default=True,
    type=click.Choice(["table", "json"]), help="For people, or for programs.",
)  # fmt: skip
def reference(
    *,
    target: str,
    data: tuple[Path, ...],
    target_sql: str,
    time: str | None,
    calibration: tuple[Path, ...],
    where: str | None,
    calibration_where: str | None,
    seed: int,
    out: Path | None,
    form: str,
) -> None:
    """Profile the training data of the gate TARGET (guards.loan) into its reference bundle.

    Rows walk through the gate's own contract, features and models; those that break the contract are
    counted by reason and left out. Only rows given with --calibration, which trained no model, calibrate
    conformal sets and intervals and say how good the models are.
    """
    gate = load(target)
    directory = out or gate.reference_dir
    if directory is None:
        raise click.UsageError(f"gate {gate.name!r} declares no reference=: say where with --out")
    data, calibration = _once(data), _once(calibration)
    held_where = calibration_where if calibration_where is not None else where
    _apart(data, where, calibration, held_where)
    training = Source.of(gate, data, target=target_sql, time=time, where=where)
    held_out = None
    if calibration:
        held_out = Source.of(gate, calibration, target=target_sql, time=time, where=held_where)
    plan = Plan(gate, training, held_out, files_of(gate, data, calibration), seed)
    with progress() as step:
        built, held = build(plan, step)
    saved = save(built, directory)
    if form == "json":
        click.echo(json.dumps(summary.as_tree(saved, directory, held), ensure_ascii=False, indent=1))
    else:
        summary.show(saved, directory, held)


def _once(files: Sequence[Path]) -> tuple[Path, ...]:
    """Leave out what was named twice: a row counted double would promise more than it knows."""
    return tuple({file.resolve(): file for file in reversed(files)}.values())[::-1]


def _apart(
    data: Sequence[Path], where: str | None, calibration: Sequence[Path], held_where: str | None
) -> None:
    """Refuse rows that are to be both: a model is never calibrated on what trained it."""
    both = {file.resolve() for file in data} & {file.resolve() for file in calibration}
    if both and where == held_where:
        raise click.UsageError(
            f"{min(both).name} is both --data and --calibration: rows that trained a model promise nothing; "
            "give other files, or part one with --where and --calibration-where"
        )


def files_of(gate: Gate, data: Sequence[Path], calibration: Sequence[Path]) -> dict[str, str]:
    """Hash every file; names are relative to the project, for the bundle travels."""
    found = {}
    for role, files in (("", data), ("calibration:", calibration)):
        for file in files:
            path = file.resolve()
            inside = path.is_relative_to(gate.root.resolve())
            name = path.relative_to(gate.root.resolve()).as_posix() if inside else path.name
            found[role + name] = sha256(file)
    return found


@contextmanager
def progress() -> Iterator[Step]:
    """Show a bar a pass, on stderr, and only to a person."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TextColumn("rows"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:

        def step(what: str, total: int | None) -> Callable[[int], None]:
            task: Any = progress.add_task(what, total=total)
            return lambda rows: progress.advance(task, rows)

        yield step
