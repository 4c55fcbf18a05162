"""The model's behaviour: what it answers, how sure it is, how often it may not, and how strange rows look."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from wardline.monitor.judge import compare
from wardline.monitor.plan import OOD_BINS, Plan
from wardline.monitor.sight import Counts, Sight, View, rate
from wardline.monitor.signal import Signal
from wardline.verdict import STERNNESS, Action, Coverage

USUAL = {Action.FALLBACK: 0.1, Action.ABSTAIN: 0.05, Action.FLAG: 0.25}
"""Shares of rows that may fall back, be left without an answer or be flagged, unless `Launch` says."""
DIFFERING = 0.2
"""Share of rows on which a second model may give another answer."""
UNCOVERED = 0.1
"""Share of answers whose coverage may be void."""

_VOID = list(Coverage).index(Coverage.VOID)
_CALIBRATED = 20_000  # ranks that a uniform reference of p-values stands for, where the bundle has none


def answers(sight: Sight) -> Iterator[Signal]:
    """`model.prediction` and `model.confidence`: the primary's, against what it gave in training."""
    plan = sight.ladder.plan
    view = sight.whole
    if view is None:
        yield from sight.short("model.prediction")
        return
    for name, binner in plan.answers.items():
        span = plan.sliced[f"answer.{name}"]
        if name != plan.watched.rungs[0] or not binner.profile.rows:
            continue
        yield compare(
            Signal("model.prediction", name, says=f"what {name} answers, against the training data"),
            binner.profile.counts, view.counts(span), sight.limits,
            blocks=view.series(span), slower=view.slower(span), label=binner.label,
        )  # fmt: skip
    if plan.confidence is not None and plan.confidence.profile.rows:
        span = plan.sliced["confidence"]
        yield compare(
            Signal("model.confidence", says="how sure the primary is, against the training data"),
            plan.confidence.profile.counts, view.counts(span), sight.limits,
            blocks=view.series(span), slower=view.slower(span), label=plan.confidence.label,
        )  # fmt: skip


def strangeness(sight: Sight) -> Iterator[Signal]:
    """`model.ood`: p-values of rows like the reference are uniform, whatever the data."""
    plan, view = sight.ladder.plan, sight.whole
    ood = plan.watched.reference.ood
    if view is None or ood is None:
        return
    span = plan.sliced["ood"]
    ranks = len(ood.distances) or _CALIBRATED
    uniform = np.full(OOD_BINS, max(1, ranks // OOD_BINS), dtype=np.int64)
    yield compare(
        Signal("model.ood", says="p-values of strangeness, against uniform ones"),
        uniform, view.counts(span), sight.limits,
        blocks=view.series(span), slower=view.slower(span), label=_decile,
    )  # fmt: skip


def _decile(place: int) -> str:
    return f"p {place / OOD_BINS:.1f} … {(place + 1) / OOD_BINS:.1f}"


def outcomes(sight: Sight) -> Iterator[Signal]:
    """`model.fallback`, `.abstain`, `.flag`, `.coverage`, `.disagreement`: shares against their limits.

    Rows that an alert holds fall back because they are told to: they are left out, or a hold would be
    the reason for itself.
    """
    plan = sight.ladder.plan
    if sight.whole is None:
        yield from sight.short("model.fallback")
        return
    launch = plan.watched.launch
    told = {Action.FALLBACK: launch.fallback_rate, Action.ABSTAIN: launch.abstain_rate, Action.FLAG: None}
    for view in sight.views:
        for action, most in told.items():
            limit = USUAL[action] if most is None else most
            signal = Signal(f"model.{action.value}", "", view.name, says=f"rows that end in {action.value}")
            yield rate(signal, view, partial(_ended, plan, action), sight.rate(limit))
        promised = view.counts(plan.sliced["coverage"])
        if promised.sum() > promised[_VOID]:  # a gate that states no sets or intervals promises nothing
            signal = Signal("model.coverage", "", view.name, says="answers whose coverage is void")
            yield rate(signal, view, partial(_voided, plan), sight.rate(UNCOVERED))
        if view.counts(plan.sliced["compared"]).any():
            signal = Signal("model.disagreement", "", view.name, says="rows on which two models differ")
            yield rate(signal, view, partial(_differing, plan), sight.rate(DIFFERING))


def _ended(plan: Plan, action: Action, view: View) -> Counts:
    """Count rows that ended so, and others, by stretch; held rows fall back because they are told to."""
    actions, held = view.series(plan.sliced["action"]), view.series(plan.sliced["held"])[:, 0]
    events = actions[:, STERNNESS[action]]
    if action is Action.FALLBACK:
        events = np.maximum(0, events - held)
    return _against(events, actions.sum(axis=1) - held)


def _voided(plan: Plan, view: View) -> Counts:
    coverage, held = view.series(plan.sliced["coverage"]), view.series(plan.sliced["held"])[:, 0]
    answered = coverage.sum(axis=1)
    return _against(np.maximum(0, coverage[:, _VOID] - held), answered - np.minimum(held, answered))


def _differing(plan: Plan, view: View) -> Counts:
    return _against(view.series(plan.sliced["differs"])[:, 0], view.series(plan.sliced["compared"])[:, 0])


def _against(events: Counts, rows: Counts) -> Counts:
    return np.stack([events, np.maximum(0, rows - events)], axis=1)
