"""Parity row by row: training's own features, from a file or a function, against the serving path."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import click
import numpy as np

from wardline.cli.tables import Table, quoted
from wardline.cli.target import importable
from wardline.errors import WardlineError
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
    known = [name for name in gate.features.schema.names if theirs and name in theirs[0]]
    if not known:
        names = ", ".join(gate.features.schema.names)
        raise click.UsageError(f"{against} has none of the features {names}")
    differences = compare(gate, inputs, ids, theirs, known)
    if differences:
        said = [str(each).replace("golden rows", "rows") for each in differences]
        return [failed("parity", f"{against}: {said[0]}", "make both sides compute the same",
                       [each.subject for each in differences], said)]  # fmt: skip
    first = "the first " if len(inputs) == MOST else ""
    of = f"{len(known)} of {len(gate.features.schema.names)} features"
    return [passed("parity", f"{first}{len(inputs):,} rows of {against} agree in {of}")]


def compare(
    gate: Gate, inputs: Sequence[str], ids: Sequence[str], theirs: Rows, known: Sequence[str]
) -> list[Difference]:
    """Return where serving computes otherwise; features that training did not give are not judged."""
    schema = gate.features.schema
    seen = recompute(inputs, gate.contract, gate.features)
    matrix = np.full((len(inputs), len(schema.numeric)), np.nan)
    matrix[seen.places] = seen.block.matrix
    text: dict[str, list[str | None]] = {name: [None] * len(inputs) for name in schema.text}
    for name, column in text.items():
        for place, value in zip(seen.places, seen.block.text[name], strict=True):
            column[place] = value
    for name in known:
        if name in text:
            text[name] = [row.get(name) for row in theirs]
        else:
            matrix[:, schema.numeric.index(name)] = [_number(row.get(name), name) for row in theirs]
    golden = Golden(
        tuple(ids), tuple(inputs), ("given",) * len(inputs), 0, matrix,
        {name: tuple(values) for name, values in text.items()}, {},
    )  # fmt: skip
    return feature_differences(golden, gate.contract, gate.features, seen)


def _number(value: Any, name: str) -> float:
    try:
        return np.nan if value is None else float(value)
    except (TypeError, ValueError):
        raise click.UsageError(f"training gives {value!r} for {name}, which is a number here") from None


def _of_file(gate: Gate, file: Path, rows: Path | None, key: str | None) -> tuple[list[str], list[str], Rows]:
    """Read training's features, and the raw rows they belong to, by id."""
    table = _read(file, gate, key)
    if not table:
        raise click.UsageError(f"{file} has no rows")
    ids = _ids(table, file, key) if key else [str(place) for place in range(len(table))]
    if rows is not None:
        if key is None:
            raise click.UsageError("--rows needs --id: the column that names a row in both files")
        return [_text(gate, row) for row in _joined(ids, rows, gate, key)], ids, table
    fields = gate.contract.row.model_fields
    lacking = [name for name, field in fields.items() if field.is_required() and name not in table[0]]
    if lacking:
        raise click.UsageError(f"{file} has no raw {lacking[0]}: give the raw rows with --rows and --id")
    return [_text(gate, row) for row in table], ids, table


def _joined(ids: Sequence[str], file: Path, gate: Gate, key: str) -> Rows:
    """Find the raw row of each id, wherever in its file it stands."""
    raw = _read(file, gate, key, frozenset(ids))
    by_id = dict(zip(_ids(raw, file, key), raw, strict=True))
    absent = [each for each in ids if each not in by_id]
    if absent:
        raise click.UsageError(f"{file} has no row {absent[0]} ({len(absent)} are absent): give all of them")
    return [by_id[each] for each in ids]


def _ids(table: Rows, file: Path, key: str) -> list[str]:
    """Name every row; one name for two rows would compare the wrong ones."""
    ids = [_id(row[key]) for row in table]
    twice = [each for each, times in Counter(ids).items() if times > 1]
    if twice:
        raise click.UsageError(f"{file} has {len(twice)} ids more than once, such as {twice[0]}")
    return ids


def _id(value: Any) -> str:
    """Spell an id alike in both files: a column with a null somewhere has 7.0 where the other has 7."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _inputs(gate: Gate, rows: Path | None, key: str | None) -> tuple[list[str], list[str]]:
    """Return the raw rows a function is asked about: a file's, or the golden ones."""
    if rows is not None:
        raw = _read(rows, gate, key)
        ids = _ids(raw, rows, key) if key else [str(place) for place in range(len(raw))]
        return [_text(gate, row) for row in raw], ids
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


def _read(file: Path, gate: Gate, key: str | None, wanted: Set[str] | None = None) -> list[dict[str, Any]]:
    """Read the first rows of a file, or all those whose id is wanted."""
    table = Table([file], text=[n for n, f in gate.contract.row.model_fields.items() if f.annotation is str])
    if key is not None and key not in table.columns:
        raise click.UsageError(f"{file} has no column {key!r}")
    found: list[dict[str, Any]] = []
    for chunk in table.chunks({name: quoted(name) for name in table.columns}):
        if key is None or wanted is None:
            found += chunk[: MOST - len(found)]
        else:
            found += [row for row in chunk if _id(row[key]) in wanted]
        if wanted is None and len(found) >= MOST:
            break
    table.close()
    return found


def _text(gate: Gate, row: Mapping[str, Any]) -> str:
    return as_sent(gate.contract.adopt(row))
