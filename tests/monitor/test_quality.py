"""Rates: what is rare takes more rows than a window, and is over when the window is clean again."""

from __future__ import annotations

import numpy as np
import pytest

from tests.monitor.traffic import START, read, requests, watched
from wardline.monitor import quality
from wardline.monitor.budget import Budget
from wardline.monitor.ladder import Ladder
from wardline.monitor.plan import Plan
from wardline.monitor.sight import Sight
from wardline.monitor.signal import Signal, Standing, settle
from wardline.monitoring import Monitoring

KNOWN = watched(np.random.default_rng(3), Monitoring(rows=400))
LEVEL = Budget(KNOWN.monitoring).level("quality")
RATE = 200.0


class Traffic:
    """Rows one after another, some of them with an age that training never had."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(4)
        self.ladder = Ladder(Plan(KNOWN))
        self.at = START

    def add(self, rows: int, strange: float) -> None:
        ages = self.rng.normal(40.0, 12.0, rows).clip(20, 60)
        ages[self.rng.uniform(size=rows) < strange] = 500.0
        made = requests(self.rng, rows, at=self.at, rate=RATE, age=ages.tolist())
        self.ladder.add(read(KNOWN, made), "host")
        self.at += rows / RATE

    def stands(self) -> Signal:
        found = settle(list(quality.rates(Sight(self.ladder, self.ladder.now))), LEVEL)
        return next(each for each in found if each.key == "quality.range/age")


def test_a_rare_stranger_is_found_over_eight_windows_and_resolves_with_the_newest() -> None:
    traffic = Traffic()
    traffic.add(4000, 0.0)
    assert traffic.stands().standing is Standing.OK
    traffic.add(600, 0.03)
    assert traffic.stands().standing is Standing.OK  # a dozen of 400 is no evidence at one page a month
    traffic.add(3600, 0.03)
    found = traffic.stands()
    assert found.standing is Standing.ALERT
    assert found.rows >= 3200
    assert found.effect == pytest.approx(0.03, abs=0.01)
    traffic.add(1000, 0.0)
    again = traffic.stands()
    assert (again.standing, again.effect) == (Standing.OK, 0.0)
    assert again.rows < 1600


def test_a_share_at_its_limit_stays_below_the_level() -> None:
    alarms, looks = 0, 0
    for seed in range(6):
        traffic = Traffic()
        traffic.rng = np.random.default_rng(seed)
        traffic.add(4000, KNOWN.monitoring.new_rate)
        for _ in range(5):
            traffic.add(400, KNOWN.monitoring.new_rate)
            found = list(quality.rates(Sight(traffic.ladder, traffic.ladder.now)))
            (signal,) = (each for each in found if each.key == "quality.range/age")
            alarms += settle([signal], 0.05)[0].standing is Standing.ALERT
            looks += 1
    assert alarms <= 0.05 * looks + 3 * np.sqrt(0.05 * looks)


def test_rows_that_are_often_alike_are_no_duplicates_and_a_repeated_batch_is() -> None:
    def stands(repeated: bool) -> Signal:
        rng = np.random.default_rng(7)
        ladder, at = Ladder(Plan(KNOWN)), START
        for place in range(30):
            rows = 200
            ages = rng.choice([30.0, 40.0, 50.0], rows)  # a few whole numbers: rows meet by chance
            incomes = rng.choice([2.0, 3.0], rows)
            if repeated and place >= 27:
                ages, incomes = np.full(rows, 40.0), np.full(rows, 3.0)
            made = requests(rng, rows, at=at, rate=RATE, age=ages.tolist(), income=incomes.tolist())
            ladder.add(read(KNOWN, made), "host")
            at += rows / RATE
        found = settle(list(quality.repeats(Sight(ladder, ladder.now))), LEVEL)
        return next(each for each in found if each.name == "quality.duplicate")

    assert stands(repeated=False).standing is Standing.OK
    assert stands(repeated=True).standing is Standing.ALERT
    fresh = Ladder(Plan(KNOWN))
    fresh.add(read(KNOWN, requests(np.random.default_rng(8), 900, at=START, rate=RATE)), "host")
    found = settle(list(quality.repeats(Sight(fresh, fresh.now))), LEVEL)
    assert [e.standing for e in found if e.name == "quality.duplicate"] == [Standing.INSUFFICIENT]
