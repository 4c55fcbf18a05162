"""Lines about a short real run: deadlines, rates, and a place for the log."""

from __future__ import annotations

import numpy as np
import pytest

from guards import taxi
from tests.launch.variants import line
from wardline.launch import rehearsal
from wardline.launch.lines import Status
from wardline.settings import Settings, StoreSettings
from wardline.stats.binomial import at_least
from wardline.testing import FakeClock


def test_a_deadline_that_does_not_hold_at_p99_is_red(tmp_path):
    clock = FakeClock()

    def ticking() -> float:
        clock.advance(0.030)
        return clock()

    found = line(taxi.gate, "deadlines", tmp_path, clock=ticking)
    assert (found.status, found.subjects) == (Status.FAIL, ("taxi-linear",))  # 20 ms; the other has 50
    assert "30 of 20 ms" in found.says


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05, 0.3])
def test_a_rate_is_judged_by_the_exact_binomial_tail_at_its_declared_false_alarm_rate(rate):
    from scipy.stats import binom

    rows = 120
    for count in (0, 1, 2, 5, 10, 40, 120):
        assert at_least(count, rows, rate) == pytest.approx(binom.sf(count - 1, rows, rate), abs=1e-12)
    drawn = np.random.default_rng(7).binomial(rows, rate, 20_000)
    failed = [at_least(int(count), rows, rate) < rehearsal.FALSE_ALARM for count in drawn]
    assert np.mean(failed) <= rehearsal.FALSE_ALARM + 0.002


def test_what_is_rehearsed_goes_to_no_store(tmp_path):
    store = StoreSettings(url=str(tmp_path / "store"))
    run = rehearsal.rehearse(
        taxi.gate, Settings(home=tmp_path / "home", store=store), [taxi.gate.contract.examples[0]] * 30
    )
    assert not run.problems
    assert not (tmp_path / "store").exists()


def test_a_log_that_cannot_be_written_is_red(tmp_path):
    (tmp_path / "home").write_text("a file where the home should be")
    assert line(taxi.gate, "log", tmp_path).status is Status.FAIL


def test_a_place_of_its_own_that_the_log_cannot_have_is_red(tmp_path):
    (tmp_path / "home/taxi").mkdir(parents=True)
    (tmp_path / "home/taxi/records").write_text("a file where the records should be")
    found = line(taxi.gate, "log", tmp_path)
    assert (found.status, found.subjects) == (Status.FAIL, ("records",))
