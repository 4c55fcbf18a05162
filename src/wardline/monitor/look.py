"""One look: every signal of every family, judged together at the family's part of the alarm budget."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from wardline.monitor import behaviour, drift, quality, sequence, service
from wardline.monitor.budget import Budget
from wardline.monitor.ladder import Ladder
from wardline.monitor.sight import Sight
from wardline.monitor.signal import Signal, settle
from wardline.monitoring import FAMILIES


def look(
    ladder: Ladder,
    now: float,
    *,
    counters: Mapping[str, int] | None = None,
    before: Mapping[str, int] | None = None,
    late: Iterable[Signal] = (),
) -> list[Signal]:
    """Judge everything the ladder knows at `now`, in seconds since the epoch.

    A pure function of the counts: two monitors with the same counts see the same. `counters` are what the
    servers count of their logs, `before` the same at the last look; `late` is what labels and figures said
    when they were judged last.
    """
    sight = Sight(ladder, now)
    signals: Iterable[Signal] = itertools.chain(
        drift.features(sight), drift.cohorts(sight),
        quality.rates(sight), quality.repeats(sight), quality.arrivals(sight),
        behaviour.answers(sight), behaviour.strangeness(sight), behaviour.outcomes(sight),
        service.latencies(sight), service.errors(sight), service.losses(counters or {}, before or {}),
        sequence.shifts(sight), late,
    )  # fmt: skip
    families: dict[str, list[Signal]] = {family: [] for family in FAMILIES}
    for signal in signals:
        families[signal.family].append(signal)
    budget = Budget(ladder.plan.watched.monitoring)
    return [each for family, some in families.items() for each in settle(some, budget.level(family))]
