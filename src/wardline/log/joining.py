"""Joining answers with their labels as both come in: what was joined once is not joined again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from wardline.errors import LogError
from wardline.log.answers import (
    KEPT,
    NEVER,
    NONE,
    SMALL,
    Part,
    answers_of,
    coded,
    inside,
    places_of,
    together,
    wanted,
)
from wardline.log.columns import Columns
from wardline.log.labelled import ClassLabelled, Floats, Labelled
from wardline.log.labels import Labels
from wardline.log.reader import batches

log = logging.getLogger(__name__)


class Joiner:
    """Answers and the labels that came for them, in bounded memory: the newest `most` answers.

    Choose it where labels come again and again. The state depends on what came, not on its order: answers
    may come after their label, and of two labels of an answer the one observed last counts (of two such the
    one that came last). Where several answers carry one id the newest has the label: a repeated request is
    one case.
    """

    def __init__(self, classes: Sequence[str] = (), slices: Sequence[str] = (), most: int | None = None):
        self._classes, self._slices, self._most = tuple(classes), tuple(slices), most
        self._number = {name: place for place, name in enumerate(self._classes)}
        self._parts: list[Part] = []
        self._early: list[Labels] = []
        self._newest = 0

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def answered(self, table: pa.Table) -> None:
        """Take in records; those that nobody answered are passed over."""
        names = {*wanted(self._slices), *self._slices}
        table = table.select([name for name in table.column_names if name in names])
        table = table.filter(pc.is_valid(table["served_by"])).combine_chunks()
        if not table.num_rows:
            return
        part = answers_of(table, self._classes, self._slices)
        again = list(self._repeated(part))
        self._parts.append(part)
        early, self._early = self._early, []
        for labels in early:
            self._apply(labels, [part])
        for labels in again:
            self._apply(labels, self._parts)
        if len(self._parts) > 1 and len(self._parts[-2]) + len(part) <= SMALL:
            self._parts[-2:] = [together(*self._parts[-2:])]
        while self._most is not None and len(self) - len(self._parts[0]) >= self._most:
            self._parts.pop(0)

    def forget(self, before: int) -> None:
        """Let go of answers that came together and are all older than a time, in nanoseconds."""
        self._parts = [part for part in self._parts if part.numbers["time"].max() >= before]

    def labelled(self, labels: Labels) -> None:
        """Take in labels that came; of ids that no answer has yet, they wait."""
        if len(labels):
            self._newest = max(self._newest, labels.newest)
            self._apply(labels, self._parts)

    def joined(self) -> Labelled:
        """Return all answers there are, in order of time, with their labels."""
        parts = self._parts or [answers_of(NONE, self._classes, self._slices)]
        numbers: dict[str, Any] = {
            name: np.concatenate([part.numbers[name] for part in parts]) for name in KEPT
        }
        order: Any = np.argsort(numbers["time"], kind="stable")
        if (order[1:] > order[:-1]).all():
            order = slice(None)  # as it came
        numbers = {name: values[order] for name, values in numbers.items()}
        ids = pa.chunked_array([part.ids for part in parts]).to_numpy()[order]
        low, high, label = numbers.pop("low"), numbers.pop("high"), numbers["label"]
        if not self._classes:
            with np.errstate(invalid="ignore"):
                numbers["covered"] = (low <= label) & (label <= high)
        observed = numbers.pop("observed")
        lag = np.where(observed > NEVER, (observed - numbers["time"]) / 1e9, np.nan)
        slices = {name: coded([part.slices[name] for part in parts], order) for name in self._slices}
        kind: Any = ClassLabelled if self._classes else Labelled
        corrected = numbers.pop("corrected")
        found: Labelled = kind(
            **numbers, ids=ids, lag_s=lag, rung=coded([part.rung for part in parts], order),
            reference=coded([part.reference for part in parts], order),
            stated=(numbers["width"] > 0) & ~np.isnan(numbers["level"]),
            slices=slices, corrected=int(corrected.sum()), unknown=self._unknown(), newest_label=self._newest,
        )  # fmt: skip
        return found

    def _repeated(self, part: Part) -> Iterator[Labels]:
        """Where a new answer has the id of a labelled one, give that label back to be put again."""
        for before in self._parts:
            if not before.labelled:
                continue
            found = pc.is_in(before.ids, value_set=part.ids).to_numpy(zero_copy_only=False)
            again = np.flatnonzero(found.astype(np.bool_) & (before.numbers["observed"] > NEVER))
            if len(again):
                yield self._taken(before, again)

    def _taken(self, part: Part, rows: NDArray[np.intp]) -> Labels:
        """Take labels off answers, as they came."""
        numbers = part.numbers
        label: Any = numbers["label"][rows].copy()
        if self._classes:
            names = [None if np.isnan(code) else self._classes[int(code)] for code in label]
            label = pa.array(names, pa.string())
        none = np.zeros(len(rows), np.int64)
        taken = Labels(
            part.ids.take(pa.array(rows)), pa.array(label), numbers["observed"][rows].copy(), none, none,
            numbers["corrected"][rows].copy(), 0,
        )  # fmt: skip
        numbers["label"][rows], numbers["observed"][rows] = np.nan, NEVER
        numbers["corrected"][rows] = numbers["covered"][rows] = False
        return taken

    def _apply(self, labels: Labels, parts: list[Part]) -> None:
        """Put labels on the newest answer of each id; keep those that have none."""
        label = self._numbers(labels)
        places = places_of(parts, labels.ids)
        newest = np.full(len(labels), np.iinfo(np.int64).min)
        for part, place in zip(parts, places, strict=True):
            rows = np.flatnonzero(place >= 0)
            np.maximum.at(newest, place[rows], part.numbers["time"][rows])
        owned = np.zeros(len(labels), np.bool_)
        for part, place in zip(parts[::-1], places[::-1], strict=True):
            rows = np.flatnonzero(place >= 0)
            rows = rows[(part.numbers["time"][rows] == newest[place[rows]]) & ~owned[place[rows]]]
            if len(rows) and np.bincount(place[rows]).max() > 1:  # of equal times the last one
                last = np.zeros(len(labels), np.intp)
                last[place[rows]] = rows
                rows = rows[last[place[rows]] == rows]
            owned[place[rows]] = True
            self._put(part, rows, place[rows], label, labels)
        self._wait(labels, ~owned)

    def _put(
        self, part: Part, rows: NDArray[np.intp], place: NDArray[np.intp], label: Floats, labels: Labels
    ) -> None:
        numbers = part.numbers
        had = numbers["observed"][rows] > NEVER
        numbers["corrected"][rows] |= labels.corrected[place]
        numbers["corrected"][rows] |= had & (numbers["label"][rows] != label[place])
        part.labelled |= bool(len(rows))
        later = labels.observed_at[place] >= numbers["observed"][rows]
        rows, place = rows[later], place[later]
        numbers["label"][rows], numbers["observed"][rows] = label[place], labels.observed_at[place]
        if part.sets is not None and len(rows):
            numbers["covered"][rows] = inside(
                part.sets.take(pa.array(rows)), labels.label.take(pa.array(place))
            )

    def _numbers(self, labels: Labels) -> Floats:
        """Return labels as numbers; a class that is not among them is NaN."""
        if not self._classes:
            return np.asarray(labels.label.to_numpy(zero_copy_only=False), np.float64)
        codes = Columns(pa.table({"label": labels.label})).coded("label").lookup(self._number, -1, -1)
        return np.where(codes >= 0, codes, np.nan)

    def _wait(self, labels: Labels, which: NDArray[np.bool_]) -> None:
        if not which.any():
            return
        chosen = pa.array(which)
        self._early.append(
            Labels(
                labels.ids.filter(chosen), labels.label.filter(chosen), labels.observed_at[which],
                labels.first_came[which], labels.times[which], labels.corrected[which], labels.newest,
            )
        )  # fmt: skip
        while self._most is not None and sum(map(len, self._early[1:])) >= self._most:
            self._early.pop(0)

    def _unknown(self) -> int:
        if len(self._early) < 2:
            return sum(map(len, self._early))
        return int(pc.count_distinct(pa.chunked_array([each.ids for each in self._early])).as_py())


def labelled(
    records: Path,
    labels: Labels,
    *,
    classes: Sequence[str] = (),
    slices: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    on_problem: Callable[[str], None] = log.warning,
) -> Labelled:
    """Join a gate's answered records with its labels, once; memory holds some numbers an answer."""
    joiner = Joiner(classes, slices)
    try:
        for batch in _narrow(records, slices, since, until, on_problem):
            joiner.answered(pa.Table.from_batches([batch]))
    except LogError as error:
        on_problem(str(error))
    joiner.labelled(labels)
    return joiner.joined()


def _narrow(
    records: Path,
    slices: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    on_problem: Callable[[str], None],
) -> Iterator[pa.RecordBatch]:
    """Read only the columns that are needed, or all where the log does not have every one of them yet."""
    try:
        yield from batches(records, columns=wanted(slices), since=since, until=until, on_problem=on_problem)
    except LogError:
        yield from batches(records, since=since, until=until, on_problem=on_problem)
