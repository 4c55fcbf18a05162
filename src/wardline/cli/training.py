"""Training rows: files read as the gate would read them, with a target beside each row."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from wardline.cli.tables import Table, quoted
from wardline.contract import Admitted
from wardline.features import FeatureBlock
from wardline.gate import Gate
from wardline.inference import Batch
from wardline.stats import bins

_TARGET, _TIME = "target of the model", "time of the row"  # no column of a file is called so
Advance = Callable[[int], None]


@dataclasses.dataclass
class Seen:
    """What happened to the rows of some files on their way into the profile."""

    rows: int = 0
    rejected: int = 0
    reasons: Counter[str] = dataclasses.field(default_factory=Counter)
    first: Any = None
    last: Any = None

    def reject(self, *reasons: str) -> None:
        """Count one row out, under each reason it gave."""
        self.rejected += 1
        self.reasons.update(reasons)

    def require(self, option: str) -> None:
        """Raise a usage error where not one row was left, with the reasons that took most."""
        if not self.rows:
            worst = ", ".join(f"{reason} ({rows})" for reason, rows in self.reasons.most_common(3))
            raise click.UsageError(f"not one row of {option} could be used: {worst or 'there are none'}")

    def at(self, times: Sequence[Any]) -> None:
        """Stretch the period over these times."""
        known = [each for each in times if each is not None]
        if known:
            self.first = min([*known, *([] if self.first is None else [self.first])])
            self.last = max([*known, *([] if self.last is None else [self.last])])

    @property
    def period(self) -> tuple[str, str] | None:
        """First and last time, as text."""
        if self.first is None:
            return None
        first, last = (
            each.isoformat() if isinstance(each, datetime) else str(each) for each in (self.first, self.last)
        )
        return first, last


@dataclasses.dataclass(frozen=True)
class Part:
    """A block of rows that met the contract and have a target."""

    admitted: Admitted
    block: FeatureBlock
    targets: NDArray[np.float64]
    payloads: Sequence[Mapping[str, Any]] = ()
    """The rows as a caller would have sent them."""

    @property
    def batch(self) -> Batch:
        """The rows as a predictor takes them."""
        return Batch(self.admitted.rows, self.block)


@dataclasses.dataclass
class Source:
    """Files, and how a training row is read from them: its fields, its target, its time."""

    gate: Gate
    table: Table
    target: str
    time: str | None
    where: str | None
    readers: Mapping[str, Callable[[str], Any]]
    """How text is read that stands in a column of numbers or times."""

    @classmethod
    def of(
        cls, gate: Gate, files: Sequence[Path], *, target: str, time: str | None, where: str | None
    ) -> Source:
        """Open the files; a usage error where they lack a column that the contract requires."""
        fields = gate.contract.row.model_fields
        kinds = {name: _types(field.annotation) for name, field in fields.items()}
        table = Table(files, text=[name for name, kind in kinds.items() if kind <= {str, type(None)}])
        missing = [name for name, f in fields.items() if f.is_required() and name not in table.columns]
        if missing:
            raise click.UsageError(
                f"the files have no column {', '.join(missing)}, which the contract requires; they have "
                f"{', '.join(table.columns)}"
            )
        readers = {
            name: _reader(kind)
            for name, kind in kinds.items()
            if table.columns.get(name) == "VARCHAR" and str not in kind
        }
        return cls(gate, table, target, time, where, readers)

    def parts(self, seen: Seen, advance: Advance) -> Iterator[Part]:
        """Walk the files; rows that break the contract, or have no target, are counted and left out."""
        fields = [name for name in self.gate.contract.fields if name in self.table.columns]
        select = {name: quoted(name) for name in fields}
        for name, sql in ((_TARGET, self.target), (_TIME, self.time)):
            if sql is not None:  # a column may be called `at` or `order`, which SQL would not take unquoted
                select[name] = quoted(sql) if sql in self.table.columns else sql
        for rows in self.table.chunks(select, self.where):
            part = self._part(rows, seen)
            if part is not None:
                yield part
            advance(len(rows))

    def _part(self, rows: Sequence[dict[str, Any]], seen: Seen) -> Part | None:
        contract, features = self.gate.contract, self.gate.features
        for row in rows if self.readers else ():
            row.update(
                {name: read(row[name]) for name, read in self.readers.items() if row[name] is not None}
            )
        payloads = [contract.adopt(row) for row in rows]
        admitted = contract.admit_rows(payloads)
        for findings in admitted.rejects.values():
            seen.reject(*(f"{each.reason} {each.subject}" for each in findings))
        targets = []
        kept: list[Any] = []
        sent: list[Mapping[str, Any]] = []
        times = []
        for row, place in zip(admitted.rows, admitted.positions.tolist(), strict=True):
            target, problem = self._read_target(rows[place][_TARGET])
            if problem:
                seen.reject(problem)
                continue
            kept.append(row)
            sent.append(payloads[place])
            targets.append(target)
            times.append(getattr(row, self.time or "", None) or rows[place].get(_TIME))
        if not kept:
            return None
        failed: dict[int, str] = {}
        try:
            block = features.of_rows(kept)
        except Exception:
            block, failed = features.of_rows_apart(kept)
        for kind in failed.values():
            seen.reject(f"features.error {kind}")
        good = np.array([place for place in range(len(kept)) if place not in failed], dtype=np.intp)
        if not len(good):
            return None
        if failed:
            block, kept = block.take(good), [kept[place] for place in good]
            sent = [sent[place] for place in good]
        seen.rows += len(kept)
        seen.at([times[place] for place in good])
        whole = Admitted(len(kept), True, kept, np.arange(len(kept)))
        return Part(whole, block, np.array(targets, np.float64)[good], sent)

    def _read_target(self, value: Any) -> tuple[float, str]:
        """Return the target as the builder wants it, or why this row cannot have one."""
        if value is None or value != value:
            return 0.0, "target.null"
        classes = self.gate.classes
        if not classes:
            try:
                number = float(value)
            except (TypeError, ValueError):
                return 0.0, "target.type"
            return number, "" if math.isfinite(number) else "target.not_finite"
        name = bins.label(value) if isinstance(value, int | float | str) else str(value)
        if name in classes:
            return float(classes.index(name)), ""
        if isinstance(value, int | float) and value in range(len(classes)):
            return float(value), ""
        return 0.0, "target.unknown_class"


def names(values: Sequence[Any]) -> list[str]:
    """Name the values of a slice column, as records and reports do."""
    known = {value: _named(value) for value in set(values)}
    return [known[value] for value in values]


def _named(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, int | float | str):
        return bins.label(value) or "null"
    return str(value)


def _types(annotation: Any) -> set[Any]:
    """Return the plain types in an annotation; a Literal counts as the types of its values."""
    args = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return {type(arg) for arg in args}
    return set().union(*(_types(arg) for arg in args)) if args else {annotation}


def _reader(kinds: set[Any]) -> Callable[[str], Any]:
    """Read text as a number or a time where it is one; else leave it, for the contract to name it."""
    wanted = datetime.fromisoformat if datetime in kinds else float

    def read(text: str) -> Any:
        try:
            return wanted(text)
        except ValueError:
            return {"true": True, "false": False}.get(text.lower(), text)

    return read
