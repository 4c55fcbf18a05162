"""A training file, looked through once and dealt into the rows that fit and the rows that calibrate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from wardline.cli.tables import Table, quoted
from wardline.launch.inferring import CATEGORIES, Guess, Summary, guess

CLASSES = 20
"""Different whole numbers in the target up to which they are classes and not amounts."""

_FEWEST = 100  # rows without which neither a model nor a reference says anything
_CALIBRATION = 5  # every fifth row, by a hash of its place


@dataclass(frozen=True)
class Dataset:
    """Two files under the fields' names, and what is to be declared of them."""

    fit: Path
    calibration: Path
    target: str
    fields: tuple[Guess, ...]
    classes: tuple[str, ...]
    usual: str | float
    example: Mapping[str, Any]
    pictures: bool = False


def prepare(file: Path, target: str, folder: Path, seed: int) -> Dataset:
    """Look a file through and write `fit.parquet` and `calibration.parquet` into `folder`."""
    table = Table([file])
    if target not in table.columns:
        raise click.UsageError(f"{file} has no column {target!r}; it has {', '.join(table.columns)}")
    summaries = _summaries(table)
    answer = summaries.pop(target)
    if answer.rows - answer.nulls < _FEWEST:
        raise click.UsageError(
            f"{answer.rows - answer.nulls} rows with a target are too few: {_FEWEST} at least"
        )
    fields: list[Guess] = []
    for summary in summaries.values():
        fields.append(guess(summary, [field.name for field in fields]))
    if not fields:
        raise click.UsageError(f"{file} has no column beside {target!r}")
    named = guess(answer, [field.name for field in fields]).name
    classes = _classes(table, answer)
    folder.mkdir(parents=True, exist_ok=True)
    kind = "VARCHAR" if classes else "DOUBLE"
    select = {field.name: quoted(field.column) for field in fields}
    select[named] = f"CAST({quoted(target)} AS {kind})"
    paths = folder / "fit.parquet", folder / "calibration.parquet"
    for path, sign in zip(paths, ("<>", "="), strict=True):
        table.save(path, select, f"{quoted(target)} IS NOT NULL",
                   f"hash(place + {seed}) % {_CALIBRATION} {sign} 0")  # fmt: skip
    usual = _usual(table, target, classes)
    table.close()
    return Dataset(*paths, named, tuple(fields), classes, usual, _example(paths[0], fields))


def _summaries(table: Table) -> dict[str, Summary]:
    """Look at all columns in one pass: counts, extremes; in a second, at the values of those with few."""
    asked = {
        f"{what} {name}": expression
        for name, sql in table.columns.items()
        for what, expression in _asked(quoted(name), sql).items()
    }
    ((told,),) = table.chunks(asked)
    few = {name: quoted(name) for name in table.columns if 0 < told[f"distinct {name}"] <= CATEGORIES}
    values: dict[str, list[Any]] = {}
    if few:
        ((values,),) = table.chunks({name: f"list(DISTINCT {column})" for name, column in few.items()})
    return {
        name: Summary(
            name, sql, told[f"rows {name}"], told[f"nulls {name}"], told[f"distinct {name}"],
            told[f"low {name}"], told[f"high {name}"], told[f"longest {name}"] or 0,
            tuple(sorted(value for value in values.get(name, ()) if value is not None)),
        )
        for name, sql in table.columns.items()
    }  # fmt: skip


def _asked(column: str, sql: str) -> dict[str, str]:
    """Say in SQL what is asked of a column; NaN in a file stands for null."""
    known = f"CASE WHEN isfinite({column}) THEN {column} END" if sql in ("FLOAT", "DOUBLE") else column
    return {
        "rows": "count(*)", "nulls": f"count(*) - count({known})", "distinct": f"count(DISTINCT {column})",
        "low": f"min({known})", "high": f"max({known})",
        "longest": f"max(length(CAST({column} AS VARCHAR)))",
    }  # fmt: skip


def _classes(table: Table, answer: Summary) -> tuple[str, ...]:
    """Name the classes, or nothing where the target is an amount."""
    text = answer.sql in ("VARCHAR", "BOOLEAN")
    whole = answer.sql.endswith(("INT", "INTEGER"))
    if not text and not (whole and answer.distinct <= CLASSES):
        return ()
    if answer.distinct > CATEGORIES:
        raise click.UsageError(f"{answer.column} has {answer.distinct} different texts: too many for classes")
    if answer.distinct < 2:
        raise click.UsageError(f"{answer.column} is the same in every row: there is nothing to answer")
    ((listed,),) = table.chunks({"values": f"list(DISTINCT CAST({quoted(answer.column)} AS VARCHAR))"})
    return tuple(sorted(value for value in listed["values"] if value is not None))


def _usual(table: Table, target: str, classes: tuple[str, ...]) -> str | float:
    if not classes:
        ((told,),) = table.chunks({"usual": f"median({quoted(target)})"})
        return float(f"{float(told['usual']):.6g}")
    counts: Counter[str] = Counter()
    for rows in table.chunks({"y": f"CAST({quoted(target)} AS VARCHAR)"}):
        counts.update(row["y"] for row in rows if row["y"] is not None)
    return counts.most_common(1)[0][0]


def _example(file: Path, fields: list[Guess]) -> dict[str, Any]:
    """Return the first row that has every field, or else the first."""
    table = Table([file])
    whole = " AND ".join(f"{quoted(field.name)} IS NOT NULL" for field in fields)
    select = {field.name: quoted(field.name) for field in fields}
    rows = next(iter(table.chunks(select, whole)), None) or next(iter(table.chunks(select)))
    table.close()
    return {field.name: _sent(field, rows[0][field.name]) for field in fields}


def _sent(field: Guess, value: Any) -> Any:
    """Return a value as a caller would send it: stamps with their zone."""
    if field.kind == "time" and value is not None:
        text = value if isinstance(value, str) else value.isoformat()
        return text if text.endswith(("Z", "+00:00")) else f"{text}+00:00"
    return value
