"""The tally: records become whole numbers, by cell (a stretch of time) and by slice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from wardline.log.columns import Columns
from wardline.monitor.plan import EDGES_US, OOD_BINS, OTHER, PRINTS, ROW_PRINTS, Plan
from wardline.record import STAGES
from wardline.verdict import ACTIONS, Action, Coverage

Members = list[NDArray[np.intp]]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # the odd integer nearest 2**64 over the golden ratio
_FAR = 0.1  # of the reference's spread: answers further apart than that differ


class Tally:
    """Counts records into the plan's layout. It remembers nothing: counts of parts add up to the whole's."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._actions = {action.value: place for place, action in enumerate(ACTIONS)}
        self._rungs = {name: place for place, name in enumerate(plan.watched.rungs)}
        self._coverage = {each.value: place for place, each in enumerate(Coverage)}
        self._classes = {name: place for place, name in enumerate(plan.watched.classes)}

    def count(
        self, records: Columns, cells: NDArray[np.intp], many: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count records, each of a cell 0 .. many - 1: (many, slices, width) and (many, depth)."""
        plan = self.plan
        self._cells, self._many = cells, many
        members = list(self._members(records))
        sliced = np.zeros((many, len(plan.slices), plan.width), dtype=np.int64)
        whole = np.zeros((many, plan.depth), dtype=np.int64)
        for name, codes, chosen in self._sliced(records):
            span = plan.sliced[name]
            span.of(sliced)[...] += self._by_slice(codes, chosen, span.size, members)
        for name, codes, chosen in self._whole(records):
            span = plan.whole[name]
            key = self._pick(cells, chosen) * span.size + codes
            span.of(whole)[...] += np.bincount(key, minlength=many * span.size).reshape(many, span.size)
        return sliced, whole

    @staticmethod
    def _pick(values: NDArray[np.intp], chosen: NDArray[np.intp] | None) -> NDArray[np.intp]:
        return values if chosen is None else values[chosen]

    def _by_slice(
        self, codes: NDArray[np.intp], chosen: NDArray[np.intp] | None, size: int, members: Members
    ) -> NDArray[np.int64]:
        slices = len(self.plan.slices)
        minimum = self._many * slices * size
        total = np.zeros(minimum, dtype=np.int64)
        for member in members:
            places = self._pick(member, chosen)
            inside = places >= 0  # a row of neither cohort is in no slice of theirs
            if inside.all():
                total += np.bincount(places * size + codes, minlength=minimum)
            else:
                total += np.bincount(places[inside] * size + codes[inside], minlength=minimum)
        return total.reshape(self._many, slices, size)

    def _members(self, records: Columns) -> Iterator[NDArray[np.intp]]:
        """Give, for all rows and for each slice column, cell and slice of each row as one number."""
        slices = len(self.plan.slices)
        yield self._cells * slices
        for column, places in self.plan.columns.items():
            values = records.slice(column)
            rest = places.get(OTHER, -1)
            found = values.lookup(places, rest, rest)
            yield np.where(found >= 0, self._cells * slices + found, -1)

    def _sliced(self, records: Columns) -> Iterator[tuple[str, NDArray[np.intp], NDArray[np.intp] | None]]:
        """Give each count's name, the code of each row, and which rows it is about (None: all)."""
        zero = np.zeros(len(records), dtype=np.intp)
        actions = records.coded("action").lookup(self._actions, -1, -1)
        yield "rows", zero, None
        yield "action", actions, None
        admitted = _all_or(actions != self._actions[Action.REJECT.value])
        yield from self._features(records, admitted)
        rungs = records.coded("served_by").lookup(self._rungs, -1, -1)
        yield "rung", np.where(rungs < 0, len(self._rungs), rungs), None
        yield from self._answers(records, rungs)
        yield from self._trust(records, rungs)
        findings = records.findings
        if len(findings.rows):
            held = findings.guard.lookup({"hold": 1}, 0, 0).astype(bool)
            broken = findings.reason.lookup(dict.fromkeys(_FAULTS, 1), 0, 0).astype(bool)
            for name, which in (("held", held), ("error", broken)):
                about = np.unique(findings.rows[which])
                yield name, zero[about], about

    def _features(
        self, records: Columns, admitted: NDArray[np.intp] | None
    ) -> Iterator[tuple[str, NDArray[np.intp], NDArray[np.intp] | None]]:
        for name, binner in self.plan.binners.items():
            if binner.text:
                codes, strange = binner.names(records.text(name))
                codes, strange = (
                    (codes, strange) if admitted is None else (codes[admitted], strange[admitted])
                )
            else:
                values = records.feature(name)
                values = values if admitted is None else values[admitted]
                codes, strange = binner.codes(values), binner.strange(values)
            yield f"feature.{name}", codes, admitted
            if strange.any():
                about = np.flatnonzero(strange) if admitted is None else admitted[strange]
                yield f"strange.{name}", np.zeros(len(about), dtype=np.intp), about

    def _answers(
        self, records: Columns, rungs: NDArray[np.intp]
    ) -> Iterator[tuple[str, NDArray[np.intp], NDArray[np.intp] | None]]:
        classes = self.plan.watched.classes
        named = records.coded("prediction") if classes else None
        for name, binner in self.plan.answers.items():
            about = np.flatnonzero(rungs == self._rungs[name])
            if named is not None:
                codes = named.lookup(binner.places, binner.size - 2, binner.size - 1)[about]
            else:
                codes = binner.codes(records.number("prediction")[about])
            yield f"answer.{name}", codes, about
        yield from self._shadow(records)

    def _shadow(self, records: Columns) -> Iterator[tuple[str, NDArray[np.intp], NDArray[np.intp] | None]]:
        """Where a second model answered the same row: how often the two differ."""
        if self.plan.watched.classes:
            one, other = records.coded("prediction"), records.coded("shadow_prediction")
            both = (one.codes >= 0) & (other.codes >= 0)
            far = one.lookup(self._classes, -1, -1) != other.lookup(self._classes, -1, -1)
        else:
            first, second = records.number("prediction"), records.number("shadow_prediction")
            both = ~np.isnan(first) & ~np.isnan(second)
            far = np.abs(first - second) > _FAR * max(self.plan.watched.reference.targets.std, 1e-12)
        if both.any():
            for name, which in (("compared", both), ("differs", both & far)):
                about = np.flatnonzero(which)
                yield name, np.zeros(len(about), dtype=np.intp), about

    def _trust(
        self, records: Columns, rungs: NDArray[np.intp]
    ) -> Iterator[tuple[str, NDArray[np.intp], NDArray[np.intp] | None]]:
        p = records.number("ood_p")
        ranked = np.flatnonzero(~np.isnan(p))
        yield "ood", np.clip((p[ranked] * OOD_BINS).astype(np.intp), 0, OOD_BINS - 1), ranked
        answered = np.flatnonzero(rungs >= 0)
        status = records.coded("coverage_status").lookup(self._coverage, 2, 2)[answered]
        yield "coverage", status, answered
        binner = self.plan.confidence
        if binner is not None:
            sure = records.number("confidence")
            about = np.flatnonzero((rungs == 0) & ~np.isnan(sure))
            yield "confidence", binner.codes(sure[about]), about

    def _whole(self, records: Columns) -> Iterator[tuple[str, NDArray[np.intp], NDArray[np.intp] | None]]:
        for stage in STAGES:
            spent = records.stage(stage)
            about = _all_or(~np.isnan(spent))
            yield f"us.{stage}", np.searchsorted(EDGES_US, spent if about is None else spent[about]), about
        print_of_row = np.zeros(len(records), dtype=np.uint64)
        for place, name in enumerate(self.plan.moving):
            values = records.feature(name)
            here = ~np.isnan(values)
            mixed = _mixed(values)
            print_of_row ^= mixed * np.uint64(2 * place + 3)
            about = _all_or(here)
            yield f"print.{name}", _folded(mixed if about is None else mixed[about], PRINTS), about
        about = _all_or(records.coded("action").lookup(self._actions, -1, -1) != len(ACTIONS) - 1)
        if self.plan.moving:
            prints = print_of_row if about is None else print_of_row[about]
            yield "print", _folded(prints, ROW_PRINTS), about


_FAULTS = (
    "gate.error", "features.error", "guard.crashed", "chain.error", "chain.deadline", "chain.breaker_open",
    "chain.not_finite",
)  # fmt: skip
"""Findings that are faults of ours, whatever the input was."""


def _all_or(chosen: NDArray[np.bool_]) -> NDArray[np.intp] | None:
    """Return which rows are chosen; None stands for all of them, the usual case."""
    return None if chosen.all() else np.flatnonzero(chosen)


def _mixed(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Hash numbers by their bits: equal numbers alike, others as if at random (Fibonacci hashing, twice)."""
    bits = (values + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    bits = bits * _GOLDEN
    bits ^= bits >> np.uint64(32)
    return bits * _GOLDEN


def _folded(mixed: NDArray[np.uint64], size: int) -> NDArray[np.intp]:
    """Fold hashes into places, by their upper bits."""
    return ((mixed >> np.uint64(40)) % np.uint64(size)).astype(np.intp)
