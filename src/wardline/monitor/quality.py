"""Data quality: gaps, strangers, repeats, frozen sensors, and what did not come at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from statistics import NormalDist

import msgspec
import numpy as np

from wardline.features import Kind
from wardline.monitor.judge import Limits, exceed
from wardline.monitor.plan import PRINTS, ROW_PRINTS, Span
from wardline.monitor.sight import Counts, Sight, View
from wardline.monitor.signal import Signal
from wardline.stats.intervals import wilson
from wardline.verdict import STERNNESS, Action

REJECTED = 0.05
"""Share of rows that may break the contract."""
FROZEN = 0.9
"""Share of rows with one and the same value from which a sensor that usually moves counts as frozen."""
REPEATED = 0.1
"""Share of rows that may be repeats of others in the window."""
HOURS = 12
"""Past hours of a source from which its usual volume is known."""

_REJECT = STERNNESS[Action.REJECT]
_NORMAL = NormalDist()


def rates(sight: Sight) -> Iterator[Signal]:
    """`quality.null`, `.new`, `.range`, `.reject`: shares against the most they may be."""
    if sight.whole is None:
        yield from sight.short("quality.null", tuple(sight.ladder.plan.binners))
        return
    for view in sight.views:
        yield from _columns(sight, view)
        span = sight.ladder.plan.sliced["action"]
        table = _others(view.series(span), _REJECT)
        yield exceed(
            Signal("quality.reject", "", view.name, says="rows that break the contract"),
            int(view.counts(span)[_REJECT]), view.rows, sight.rate(REJECTED), blocks=table,
        )  # fmt: skip


def _columns(sight: Sight, view: View) -> Iterator[Signal]:
    plan, monitoring = sight.ladder.plan, sight.ladder.plan.watched.monitoring
    for name, binner in plan.binners.items():
        profile, span = binner.profile, plan.sliced[f"feature.{name}"]
        null = span.size - 2 if profile.kind is Kind.CONTINUOUS else span.size - 1
        usual = wilson(profile.nulls, profile.rows, 0.999) if profile.nulls else (0.0, 0.0)
        yield _either(
            sight, view, Signal("quality.null", name, view.name, says=f"{name} is missing"),
            usual[1] + monitoring.missing_rate, partial(_share_of, span, null),
        )  # fmt: skip
        if usual[0] > 2 * monitoring.missing_rate:  # a gap that training had and that is gone is news too
            limit = 1.0 - usual[0] + monitoring.missing_rate
            signal = Signal("quality.filled", name, view.name, says=f"{name} is there where it was missing")
            yield _rate(signal, view, _share_of(span, null, view)[:, ::-1], Limits(limit, limit, sight.rows))
        kind = "quality.range" if profile.kind is Kind.CONTINUOUS else "quality.new"
        says = "outside all of training" if profile.kind is Kind.CONTINUOUS else "never seen in training"
        yield _either(
            sight, view, Signal(kind, name, view.name, says=f"{name} is {says}"), monitoring.new_rate,
            partial(_strange, plan.sliced[f"strange.{name}"], span),
        )  # fmt: skip


def _either(
    sight: Sight, view: View, signal: Signal, limit: float, table: Callable[[View], Counts]
) -> Signal:
    """Judge a share over the newest window and, while that is above what warns, over `LONGER` of them.

    What is rare but real takes more rows than a window; what is over in the window is over. The likelier of
    the two counts twice, for it was picked.
    """
    found = _rate(signal, view, table(view), sight.rate(limit))
    longer = sight.longer(view) if found.effect >= found.warn else None
    if longer is None:
        return found
    over = _rate(signal, longer, table(longer), sight.rate(limit))
    both = sorted((found, over), key=lambda each: (each.p_value != each.p_value, each.p_value))
    return msgspec.structs.replace(both[0], p_value=min(1.0, 2.0 * both[0].p_value))


def _rate(signal: Signal, view: View, table: Counts, limits: Limits) -> Signal:
    """Judge events against others; the table is of the stretches that lead up to now."""
    events, others = table[len(table) - view.used :].sum(axis=0).tolist()
    return exceed(signal, events, events + others, limits, blocks=table)


def _share_of(span: Span, place: int, view: View) -> Counts:
    return _others(view.series(span), place)


def _strange(strange: Span, span: Span, view: View) -> Counts:
    events = view.series(strange)[:, 0]
    return np.stack([events, view.series(span).sum(axis=1) - events], axis=1)


def _others(series: Counts, place: int) -> Counts:
    """Return events and others of each stretch."""
    events = series[:, place]
    return np.stack([events, series.sum(axis=1) - events], axis=1)


def repeats(sight: Sight) -> Iterator[Signal]:
    """`quality.frozen`: a moving feature with one value; `quality.duplicate`: rows that come again."""
    plan = sight.ladder.plan
    if sight.whole is None or not plan.moving:
        return
    for name in plan.moving:
        counts, series = sight.detailed(plan.whole[f"print.{name}"])
        top = int(counts.argmax())
        yield exceed(
            Signal("quality.frozen", name, says=f"{name} stands still"),
            int(counts[top]), int(counts.sum()), Limits(FROZEN, FROZEN, sight.rows),
            blocks=_others(series, top), looks=PRINTS,
        )  # fmt: skip
    yield _duplicates(sight, plan.whole["print"])


def _duplicates(sight: Sight, span: Span) -> Signal:
    """Count pairs of equal fingerprints: unlike rows meet by chance in n² / 2 / `ROW_PRINTS` of them."""
    counts, _ = sight.detailed(span)
    rows = int(counts.sum())
    pairs = float((counts * (counts - 1)).sum()) / 2
    past = sight.detailed_past(span)
    usual = 1.0 / ROW_PRINTS  # the chance that two rows meet; a log's own past knows it better
    if past is not None and past.sum() > 1:
        usual = max(usual, float((past * (past - 1)).sum()) / float(past.sum()) / float(past.sum() - 1))
    expected = rows * (rows - 1) / 2 * usual
    share = max(0.0, 2.0 * (pairs - expected) / max(1, rows))
    z = (pairs - expected) / math.sqrt(max(1.0, expected * 2.0))
    return Signal(
        "quality.duplicate", effect=min(share, 1.0), warn=REPEATED / 2, alert=REPEATED, unit="share",
        p_value=_NORMAL.cdf(-z), rows=rows, needed=sight.rows, effective=rows, plain=share >= REPEATED,
        says="rows that are repeats of others",
    )  # fmt: skip


def arrivals(sight: Sight) -> Iterator[Signal]:
    """`quality.source`: a source whose last whole hour fell short of its past; `quality.silent`: none came.

    Hourly volumes vary by their own logarithm's spread, which the past hours tell; the p-value is the
    normal tail of it. Silence is judged by the gaps a steady arrival at the last day's rate would leave.
    """
    ladder, monitoring = sight.ladder, sight.ladder.plan.watched.monitoring
    last = int(sight.now // 3600) - 1
    for source in sorted({source for source, _ in ladder.sources}):
        known = {
            hour: rows for (name, hour), rows in ladder.sources.items() if name == source and hour <= last
        }
        begun = min(known, default=last)
        past = np.array([known.get(hour, 0) for hour in range(max(begun, last - 168) + 1, last)], dtype=float)
        if len(past) < HOURS:
            continue
        logs = np.log(past + 1.0)
        spread = max(float(logs.std(ddof=1)), 1.0 / math.sqrt(max(1.0, float(past.mean()))))
        now = known.get(last, 0)
        usual = float(np.median(past))
        short = 1.0 - now / usual if usual else 0.0
        z = (math.log(now + 1.0) - float(logs.mean())) / spread
        yield Signal(
            "quality.source", source, effect=max(0.0, short), warn=(1.0 - monitoring.expected) / 2,
            alert=1.0 - monitoring.expected, unit="share short", p_value=_NORMAL.cdf(z), rows=len(past),
            needed=HOURS, effective=len(past), says=f"rows of the last hour from {source}",
        )  # fmt: skip
    yield _silence(sight, monitoring.silent_s)


def _silence(sight: Sight, most: float) -> Signal:
    ladder = sight.ladder
    gap = max(0.0, sight.now - ladder.now)
    lived = min(86_400.0, (ladder.newest - ladder.first) / 1e9)
    window = ladder.within(max(lived, 1.0))
    rate = float(window.counts()[0]) / lived if lived > most and ladder.rows else 0.0
    return Signal(
        "quality.silent", effect=gap, warn=most, alert=most, unit="seconds",
        p_value=math.exp(-min(700.0, gap * rate)), rows=ladder.rows if rate else 0, needed=sight.rows,
        effective=float(ladder.rows), plain=gap >= most, says="seconds since the last record",
    )  # fmt: skip
