"""Parity row by row: training's own features, from a file or a function, against the serving path."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from wardline.cli.tables import Table, quoted
from wardline.cli.target import importable
from wardline.errors import WardlineError
from wardline.features import Kind
from wardline.gate import Gate
from wardline.golden import Difference, as_sent, feature_differences, recompute
from wardline.launch.lines import Line, failed, passed
from wardline.reference import Golden, load

MOST = 100_000
"""Rows of a file that are compared; the first of them, and the line says so."""

Rows = Sequence[Mapping[str, Any]]


def against_lines(gate: Gate, against: str, rows: Path | None, key: str | None) -> list[Line]:
    """Compare serving's features with training's; one line for the checklist."""
    file = Path(against)
    if file.suffix and file.is_file():
        inputs, ids, theirs = _of_file(gate, file, rows, key)
    elif ":" in against:
        inputs, ids = _inputs(gate, rows, key)
        theirs = _of_function(against, [json.loads(text) for text in inputs])
    else:
        raise click.UsageError(f"{against} is neither a file nor a function such as training:features")
    differences = compare(gate, inputs, ids, theirs)
    if differences:
        said = [str(each).replace("golden rows", "rows") for each in differences]
        return [failed("parity", f"{against}: {said[0]}", "make both sides compute the same",
                       [each.subject for each in differences], said)]  # fmt: skip
    first = "the first " if len(inputs) == MOST else ""
    return [
        passed("parity", f"{first}{len(inputs):,} rows of {against} agree in {_known(gate, theirs)} features")
    ]


def compare(gate: Gate, inputs: Sequence[str], ids: Sequence[str], theirs: Rows) -> list[Difference]:
    """Return where serving computes otherwise; features that training did not give are not judged."""
    seen = recompute(inputs, gate.contract, gate.features)
    numeric, matrix = (
        gate.features.schema.numeric,
        np.full((len(inputs), len(gate.features.schema.numeric)), np.nan),
    )
    matrix[seen.places] = seen.block.matrix
    text: dict[str, list[str | None]] = {name: [None] * len(inputs) for name in gate.features.schema.text}
    given = set(theirs[0]) if theirs else set()
    for column in gate.features.schema.columns:
        if column.name not in given:
            continue
        values = [row[column.name] for row in theirs]
        if column.kind is Kind.TEXT:
            text[column.name] = values
        else:
            matrix[:, numeric.index(column.name)] = [np.nan if v is None else float(v) for v in values]
    for name in set(text) - given:
        for place, value in zip(seen.places, seen.block.text[name], strict=True):
            text[name][place] = value
    golden = Golden(
        tuple(ids), tuple(inputs), ("given",) * len(inputs), 0, matrix,
        {name: tuple(values) for name, values in text.items()}, {},
    )  # fmt: skip
    return feature_differences(golden, gate.contract, gate.features, seen)


def _known(gate: Gate, theirs: Rows) -> int:
    return len(set(theirs[0] if theirs else ()) & set(gate.features.schema.names))


def _of_file(gate: Gate, file: Path, rows: Path | None, key: str | None) -> tuple[list[str], list[str], Rows]:
    """Read training's features, and the raw rows they belong to, by id."""
    table = _read(file, gate)
    known = set(table[0]) & set(gate.features.schema.names) if table else set()
    if not known:
        raise click.UsageError(f"{file} has none of the features {', '.join(gate.features.schema.names)}")
    if rows is None:
        raw: Rows = table
        lacking = [
            n for n, f in gate.contract.row.model_fields.items() if f.is_required() and n not in raw[0]
        ]
        if lacking:
            raise click.UsageError(f"{file} has no raw {lacking[0]}: give the raw rows with --rows and --id")
    else:
        raw = _joined(table, _read(rows, gate), file, rows, key)
    inputs = [_text(gate, row) for row in raw]
    ids = [str(row[key]) if key else str(place) for place, row in enumerate(table)]
    return inputs, ids, [{name: row[name] for name in known} for row in table]


def _joined(table: Rows, raw: Rows, file: Path, rows: Path, key: str | None) -> Rows:
    if key is None:
        raise click.UsageError("--rows needs --id: the column that names a row in both files")
    for name, part in ((file, table), (rows, raw)):
        if not part or key not in part[0]:
            raise click.UsageError(f"{name} has no column {key!r}")
    by_id = {row[key]: row for row in raw}
    absent = [row[key] for row in table if row[key] not in by_id]
    if absent:
        raise click.UsageError(f"{rows} has no row {absent[0]} ({len(absent)} are absent): give all of them")
    return [by_id[row[key]] for row in table]


def _inputs(gate: Gate, rows: Path | None, key: str | None) -> tuple[list[str], list[str]]:
    """Return the raw rows a function is asked about: a file's, or the golden ones."""
    if rows is not None:
        raw = _read(rows, gate)
        return [_text(gate, row) for row in raw], [
            str(row[key]) if key else str(i) for i, row in enumerate(raw)
        ]
    kept = load(gate.reference_dir, gate=gate.name).golden if gate.reference_dir else None
    if kept is None:
        raise click.UsageError("there are no golden rows: give raw rows with --rows")
    return list(kept.inputs), list(kept.ids)


def _of_function(place: str, rows: list[dict[str, Any]]) -> Rows:
    """Ask training's function about a list of raw rows; it returns a list of mappings, or columns."""
    module, _, name = place.partition(":")
    importable()
    try:
        function = getattr(importlib.import_module(module), name)
        said = function(rows)
    except (ImportError, AttributeError) as error:
        raise click.UsageError(f"{place}: {error}") from None
    except Exception as error:
        raise WardlineError(f"{place} raises {type(error).__name__} on the raw rows: {error}") from error
    if hasattr(said, "items"):
        names = list(said)
        said = [
            dict(zip(names, row, strict=True)) for row in zip(*(list(said[n]) for n in names), strict=True)
        ]
    if len(said) != len(rows):
        raise WardlineError(f"{place} returned {len(said)} rows for {len(rows)}: one each, in their order")
    return list(said)


def _read(file: Path, gate: Gate) -> list[dict[str, Any]]:
    table = Table([file], text=[n for n, f in gate.contract.row.model_fields.items() if f.annotation is str])
    found: list[dict[str, Any]] = []
    for chunk in table.chunks({name: quoted(name) for name in table.columns}):
        found += chunk
        if len(found) >= MOST:
            break
    table.close()
    return found[:MOST]


def _text(gate: Gate, row: Mapping[str, Any]) -> str:
    return as_sent(gate.contract.adopt(row))
