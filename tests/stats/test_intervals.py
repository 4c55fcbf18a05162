"""Intervals that hold what they say."""

import numpy as np
import pytest
from scipy.stats import binomtest

from wardline.stats import intervals
from wardline.stats.moments import Moments


@pytest.mark.parametrize(("successes", "rows"), [(0, 10), (1, 7), (50, 100), (999, 1000), (30, 30)])
def test_wilson_agrees_with_scipy(successes, rows):
    theirs = binomtest(successes, rows).proportion_ci(0.95, method="wilson")
    assert intervals.wilson(successes, rows) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_no_rows_say_nothing_about_a_share():
    assert intervals.wilson(0, 0) == (0.0, 1.0)


def test_moments_do_not_depend_on_how_the_stream_was_cut():
    X = np.random.default_rng(1).normal(size=(1_000, 3)) * [1, 1e-3, 50] + [1e9, 0, -5]
    whole, parts = Moments(3), Moments(3)
    whole.add(X)
    for block in np.split(X, [1, 2, 2, 500]):
        parts.add(block)
    assert parts.count == 1_000
    assert np.allclose(parts.mean, X.mean(axis=0), rtol=1e-14)
    assert np.allclose(parts.covariance, np.cov(X.T, bias=True), rtol=1e-6, atol=1e-9)
    assert np.allclose(parts.covariance, whole.covariance, rtol=1e-6, atol=1e-9)


def test_the_delta_method_agrees_with_the_bootstrap():
    rng = np.random.default_rng(2)
    errors = rng.standard_t(8, size=2_000)
    moments = Moments(1)
    moments.add(errors[:, None] ** 2)
    rmse = float(np.sqrt(moments.mean[0]))
    low, high = intervals.delta(moments, np.array([0.5 / rmse]), rmse)
    drawn = intervals.bootstrap(lambda e: np.sqrt((e**2).mean(axis=1)), errors, rng)
    assert (low, high) == pytest.approx(drawn, abs=0.015)


def test_the_bootstrap_is_the_same_for_the_same_seed():
    values = np.random.default_rng(3).normal(size=50)
    mean = lambda drawn: drawn.mean(axis=1)  # noqa: E731 - one line of arithmetic
    first = intervals.bootstrap(mean, values, np.random.default_rng(4))
    assert first == intervals.bootstrap(mean, values, np.random.default_rng(4))


def test_ninety_five_percent_of_wilson_intervals_hold_the_truth():
    rng = np.random.default_rng(5)
    held = []
    for successes in rng.binomial(60, 0.1, size=2_000):
        low, high = intervals.wilson(successes, 60)
        held.append(low <= 0.1 <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)
