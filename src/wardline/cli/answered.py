"""Answers beside their labels, as one Ibis expression on any engine: what it adds up to, never the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import ibis
from ibis.expr import types as ir

from wardline.cli.engines import NANOSECONDS
from wardline.log.schema import SLICE

SUMS = ("error", "size", "square", "level", "level2")
"""What is added up of numbers: error, its size and square, the truth less a number near it, its square."""

ORDER = ("ns", "row", "id")
"""The order of answers in time, the same on every engine."""


@dataclass(frozen=True)
class Answers:
    """Some part of a log's answers, joined with their labels, narrowed to what judging them needs."""

    rows: ir.Table
    slices: tuple[str, ...]
    classes: bool

    def before(self, until: int) -> ir.Table:
        """Return the answers that are matured."""
        return self.rows.filter(self.rows["ns"] < until)

    def after(self, until: int) -> ir.Table:
        """Return those that are not."""
        return self.rows.filter(self.rows["ns"] >= until)


def joined(
    rows: ir.Table, labels: ir.Table, classes: Sequence[str], slices: Sequence[str], by: Sequence[str]
) -> Answers:
    """Join the answered rows of a log with labels: `id`, `label`, `observed`, and `newest` of repeated ids.

    Of several answers with one id the newest has the label: `newest` says when that was.
    """
    answers = rows.filter(rows["served_by"].notnull())
    there = [name for name in slices if SLICE + name in answers.columns]
    kept = answers.select(
        ns=answers[NANOSECONDS], row=answers["row"].fill_null(0), id=answers["request_id"],
        rung=answers["served_by"].cast("string"), prediction=answers["prediction"],
        **{name: _number(answers, name) for name in ("confidence", "ood_p", "level")},
        **_stated(answers, classes=bool(classes)),
        **{SLICE + name: answers[SLICE + name].cast("string") for name in there},
    )  # fmt: skip
    both = kept.left_join(
        labels,
        [kept["id"] == labels["label_id"], labels["newest"].isnull() | (labels["newest"] == kept["ns"])],
    )
    has = both["label"].isin(list(classes)) if classes else both["label"].notnull() & ~both["label"].isnan()
    has = has.fill_null(False)
    made = both.mutate(has=has, covered=(_inside(both, classes=bool(classes)) & has).fill_null(False))
    right = (made["prediction"] == made["label"]) if classes else ibis.null("boolean")
    narrow = made.mutate(right=right.fill_null(False)).drop("label_id", "newest", *_PLACES[bool(classes)])
    return Answers(narrow, tuple(there if not by else [name for name in there if name in by]), bool(classes))


_PLACES = {True: ("set",), False: ("low", "high")}


def _number(rows: ir.Table, name: str) -> Any:
    """Return a column of numbers where missing is null, however it was written."""
    if name not in rows.columns:
        return ibis.null("float64")
    value = rows[name].cast("float64")
    return ibis.cases((value.isnan(), ibis.null("float64")), else_=value)


def _stated(rows: ir.Table, *, classes: bool) -> dict[str, Any]:
    """Say whether a set or an interval was stated, and what it is."""
    level = _number(rows, "level").notnull()
    if not classes:
        low, high = _number(rows, "interval_low"), _number(rows, "interval_high")
        return {"low": low, "high": high, "stated": ((high - low > 0) & level).fill_null(False)}
    sets = rows["set"] if "set" in rows.columns and rows["set"].type().is_array() else None
    if sets is None:
        return {"set": ibis.null("array<string>"), "stated": ibis.literal(False)}
    return {"set": sets, "stated": ((sets.length() > 0) & level).fill_null(False)}


def _inside(rows: ir.Table, *, classes: bool) -> Any:
    if classes:
        return rows["set"].contains(rows["label"])
    return (rows["low"] <= rows["label"]) & (rows["label"] <= rows["high"])


def repeated(parts: Sequence[ir.Table], labels: ir.Table) -> ir.Table:
    """Ask for the ids that several answers carry, of those that have a label, and the newest's time."""
    narrow = [
        rows.filter(rows["served_by"].notnull()).select(id=rows["request_id"], ns=rows[NANOSECONDS])
        for rows in parts
    ]
    rows = reduce(lambda one, other: one.union(other), narrow)
    known = rows.semi_join(labels, rows["id"] == labels["label_id"])
    found = known.group_by("id").agg(newest=known["ns"].max(), many=known.count())
    return found.filter(found["many"] > 1).select("id", "newest")


def totals(answers: Answers, until: int) -> ir.Table:
    """Ask how many there are: answered, matured, labelled among those; and the truth's mean, of numbers."""
    rows = answers.rows
    old = rows["ns"] < until
    scored = old & (rows["has"] if answers.classes else _scored(rows))
    total = ibis.literal(0) if answers.classes else rows["label"].sum(where=scored)
    return rows.aggregate(
        answered=rows.count(), matured=rows.count(where=old), labelled=rows.count(where=old & rows["has"]),
        scored=rows.count(where=scored), total=total,
    )  # fmt: skip


def _scored(rows: ir.Table) -> Any:
    """Say where both the answer and the truth are finite numbers."""
    value = rows["prediction"]
    return (rows["has"] & ~value.isnan() & ~value.isinf() & ~rows["label"].isinf()).fill_null(False)


def sums(answers: Answers, until: int, rungs: Sequence[str], centre: Sequence[float]) -> ir.Table:
    """Ask what answers add up to: a group-by for rungs, one for each slice column of the first rung.

    `centre` is taken off numbers before products are added up, or these would lose digits.
    """
    old = answers.before(until)
    old = old.filter(old["rung"].isin(list(rungs)))
    first = old.filter(old["rung"] == rungs[0])
    parts = [_added(old, "", old["rung"], answers.classes, centre)]
    parts += [
        _added(
            first.filter(first[SLICE + name].notnull()), name, first[SLICE + name], answers.classes, centre
        )
        for name in answers.slices
    ]
    return ibis.union(*parts, distinct=False) if len(parts) > 1 else parts[0]


def _added(rows: ir.Table, column: str, key: Any, classes: bool, centre: Sequence[float]) -> ir.Table:
    keyed = rows.mutate(key=key)
    if not classes:
        keyed = keyed.mutate(**dict(zip(SUMS, _numbers(keyed, centre), strict=True)), scored=_scored(keyed))
    many = {
        "answered": keyed.count(),
        "labelled": keyed.count(where=keyed["has"]),
        "right": keyed.count(where=keyed["right" if classes else "scored"]),
    }
    if not classes:
        for place, name in enumerate(SUMS):
            many[name] = keyed[name].sum(where=keyed["scored"])
            for other in SUMS[place:]:
                many[f"{name}_{other}"] = (keyed[name] * keyed[other]).sum(where=keyed["scored"])
    found = keyed.group_by("key").agg(**many)
    return found.select(column=ibis.literal(column), **{name: found[name] for name in ("key", *many)})


def _numbers(rows: ir.Table, centre: Sequence[float]) -> Iterator[Any]:
    error, level = rows["prediction"] - rows["label"], rows["label"] - centre[3]
    plain = (error, error.abs(), error * error, level, level * level)
    for place, (each, middle) in enumerate(zip(plain, centre, strict=True)):
        yield each if place == 3 else each - middle


def means(answers: Answers, until: int, level: float) -> ir.Table:
    """Ask for the sums by which numbers are centred, of what is scored."""
    rows = answers.before(until)
    rows = rows.filter(_scored(rows))
    rows = rows.mutate(**dict(zip(SUMS, _numbers(rows, (0.0, 0.0, 0.0, level, 0.0)), strict=True)))
    return rows.aggregate(**{name: rows[name].sum() for name in SUMS})


def stated(answers: Answers, until: int, rung: str) -> ir.Table:
    """Ask how many labelled answers stated a set or an interval."""
    return _promises(answers, until, rung).aggregate(many=lambda rows: rows.count())


def newest(answers: Answers, until: int, rung: str, most: int) -> ir.Table:
    """Ask for the newest of them."""
    rows = _promises(answers, until, rung)
    last = rows.order_by([rows[name].desc() for name in ORDER]).limit(most)
    return last.select(*ORDER, "covered", "level")


def _promises(answers: Answers, until: int, rung: str) -> ir.Table:
    rows = answers.before(until)
    return rows.filter(rows["rung"] == rung, rows["has"], rows["stated"])


def oldest(answers: Answers, until: int, rung: str, most: int) -> ir.Table:
    """Ask for the oldest labelled answers that have a confidence."""
    rows = answers.before(until)
    rows = rows.filter(rows["rung"] == rung, rows["has"], rows["confidence"].notnull())
    return rows.order_by(list(ORDER)).limit(most).select(*ORDER, "confidence", "right")


def labelled(answers: Answers, until: int, since: Sequence[Any] | None) -> ir.Table:
    """Give matured answers with a label; `since` leaves out those up to one, by its place in `ORDER`."""
    rows = answers.before(until)
    rows = rows.filter(rows["has"])
    if since is None:
        return rows
    ns, row, name = since
    later = (rows["row"] > row) | ((rows["row"] == row) & (rows["id"] > name))
    return rows.filter((rows["ns"] > ns) | ((rows["ns"] == ns) & later))


def sure(rows: ir.Table, rung: str, edges: Sequence[float], limit: float) -> ir.Table:
    """Ask how sure answers were: by the step of a reliability, how many, their sum, those above a limit."""
    rows = rows.filter(rows["rung"] == rung, rows["confidence"].notnull())
    value = rows["confidence"]
    branches = [(value < edge, place) for place, edge in enumerate(edges[1:])]
    rows = rows.mutate(
        step=ibis.cases(*branches, else_=max(0, len(edges) - 1)) if branches else ibis.literal(0)
    )
    return rows.group_by("step").agg(
        many=rows.count(), total=rows["confidence"].sum(),
        above=rows.count(where=rows["confidence"] > limit) if limit < float("inf") else ibis.literal(0),
        right=rows.count(where=rows["right"]),
    )  # fmt: skip


def ranks(rows: ir.Table, rung: str, strange: float) -> ir.Table:
    """Ask how many answers have a rank in the reference, and how many of these a low one."""
    rows = rows.filter(rows["rung"] == rung, rows["confidence"].notnull(), rows["ood_p"].notnull())
    return rows.aggregate(ranked=rows.count(), strange=rows.count(where=rows["ood_p"] < strange))


def losses(answers: Answers, until: int) -> ir.Table:
    """Ask for what each labelled answer cost, and its slices: the segments are looked for in a sample."""
    rows = answers.before(until)
    rows = rows.filter(rows["has"])
    loss = (
        1 - rows["right"].cast("float64") if answers.classes else (rows["prediction"] - rows["label"]).abs()
    )
    return rows.select(*ORDER, loss=loss, **{SLICE + name: rows[SLICE + name] for name in answers.slices})


def lags(answers: Answers) -> ir.Table:
    """Ask for when each labelled answer was given, and when its truth was observed."""
    rows = answers.rows
    return rows.filter(rows["has"]).select("ns", "observed")
