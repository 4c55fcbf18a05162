"""PSI: its arithmetic as properties, its p-value as a simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline.stats import bins
from wardline.stats.psi import pool, psi

COUNTS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=1, max_size=25).map(
    lambda pairs: np.array(pairs, dtype=np.int64).T
)


@given(COUNTS)
def test_it_is_finite_symmetric_and_never_negative(counts):
    there, back = psi(*counts), psi(*counts[::-1])
    assert np.isfinite(there.value)
    assert there.value >= 0.0
    assert (there.contributions >= 0.0).all()
    assert there.value == pytest.approx(back.value, abs=1e-12)
    assert there.p_value == pytest.approx(back.p_value, abs=1e-12)
    assert 0.0 <= there.p_value <= 1.0
    assert there.contributions.sum() == pytest.approx(there.value)


@given(COUNTS)
def test_it_is_zero_on_itself(counts):
    assert psi(counts[0], counts[0]).value == 0.0
    assert psi(counts[0], counts[0]).p_value == 1.0


@given(COUNTS)
def test_pooling_loses_no_row(counts):
    seen = counts.sum(axis=0) > 0
    if counts[0].sum() and counts[1].sum():
        first, second = pool(counts[0][seen], counts[1][seen])
        assert (first.sum(), second.sum()) == (counts[0].sum(), counts[1].sum())


def test_a_bin_that_nobody_saw_says_nothing():
    with_it = psi(np.array([50, 50, 0]), np.array([40, 60, 0]))
    without = psi(np.array([50, 50]), np.array([40, 60]))
    assert with_it[:5] == without[:5]


def test_an_empty_side_is_no_evidence():
    found = psi(np.array([5, 5]), np.array([0, 0]))
    assert (found.value, found.p_value, found.degrees) == (0.0, 1.0, 0)


def test_counts_merged_from_replicas_give_the_same_answer_as_one_count():
    rng = np.random.default_rng(5)
    cuts = bins.cut(rng.normal(size=5_000))
    reference = bins.count(*cuts, rng.normal(size=5_000))
    hours = [rng.normal(0.2, size=300) for _ in range(4)]
    merged = sum(bins.count(*cuts, hour) for hour in hours)
    whole = bins.count(*cuts, np.concatenate(hours))
    assert psi(reference, merged)[:5] == psi(reference, whole)[:5]


def test_a_shift_of_half_a_sigma_reads_about_a_quarter():
    rng = np.random.default_rng(6)
    cuts = bins.cut(rng.normal(size=50_000))
    found = psi(bins.count(*cuts, rng.normal(size=50_000)), bins.count(*cuts, rng.normal(0.5, size=50_000)))
    assert found.value == pytest.approx(0.25, abs=0.03)
    assert found.p_value < 1e-12


def test_the_bias_is_what_healthy_windows_show_on_average():
    rng = np.random.default_rng(7)
    shares = np.full(10, 0.1)
    found = [psi(rng.multinomial(5_000, shares), rng.multinomial(300, shares)) for _ in range(2_000)]
    assert np.mean([each.value for each in found]) == pytest.approx(found[0].bias, rel=0.05)


@pytest.mark.parametrize(("n", "m"), [(2_000, 200), (30_000, 1_000), (1_000_000, 5_000)])
@pytest.mark.parametrize("kind", ["equal", "zipf", "rare null"])
def test_five_percent_means_three_to_six_percent_of_healthy_windows(n, m, kind):
    shares = {
        "equal": np.full(10, 1.0),
        "zipf": 1.0 / np.arange(1, 21) ** 2,
        "rare null": np.append(np.full(10, 1.0), [0.01, 0.0]),
    }[kind]
    rng = np.random.default_rng(8)
    shares = shares / shares.sum()
    alarms = [
        psi(rng.multinomial(n, shares), rng.multinomial(m, shares)).p_value < 0.05 for _ in range(3_000)
    ]
    assert 0.03 <= np.mean(alarms) <= 0.06


def test_a_burst_in_a_bin_the_reference_never_saw_is_found():
    reference = np.append(np.full(10, 100_000), [0, 0])
    assert psi(reference, np.append(np.full(10, 100), [8, 0])).p_value < 1e-6


def test_dependent_rows_are_worth_fewer():
    reference, window = np.full(10, 1_000), np.append(np.full(9, 100), 160)
    assert psi(reference, window).p_value < 0.01
    assert psi(reference, window, window_rows=50).p_value > 0.1
    assert psi(reference, window, window_rows=50).value == psi(reference, window).value
