"""Drift: features against the reference, slices against their own past, cohorts against each other."""

from __future__ import annotations

from collections.abc import Iterator

from wardline.monitor.judge import compare
from wardline.monitor.plan import OTHER
from wardline.monitor.sight import Sight, View
from wardline.monitor.signal import Signal

CYCLES_KNOWN = 8
"""Whole cycles it takes to know how far one differs from the next."""


def features(sight: Sight) -> Iterator[Signal]:
    """`drift.psi`: each feature of all rows against the reference, of each slice against its own past.

    A slice has no counts in the reference; what it was before, in the log, stands in. Features declared in
    `Monitoring.cycles` are compared over whole cycles only: by day a clock always differs from a year's.
    """
    plan = sight.ladder.plan
    cycles = plan.watched.monitoring.cycles
    steady = [name for name in plan.binners if name not in cycles]
    whole = sight.whole
    if whole is None:
        yield from sight.short("drift.psi", tuple(steady))
    else:
        for name in steady:
            yield _against_reference(sight, whole, name)
    for name, seconds in cycles.items():
        if name in plan.binners:
            yield _cyclic(sight, name, seconds)
    for view in sight.views:
        if view.place and plan.slices[view.place][1] != OTHER:
            yield from _slice(sight, view, steady)


def _against_reference(sight: Sight, view: View, name: str) -> Signal:
    plan = sight.ladder.plan
    binner, span = plan.binners[name], plan.sliced[f"feature.{name}"]
    return compare(
        Signal("drift.psi", name, says=f"{name} against the training data"),
        binner.profile.counts, view.counts(span), sight.limits,
        blocks=view.series(span), slower=view.slower(span), label=binner.label,
    )  # fmt: skip


def _cyclic(sight: Sight, name: str, seconds: float) -> Signal:
    """Compare whole cycles; how much one differs from the next is only known after several."""
    plan = sight.ladder.plan
    view = sight.cycle(seconds)
    says = f"{name} over {seconds / 86400:g} days against the training data"
    if view is None:
        return Signal("drift.psi", name, rows=0, needed=sight.rows, says=says + ": no whole cycle yet")
    binner, span = plan.binners[name], plan.sliced[f"feature.{name}"]
    days, counts = sight.series(5)
    many = max(1, round(seconds / 86400))
    full = len(days) // many * many
    cycles = span.of(counts[len(days) - full :]).reshape(-1, many, span.size).sum(axis=1)
    return compare(
        Signal("drift.psi", name, says=says),
        binner.profile.counts, view.counts(span), sight.limits,
        blocks=cycles[-CYCLES_KNOWN * 8 :], label=binner.label,
    )  # fmt: skip


def _slice(sight: Sight, view: View, names: list[str]) -> Iterator[Signal]:
    plan = sight.ladder.plan
    past = sight.past(view)
    if past is None:
        return
    column = plan.slices[view.place][0]
    for name in names:
        if name == column:  # within a slice its own column does not vary
            continue
        span = plan.sliced[f"feature.{name}"]
        yield compare(
            Signal("drift.psi", name, view.name, says=f"{name} where {view.name}, against its own past"),
            span.of(past), view.counts(span), sight.limits,
            blocks=view.series(span), slower=view.slower(span),
            label=plan.binners[name].label, dependent=True,
        )  # fmt: skip


def cohorts(sight: Sight) -> Iterator[Signal]:
    """`drift.cohort`: declared cohorts of one column, each against the first, features and predictions."""
    plan = sight.ladder.plan
    places = {pair: place for place, pair in enumerate(plan.slices)}
    first: dict[str, tuple[str, View | None]] = {}
    for column, value in plan.watched.monitoring.cohorts:
        view = sight.view(places[column, value])
        if column not in first:
            first[column] = (value, view)
            continue
        other, base = first[column]
        name = f"{column}={value} against {other}"
        if view is None or base is None:
            yield Signal("drift.cohort", "", name, needed=sight.rows)
            continue
        spans = {n: s for n, s in plan.sliced.items() if n.startswith(("feature.", "answer."))}
        for title, span in spans.items():
            what = title.partition(".")[2]
            binners = plan.binners if title.startswith("feature.") else plan.answers
            if what == column or not base.counts(span).sum() or not view.counts(span).sum():
                continue
            yield compare(
                Signal("drift.cohort", what, name, says=f"{what} of {name}"),
                base.counts(span), view.counts(span), sight.limits,
                blocks=view.series(span), slower=view.slower(span), label=binners[what].label, dependent=True,
            )  # fmt: skip
