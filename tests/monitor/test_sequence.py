"""Small shifts that last: quiet where nothing changed, and found within a declared number of rows."""

from __future__ import annotations

import numpy as np

from tests.monitor.traffic import START, read, requests, watched
from wardline.monitor import sequence
from wardline.monitor.budget import Budget
from wardline.monitor.ladder import Ladder
from wardline.monitor.plan import Plan
from wardline.monitor.sight import Sight
from wardline.monitor.signal import Standing, settle
from wardline.monitoring import Monitoring

KNOWN = watched(np.random.default_rng(31), Monitoring(rows=400))
LEVEL = Budget(KNOWN.monitoring).level("sequence")
RATE = 20.0
STEP = 200  # rows between two looks: ten seconds


def delay(seed: int, sigmas: float, before: int, after: int) -> int | None:
    """Look every ten seconds; return the rows from the change to the alert about age, if one came."""
    rng = np.random.default_rng(seed)
    ladder, at = Ladder(Plan(KNOWN)), START
    for start in range(0, before + after, STEP):
        moved = sigmas if start >= before else 0.0
        ages = rng.normal(40.0 + 12.0 * moved, 12.0, STEP)
        ladder.add(read(KNOWN, requests(rng, STEP, at=at, rate=RATE, age=ages.tolist())), "host")
        at += STEP / RATE
        found = settle(list(sequence.shifts(Sight(ladder, ladder.now))), LEVEL)
        if any(each.standing is Standing.ALERT for each in found):
            assert start >= before, "a false alarm"
            assert [each.subject for each in found if each.standing is Standing.ALERT] == ["age"]
            return start + STEP - before
    return None


def test_nothing_is_said_where_nothing_changed() -> None:
    assert [delay(seed, 0.0, 9000, 0) for seed in range(3)] == [None] * 3


def test_a_lasting_shift_of_half_a_sigma_is_found_within_two_thousand_rows() -> None:
    found = [delay(seed, 0.5, 6000, 3000) for seed in range(10, 14)]
    assert all(each is not None and each <= 2000 for each in found), found
