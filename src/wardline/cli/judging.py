"""Judging a log's answers by their labels from what an engine adds up: the answer of `wardline slices`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
from ibis.expr import types as ir

from wardline.cli import answered as ask
from wardline.cli.answered import SUMS, Answers
from wardline.cli.counting import batches, fetched
from wardline.cli.resuming import Memory
from wardline.log.columns import Coded
from wardline.log.schema import SLICE
from wardline.monitor import estimates as guess
from wardline.monitor.business import Standings
from wardline.monitor.coverage import BLOCK, Block, Realised, newest, promised
from wardline.monitor.estimates import Estimates, Evidence, Sure
from wardline.monitor.labels import Named, Quality, sample, segments_of
from wardline.monitor.maturity import Maturity, maturity_of
from wardline.monitor.performance import Tally, judged_of, mixes
from wardline.monitor.plan import Watched
from wardline.stats.labelfree import Reliability
from wardline.stats.moments import Moments
from wardline.stats.performance import Classification, Regression


@dataclass(frozen=True)
class Audit:
    """Answers in parts, each of a name that it keeps when the audit goes on, and what was added up by now."""

    watched: Watched
    parts: Sequence[tuple[str, Answers]]
    memory: Memory
    newest_label: int
    now: float
    advance: Callable[[int], None] = lambda _: None

    def quality(self, find: int | None, business: Sequence[Standings]) -> Quality:
        """Judge them, as `monitor.labels.quality` judges answers that are at hand."""
        watched, declared = self.watched, self.watched.monitoring.labels
        old = self._maturity()
        until = old.until
        counts = self._rows("totals", lambda part: ask.totals(part, until))
        answered, matured, labelled, scored = (sum(row[i] or 0 for row in counts) for i in range(4))
        level = math.fsum(row[4] or 0.0 for row in counts) / scored if scored else 0.0
        judged = judged_of(self._tallies(until, scored, level), watched.reference, declared)
        return Quality(
            gate=watched.name,
            maturity=old,
            answered=answered,
            matured=matured,
            labelled=labelled,
            performance=tuple(judged),
            mixes=tuple(mixes(judged, watched.rungs[0])),
            coverage=tuple(self._covered(until, rung) for rung in watched.rungs),
            estimates=self._estimates(until),
            segments=None if find is None else self._segments(until, labelled, find),
            business=tuple(business),
        )

    def _rows(self, what: str, expression: Callable[[Answers], ir.Table]) -> list[Any]:
        """Ask every part what was not asked of it before."""
        found: list[Any] = []
        for name, part in self.parts:
            unit = f"{name}/{what}"
            rows = self.memory.get(unit)
            if rows is None:
                rows = [list(row) for row in fetched(expression(part))]
                self.memory.put(unit, rows)
            found += rows
            self.advance(1)
        return found

    def _maturity(self) -> Maturity:
        declared = self.watched.monitoring.labels
        pairs = np.zeros((2, 0), np.int64)
        if declared.lag_s is None:
            seen = [
                np.stack([batch[name].to_numpy(zero_copy_only=False) for name in ("ns", "observed")])
                for _, part in self.parts
                for batch in batches(ask.lags(part))
            ]
            pairs = np.concatenate([pairs, *seen], axis=1)
        lags = (pairs[1] - pairs[0]) / 1e9
        return maturity_of(lags, pairs[0], self.newest_label, declared, self.now)

    def _tallies(self, until: int, scored: int, level: float) -> Iterator[Tally]:
        watched = self.watched
        classes = bool(watched.reference.classes)
        centre = [0.0] * len(SUMS)
        if not classes and scored:
            added = np.array(self._rows("means", lambda part: ask.means(part, until, level)), np.float64)
            centre = (np.nan_to_num(added).sum(axis=0) / scored).tolist()
        centre[3] = level
        rows = self._rows("sums", lambda part: ask.sums(part, until, watched.rungs, centre))
        grouped: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for column, key, *many in rows:
            grouped[column, key].append(many)
        grouped.setdefault(("", watched.rungs[0]), [[0, 0, 0]])
        order = {name: place for place, name in enumerate(watched.slices)}
        for column, key in sorted(grouped, key=lambda each: (order.get(each[0], -1), each[1])):
            many = grouped[column, key]
            answered, labelled, right = (sum(each[i] for each in many) for i in range(3))
            made = (
                Classification(labelled, right)
                if classes
                else _regression([each for each in many if each[2]], centre)
            )
            rung, name = (key, "") if not column else (watched.rungs[0], f"{column}={key}")
            yield Tally(rung, name, labelled, answered, made.measures())

    def _covered(self, until: int, rung: str) -> Realised:
        count = sum(
            row[0] for row in self._rows(f"stated/{rung}", lambda part: ask.stated(part, until, rung))
        )
        rows = self._rows(f"newest/{rung}", lambda part: ask.newest(part, until, rung, 2 * BLOCK))
        last = newest(sorted(rows, key=lambda row: tuple(row[:3]))[-2 * BLOCK :], count)
        block = Block(np.array([row[3] for row in last], np.bool_), np.array([row[4] for row in last]))
        return promised(block, self.watched.reference, self.watched.monitoring.labels, rung)

    def _estimates(self, until: int) -> Estimates | None:
        watched, declared, rung = self.watched, self.watched.monitoring.labels, self.watched.rungs[0]
        profile = watched.reference.rungs.get(rung)
        if not watched.reference.classes or profile is None:
            return None
        known = guess.calibrated(profile, len(watched.reference.classes))
        since: list[Any] | None = None
        if known is None:
            rows = self._rows("oldest", lambda part: ask.oldest(part, until, rung, guess.FIT))
            first = sorted(rows, key=lambda row: tuple(row[:3]))[: guess.FIT]
            confidence, right = (np.array([row[i] for row in first], np.float64) for i in (3, 4))
            known = guess.fitted(confidence, right, declared)
            since = None if known is None else first[-1][:3]
        edges = [0.0] if known is None else known.edges.tolist()
        limit = guess.threshold(profile)
        fresh, _ = self._sure(known, "fresh", lambda p: ask.sure(p.after(until), rung, edges, limit))
        old, right_ones = self._sure(
            known, "old", lambda p: ask.sure(ask.labelled(p, until, since), rung, edges, limit)
        )
        ranks = self._rows("ranks", lambda part: ask.ranks(part.after(until), rung, guess.STRANGE))
        ranked, strange = (sum(row[i] or 0 for row in ranks) for i in (0, 1))
        return guess.estimated(
            Evidence(fresh, old, right_ones, ranked, strange), known, profile, declared, rung
        )

    def _sure(
        self, known: Reliability | None, what: str, expression: Callable[[Answers], ir.Table]
    ) -> tuple[Sure, int]:
        steps = np.zeros(1 if known is None else len(known.right), np.intp)
        rows = self._rows(what, expression)
        for step, many, *_ in rows:
            steps[step] += many
        total = math.fsum(row[2] for row in rows)
        return Sure(steps, total, sum(row[3] for row in rows)), sum(row[4] for row in rows)

    def _segments(self, until: int, labelled: int, depth: int) -> tuple[Named, ...]:
        """Look at a sample of labelled answers, drawn from all of them in order of time."""
        rng = np.random.default_rng(0)
        chosen = sample(labelled, rng)
        every = [ask.losses(part, until) for _, part in self.parts]
        rows = reduce(lambda one, other: one.union(other), every).order_by(list(ask.ORDER))
        taken, at = [], 0
        for batch in batches(rows):
            here = np.arange(at, at + batch.num_rows)
            at += batch.num_rows
            low, high = (0, len(here)) if chosen is None else np.searchsorted(chosen, [here[0], at])
            keep = pa.array(here - here[0] if chosen is None else chosen[low:high] - here[0])
            taken.append(batch.take(keep))
        if not taken:
            return ()
        table = pa.Table.from_batches(taken)
        loss = table["loss"].to_numpy().astype(np.float64)
        columns = {name: _coded(table, name) for name in self.watched.slices}
        return segments_of(loss, columns, self.watched.monitoring.labels, depth, rng)


def _coded(table: pa.Table, name: str) -> Coded:
    if SLICE + name not in table.column_names:
        return Coded(np.full(table.num_rows, -1, np.int32), [])
    column = table[SLICE + name].combine_chunks().dictionary_encode()
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return Coded(column.indices.fill_null(-1).to_numpy(zero_copy_only=False), column.dictionary.to_pylist())


def _regression(parts: Sequence[Sequence[Any]], centre: Sequence[float]) -> Regression:
    """Put together what was added up about `centre`."""
    moments = Moments(len(SUMS))
    width = len(SUMS)
    offset = np.array([*centre[:3], 0.0, centre[4]])
    for _, _, rows, *added in parts:
        values = iter(added)
        mean, apart = np.zeros(width), np.zeros((width, width))
        for place in range(width):
            mean[place] = next(values) / rows
            for other in range(place, width):
                apart[place, other] = apart[other, place] = next(values)
        moments.merge(rows, mean + offset, apart - rows * np.outer(mean, mean))
    return Regression.of(moments)
