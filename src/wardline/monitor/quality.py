"""Data quality: gaps, strangers, repeats, frozen sensors, and what did not come at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.monitor.judge import Limits, exceed
from wardline.monitor.plan import PRINTS, Span
from wardline.monitor.sight import Counts, Sight, View, rate
from wardline.monitor.signal import Signal
from wardline.stats.intervals import wilson
from wardline.stats.student import upper
from wardline.verdict import STERNNESS, Action

REJECTED = 0.05
"""Share of rows that may break the contract."""
FROZEN = 0.9
"""Share of rows with one and the same value from which a sensor that usually moves counts as frozen."""
REPEATED = 0.1
"""Share of rows that may be repeats of others in the window."""
LEAST_PAST = 8
"""Windows of the past from which it is known how often rows are alike."""
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
        signal = Signal("quality.reject", "", view.name, says="rows that break the contract")
        yield rate(signal, view, partial(_share_of, span, _REJECT), sight.rate(REJECTED))


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
            yield rate(signal, view, partial(_rest_of, span, null), Limits(limit, limit, sight.rows))
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
    found = rate(signal, view, table, sight.rate(limit))
    longer = sight.longer(view) if found.effect >= found.warn else None
    if longer is None:
        return found
    over = rate(signal, longer, table, sight.rate(limit))
    both = sorted((found, over), key=lambda each: (each.p_value != each.p_value, each.p_value))
    return msgspec.structs.replace(both[0], p_value=min(1.0, 2.0 * both[0].p_value))


def _share_of(span: Span, place: int, view: View) -> Counts:
    return _others(view.series(span), place)


def _rest_of(span: Span, place: int, view: View) -> Counts:
    return _others(view.series(span), place)[:, ::-1]


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
    """Hold the share of equal fingerprints against that of the windows before, by Student's t.

    Of the share and of its logarithm, whichever says less: of rows that come in turns it is skewed.
    How often rows meet by chance depends on the features, and on how they hang together in time: only the
    log's own past knows it. Before there are `LEAST_PAST` windows of it nothing is said.
    """
    signal = Signal(
        "quality.duplicate", warn=REPEATED / 2, alert=REPEATED, unit="share", needed=sight.rows,
        says="rows that are repeats of others",
    )  # fmt: skip
    windows = sight.windows(span, LEAST_PAST + 2)
    if windows is None:
        return signal
    rows = windows.sum(axis=1)
    pairs = (windows * (windows - 1)).sum(axis=1) / np.maximum(1, rows * (rows - 1))
    past = pairs[:-2]
    beyond = float(pairs[-1] - past.mean())
    share = min(1.0, max(0.0, beyond) * int(rows[-1]))  # each row meets so many others more than usual
    least = 1.0 / int(rows[-1]) ** 2
    p_value = max(_beyond(pairs, least), _beyond(np.log(pairs + least), least))
    return msgspec.structs.replace(
        signal, effect=share, p_value=p_value, rows=int(rows[-1]),
        effective=float(rows[-1]), plain=share >= REPEATED,
    )  # fmt: skip


def _beyond(values: NDArray[np.float64], least: float) -> float:
    """Return Student's p-value of the last value beyond those before it; in the one between it may begin."""
    past = values[:-2]
    error = max(float(past.std(ddof=1)), least) * math.sqrt(1.0 + 1.0 / len(past))
    return upper(float(values[-1] - past.mean()) / error, len(past) - 1.0)


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
