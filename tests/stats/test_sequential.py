from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from wardline.stats.sequential import EDetector, change_time, crossing
from wardline.stats.whitening import Whitening, block_means

Floats = NDArray[np.float64]


def run_length(z: Floats, limit: float, slack: float = 0.0) -> int:
    found = crossing(z, limit, slack=slack)
    return len(z) if found is None else found[0] + 1


def remembering(rng: np.random.Generator, rows: int, memory: float) -> Floats:
    """An autoregression of order one, settled."""
    shocks = rng.normal(size=rows + 200)
    values = np.zeros(rows + 200)
    for row in range(1, rows + 200):
        values[row] = memory * values[row - 1] + shocks[row]
    return values[200:]


def test_it_stops_no_sooner_than_promised_when_nothing_changes() -> None:
    rng = np.random.default_rng(1)
    lengths = [run_length(rng.normal(size=20_000), 1000.0) for _ in range(120)]
    assert np.mean(lengths) > 1000.0


def test_a_false_alarm_within_n_has_a_chance_of_at_most_n_over_c() -> None:
    rng = np.random.default_rng(2)
    alarmed = sum(crossing(rng.normal(size=1000), 20_000.0) is not None for _ in range(400))
    assert alarmed / 400 < 1000 / 20_000 + 2 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize(("size", "delay"), [(0.25, 174), (0.5, 54), (1.0, 17), (2.0, 5.6)])
def test_delays_at_a_run_length_of_ten_thousand(size: float, delay: float) -> None:
    """The statistic overshoots: stopping at 6,250 has a run length of 10,000 (the bound alone says 6,250)."""
    rng = np.random.default_rng(3)
    quiet, delays = 1000, []
    for _ in range(300):
        stopped = run_length(np.concatenate([rng.normal(size=quiet), rng.normal(size, 1.0, 2000)]), 6250.0)
        if stopped > quiet:
            delays.append(stopped - quiet)
    assert np.mean(delays) == pytest.approx(delay, rel=0.12)


def test_memory_ruins_it_and_whitening_mends_it() -> None:
    rng = np.random.default_rng(4)
    raw, white = [], []
    for _ in range(40):
        values = remembering(rng, 11_000, 0.9)
        learned = Whitening.learn(values[:1000])
        assert learned is not None
        live = values[1000:]
        raw.append(run_length((live - values[:1000].mean()) / values[:1000].std(), 500.0))
        white.append(run_length(learned.white(live, values[990:1000]), 500.0, learned.slack))
    assert np.mean(raw) < 60
    assert np.mean(white) > 500


def test_block_means_whiten_where_there_are_many_rows() -> None:
    rng = np.random.default_rng(5)
    lengths = []
    for _ in range(40):
        means = block_means(remembering(rng, 52_000, 0.7), 20)
        learned = Whitening.learn(means[:600])
        assert learned is not None
        lengths.append(run_length(learned.white(means[600:], means[590:600]), 200.0, learned.slack))
    assert np.mean(lengths) > 200


def test_one_wild_value_neither_blinds_nor_alarms() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=3000)
    values[[100, 1500]] = 1e9
    learned = Whitening.learn(values[:1000])
    assert learned is not None
    assert crossing(learned.white(values[1000:]), 20_000.0, slack=learned.slack) is None
    values[2000:] += 1.0
    found = crossing(learned.white(values[1000:]), 20_000.0, slack=learned.slack)
    assert found is not None
    assert 1000 <= found[0] < 1060


def test_the_interval_holds_the_change_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(200):
        z = np.concatenate([rng.normal(size=300), rng.normal(0.8, 1.0, 400)])
        found = crossing(z, 1e5)
        assert found is not None
        _, low, high = change_time(z[: found[0] + 1])
        held += low <= 300 <= high
    assert held / 200 > 0.9


@given(st.lists(st.one_of(st.floats(-5, 5), st.just(float("nan"))), min_size=1, max_size=80))
def test_stretches_and_single_observations_agree(values: list[float]) -> None:
    z = np.array(values)
    detector = EDetector(1, slack=0.05)
    evidence = [float(detector.observe(z[i : i + 1])[0]) for i in range(len(z))]
    found = crossing(z, 50.0, slack=0.05, ahead=7)
    above = [i for i, e in enumerate(evidence) if e >= 50.0 and np.isfinite(z[i])]
    assert (found[0] if found else None) == (above[0] if above else None)
    if found:
        assert found[1] == pytest.approx(evidence[found[0]], rel=1e-6)


def test_streams_do_not_touch_each_other_and_survive_a_restart() -> None:
    rng = np.random.default_rng(8)
    z = rng.normal(size=(200, 3))
    z[100:, 1] -= 1.0
    whole, first = EDetector(3), EDetector(3)
    for row in z:
        whole.observe(row)
    for row in z[:120]:
        first.observe(row)
    second = EDetector.restored(first.state())
    for row in z[120:]:
        second.observe(row)
    assert np.array_equal(whole.sums, second.sums)
    assert whole.evidence.argmax() == 1
    change = whole.change(1)
    assert change.size < 0
    assert change.low <= 100 <= change.high
    whole.reset(np.array([False, True, False]))
    assert whole.evidence[1] == 0
    assert whole.evidence[0] > 0


def test_evidence_without_end_stays_a_number() -> None:
    detector = EDetector(1)
    for _ in range(5000):
        evidence = detector.observe(np.array([50.0]))
    assert np.isfinite(evidence).all()
    assert evidence[0] > 1e100


def test_too_little_or_constant_data_teaches_nothing() -> None:
    assert Whitening.learn(np.arange(20.0)) is None
    assert Whitening.learn(np.full(500, 3.0)) is None


def test_missing_values_are_passed_over() -> None:
    rng = np.random.default_rng(9)
    values = remembering(rng, 2000, 0.8)
    values[rng.random(2000) < 0.2] = np.nan
    learned = Whitening.learn(values[:1000])
    assert learned is not None
    white = learned.white(values[1000:], values[980:1000])
    assert np.array_equal(np.isfinite(white), np.isfinite(values[1000:]))
