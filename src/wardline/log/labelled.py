"""Answers joined with the labels that came for them: plain columns, for whatever judges answers by truth."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from wardline.errors import LogError
from wardline.log.columns import Coded, Columns
from wardline.log.labels import Labels
from wardline.log.reader import batches
from wardline.log.schema import SLICE

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

_ALWAYS = (
    "time", "request_id", "served_by", "prediction", "confidence", "set", "interval_low", "interval_high",
    "level", "coverage_status", "ood_p", "reference",
)  # fmt: skip


_ROWS = 262_144  # joined at a time: each join hashes all labels anew


@dataclass(frozen=True)
class Labelled:
    """Answered records, in order of time, each with its label where one came.

    `value` and `label` are numbers, or class numbers; `label` is NaN where none came. `lag_s` is how long
    after the answer its truth was observed. `stated` says where a set or interval was given, `covered`
    whether it holds the label. `unknown` counts labels of ids that no answer has.
    """

    time: NDArray[np.int64]
    ids: NDArray[np.object_]
    rung: Coded
    reference: Coded
    value: Floats
    label: Floats
    lag_s: Floats
    confidence: Floats
    width: Floats
    ood_p: Floats
    level: Floats
    stated: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    slices: dict[str, Coded]
    corrected: int = 0
    unknown: int = 0
    newest_label: int = 0

    def __len__(self) -> int:
        return len(self.time)

    @property
    def has(self) -> NDArray[np.bool_]:
        """Which answers have a label."""
        return ~np.isnan(self.label)

    @property
    def loss(self) -> Floats:
        """What each answer cost: 1 for a wrong class, the absolute error of a number; NaN without a label."""
        return np.abs(self.value - self.label)

    def take(self, rows: NDArray[Any]) -> Self:
        """Return these answers only; booleans choose, whole numbers pick."""
        chosen: dict[str, Any] = {}
        for each in fields(self):
            held = getattr(self, each.name)
            if isinstance(held, Coded):
                chosen[each.name] = Coded(held.codes[rows], held.names)
            elif each.name == "slices":
                chosen["slices"] = {name: Coded(c.codes[rows], c.names) for name, c in held.items()}
            else:
                chosen[each.name] = held[rows] if isinstance(held, np.ndarray) else held
        return type(self)(**chosen)


@dataclass(frozen=True)
class ClassLabelled(Labelled):
    """The same of class numbers."""

    @property
    def loss(self) -> Floats:
        """Return 1 for a wrong class, 0 for the right one; NaN without a label."""
        return np.where(self.has, (self.value != self.label).astype(np.float64), np.nan)


def labelled(
    records: Path,
    labels: Labels,
    *,
    classes: Sequence[str] = (),
    slices: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    most: int | None = None,
    on_problem: Callable[[str], None] = log.warning,
) -> Labelled:
    """Join a gate's answered records with its labels; memory holds some numbers an answer, `most` at most.

    Where several records carry one id the newest has the label: a repeated request is one case.
    """
    parts: list[dict[str, Any]] = []
    try:
        for batch in _narrow(records, slices, since, until, on_problem):
            parts.append(_part(batch, labels, classes, slices))
            while most is not None and sum(len(part["time"]) for part in parts[1:]) >= most:
                parts.pop(0)
    except LogError as error:
        on_problem(str(error))
    return _whole(parts, labels, classes, slices)


def _narrow(
    records: Path,
    slices: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    on_problem: Callable[[str], None],
) -> Iterator[pa.RecordBatch]:
    """Read only the columns that are needed, or all where the log does not have every one of them yet."""
    wanted = (*_ALWAYS, *(SLICE + name for name in slices))
    try:
        yield from batches(
            records, columns=wanted, since=since, until=until, rows=_ROWS, on_problem=on_problem
        )
    except LogError:
        yield from batches(records, since=since, until=until, rows=_ROWS, on_problem=on_problem)


def _part(
    batch: pa.RecordBatch, labels: Labels, classes: Sequence[str], slices: Sequence[str]
) -> dict[str, Any]:
    wanted = {*_ALWAYS, *(SLICE + name for name in slices), *slices}
    table = pa.Table.from_batches([batch.select([n for n in batch.schema.names if n in wanted])])
    table = table.filter(pc.is_valid(table["served_by"])).combine_chunks()
    columns = Columns(table)
    count = len(columns)
    nothing = pa.nulls(count, pa.string())
    ids = table["request_id"].chunk(0) if count else nothing
    places = pc.index_in(ids, value_set=labels.ids)
    found = pc.fill_null(places, -1).to_numpy(zero_copy_only=False).astype(np.intp)
    label, value = _answers(columns, labels, places, classes)
    low, high = columns.number("interval_low"), columns.number("interval_high")
    names = table["set"].combine_chunks() if count and "set" in table.column_names else None
    size, inside = _in_sets(names, labels, places, count) if classes else (high - low, None)
    with np.errstate(invalid="ignore"):
        covered = (low <= label) & (label <= high) if inside is None else inside
    observed = np.append(labels.observed_at, 0)[found]
    return {
        "time": columns.time, "ids": np.array(ids.to_pylist(), dtype=object), "place": found,
        "rung": columns.coded("served_by"), "reference": columns.coded("reference"), "value": value,
        "label": label, "lag_s": np.where(found >= 0, (observed - columns.time) / 1e9, np.nan),
        "confidence": columns.number("confidence"), "width": size, "ood_p": columns.number("ood_p"),
        "level": columns.number("level"), "stated": (size > 0) & ~np.isnan(columns.number("level")),
        "covered": covered, "slices": {name: columns.slice(name) for name in slices},
    }  # fmt: skip


def _answers(
    columns: Columns, labels: Labels, places: pa.Array, classes: Sequence[str]
) -> tuple[Floats, Floats]:
    """Return label and answer of each record as numbers; a class that is not among them is NaN."""
    if not classes:
        label = labels.label.take(places)
        return label.to_numpy(zero_copy_only=False).astype(np.float64), columns.number("prediction")
    number = {name: place for place, name in enumerate(classes)}
    coded = Columns(pa.table({"label": labels.label.take(places)})).coded("label")
    both = [each.lookup(number, -1, -1) for each in (coded, columns.coded("prediction"))]
    label, value = (np.where(codes >= 0, codes, np.nan) for codes in both)
    return label.astype(np.float64), value.astype(np.float64)


def _in_sets(names: Any, labels: Labels, places: pa.Array, count: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the size of each set, and whether it holds the label."""
    if names is None or isinstance(names, pa.ChunkedArray) or not pa.types.is_list(names.type):
        return np.zeros(count), np.zeros(count, np.bool_)
    rows = pc.list_parent_indices(names).to_numpy(zero_copy_only=False)
    label = labels.label.take(places).take(pa.array(rows))
    hit = pc.fill_null(pc.equal(pc.list_flatten(names), label), False)
    inside = np.bincount(rows, weights=hit.to_numpy(zero_copy_only=False), minlength=count)
    return np.bincount(rows, minlength=count).astype(np.float64), inside > 0


def _whole(
    parts: Sequence[dict[str, Any]], labels: Labels, classes: Sequence[str], slices: Sequence[str]
) -> Labelled:
    if not parts:
        parts = [_part(pa.RecordBatch.from_pylist([], schema=_EMPTY), labels, classes, slices)]
    joined: dict[str, Any] = {}
    for name, first in parts[0].items():
        if name == "slices":
            joined[name] = {key: _joined([part[name][key] for part in parts]) for key in first}
        elif isinstance(first, Coded):
            joined[name] = _joined([part[name] for part in parts])
        else:
            joined[name] = np.concatenate([part[name] for part in parts])
    place = joined.pop("place")
    matched = np.flatnonzero(place >= 0)
    newest = np.zeros(len(labels), np.intp)
    newest[place[matched]] = matched
    repeated = matched[newest[place[matched]] != matched]
    joined["label"][repeated] = joined["lag_s"][repeated] = np.nan
    known = np.unique(place[matched])
    kind = ClassLabelled if classes else Labelled
    return kind(
        **joined, corrected=int(labels.corrected[known].sum()), unknown=len(labels) - len(known),
        newest_label=labels.newest,
    )  # fmt: skip


def _joined(parts: Sequence[Coded]) -> Coded:
    """Put coded columns one after another, under one list of names."""
    places: dict[str, int] = {}
    for part in parts:
        for name in part.names:
            places.setdefault(name, len(places))
    codes = [part.lookup(places, -1, -1).astype(np.int32) for part in parts]
    return Coded(np.concatenate(codes), list(places))


_EMPTY = pa.schema(
    [
        ("time", pa.timestamp("ns", tz="UTC")),
        ("request_id", pa.string()),
        ("served_by", pa.string()),
        ("prediction", pa.float64()),
    ]
)
