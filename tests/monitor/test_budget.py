"""The alarm budget holds on the real reference, also where each trip is much like the one before."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.monitor.taxis import plan, trips
from wardline.monitor.alerts import Board
from wardline.monitor.budget import Budget
from wardline.monitor.ladder import Ladder
from wardline.monitor.look import look
from wardline.monitoring import DAY, FAMILIES, AlertRule, Monitoring

SECONDS, RATE, RUNS = 240, 40, 3
RULES = tuple(AlertRule(family, clear_s=0.0) for family in FAMILIES)


def watch(seed: int, memory: float) -> tuple[int, int]:
    """Watch healthy traffic under a promise of one false page in that time; return pages of both rules."""
    monitoring = Monitoring(rows=200, false_pages=1.0, days=SECONDS / DAY, rules=RULES, silent_s=60.0)
    rng = np.random.default_rng(seed)
    ladder, board = Ladder(plan(monitoring)), Board("taxi", monitoring, None)
    start = 1_530_446_400.0
    pages = plain = 0
    step = 4  # a look that does not come spends nothing
    for at in range(0, SECONDS, step):
        ladder.add(trips(rng, RATE * step, start + at, RATE, memory), "host")
        now = start + at + step
        signals = look(ladder, now)
        pages += sum(event.to == "firing" for event in board.update(signals, now))
        plain += any(each.plain and each.name == "drift.psi" and not each.slice for each in signals)
    return pages, plain


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_false_pages_stay_within_the_budget(memory: float) -> None:
    pages, plain = np.sum([watch(seed, memory) for seed in range(RUNS)], axis=0).tolist()
    assert pages <= RUNS + 3 * math.sqrt(RUNS)
    if memory:
        assert plain > 5 * RUNS  # the bare rule of 0.25 would have paged again and again


def test_the_split_adds_up_to_the_promise() -> None:
    budget = Budget(Monitoring(false_pages=2.0, days=10.0))
    assert budget.pages_a_month == pytest.approx(6.0)
    half = Budget(Monitoring(shares={"drift": 0.5}))
    assert half.level("drift") == pytest.approx(0.5 / half.looks("drift"))
    assert half.level("serving") == 0.0
