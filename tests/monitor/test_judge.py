"""Judging counts: real changes alert, healthy windows do not, and dependent rows are not taken for more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wardline.monitor.judge import Limits, compare, exceed
from wardline.monitor.signal import Signal, Standing, settle, worst

LIMITS = Limits(0.1, 0.25, 1000)
SHARES = np.full(10, 0.1)
REFERENCE = np.full(10, 3_000)
NAME = Signal("drift.psi", "age")


def blocks(rng: np.random.Generator, shares: np.ndarray, stretches: int = 10, rows: int = 100) -> np.ndarray:
    return rng.multinomial(rows, shares, size=stretches)


def judged(window: np.ndarray, level: float = 1e-6, past: np.ndarray | None = None) -> Signal:
    known = window if past is None else past
    return settle([compare(NAME, REFERENCE, window.sum(axis=0), LIMITS, blocks=known)], level)[0]


def test_half_a_sigma_alerts_and_names_the_bins_that_moved() -> None:
    moved = SHARES * np.exp(np.linspace(-1.0, 1.0, 10))
    found = judged(blocks(np.random.default_rng(1), moved / moved.sum()))
    assert found.standing is Standing.ALERT
    assert found.plain
    assert found.moved[0].bin in ("0", "9")
    assert found.moved[0].part == max(each.part for each in found.moved)


def test_a_healthy_window_is_fine_and_a_short_one_is_not_enough() -> None:
    rng = np.random.default_rng(2)
    assert judged(blocks(rng, SHARES)).standing is Standing.OK
    assert judged(blocks(rng, SHARES, stretches=4)).standing is Standing.INSUFFICIENT


def test_a_large_index_whose_rows_may_all_hang_together_is_not_enough() -> None:
    moved = SHARES * np.exp(np.linspace(-1.0, 1.0, 10))
    few = blocks(np.random.default_rng(3), moved / moved.sum(), stretches=3, rows=400)
    found = judged(few)
    assert math.isnan(found.p_value)
    assert found.standing is Standing.INSUFFICIENT
    assert found.plain  # the bare rule would have paged


def test_clumped_rows_do_not_alert_where_the_bare_rule_does() -> None:
    rng = np.random.default_rng(4)
    rule, ours = 0, 0
    for _ in range(200):
        turns = rng.dirichlet(np.full(10, 0.2), 60)  # every 90 rows come from a mood of their own
        past = np.array([rng.multinomial(90, turn) for turn in turns])
        found = judged(past[-12:], 0.01, past)
        rule += found.plain
        ours += found.standing is Standing.ALERT
    assert rule > 20  # a tenth of the healthy windows and more
    assert ours <= 200 * 0.01 + 3 * math.sqrt(200 * 0.01)


@pytest.mark.parametrize(("share", "standing"), [(0.002, "ok"), (0.05, "alert"), (0.015, "ok")])
def test_a_share_alerts_where_it_is_above_its_limit_beyond_chance(share: float, standing: str) -> None:
    rng = np.random.default_rng(5)
    events = rng.binomial(100, share, 10)
    table = np.stack([events, 100 - events], axis=1)
    found = exceed(
        Signal("quality.null", "age"), int(events.sum()), 1000, Limits(0.01, 0.01, 1000), blocks=table
    )
    assert settle([found], 1e-4)[0].standing.value == standing


def test_the_family_shares_one_level() -> None:
    rng = np.random.default_rng(6)
    alarms = 0
    for _ in range(400):
        signals = [
            compare(NAME, REFERENCE, window.sum(axis=0), Limits(0.0, 0.0, 200))
            for window in (blocks(rng, SHARES, rows=100) for _ in range(30))
        ]
        alarms += worst(settle(signals, 0.05)) is Standing.ALERT
    assert alarms / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_the_worst_of_nothing_is_nothing_to_go_by() -> None:
    assert worst([]) is Standing.INSUFFICIENT
