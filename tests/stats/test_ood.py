"""Whitening and distance: against scikit-learn, and on data that breaks naive ones."""

import time

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.covariance import LedoitWolf

from wardline.stats import conformal, ood


@pytest.mark.parametrize(("n", "d"), [(500, 6), (40, 30), (20, 50)])
def test_shrinkage_is_scikit_learns(n, d):
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    X -= X.mean(axis=0)
    theirs = LedoitWolf(assume_centered=True).fit(X)
    covariance, shrinkage = ood.ledoit_wolf(X)
    assert shrinkage == pytest.approx(theirs.shrinkage_, rel=1e-9)
    assert np.allclose(covariance, theirs.covariance_, rtol=1e-9, atol=1e-12)


def test_the_distance_is_mahalanobis_under_that_covariance():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5)) * [1, 10, 1e4, 1e-3, 1] + [0, 5, 1e6, 0, -3]
    fitted = ood.whiten(X)
    scale = X.std(axis=0)
    theirs = LedoitWolf(assume_centered=True).fit((X - X.mean(axis=0)) / scale)
    expected = np.sqrt(theirs.mahalanobis((X - X.mean(axis=0)) / scale))
    assert np.allclose(ood.distances(X, *fitted), expected, rtol=1e-6)


def test_one_row_and_many_rows_agree():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(50, 8))
    fitted = ood.whiten(X)
    X[3, 2] = np.nan
    X[4] = np.nan
    X[5, 1], X[6, 0], X[6, 1] = np.inf, np.inf, -np.inf
    X[7, 0] = 1e300
    one_by_one = [ood.distance(row, *fitted) for row in X]
    assert np.allclose(ood.distances(X, *fitted), one_by_one)
    assert np.isinf(one_by_one[5:8]).all()
    assert one_by_one[4] == 0.0


def test_units_do_not_matter():
    X = np.random.default_rng(3).normal(size=(200, 4))
    other = X * [1000.0, 0.001, 60.0, 1.0] + [0.0, 5.0, -1e3, 0.0]
    assert np.allclose(ood.distances(X, *ood.whiten(X)), ood.distances(other, *ood.whiten(other)))


@pytest.mark.parametrize(
    "column",
    [np.zeros(100), np.full(100, 1e9), np.full(100, np.nan), 7.0 + np.arange(100) * 1e-15],
    ids=["zero", "constant", "missing", "rounding"],
)
def test_a_column_that_does_not_vary_weighs_nothing(column):
    X = np.random.default_rng(4).normal(size=(100, 3))
    X[:, 1] = column
    center, matrix = ood.whiten(X)
    assert np.isfinite(center).all()
    assert np.isfinite(matrix).all()
    assert not matrix[1].any()
    assert np.isfinite(ood.distances(X, center, matrix)).all()


def test_repeated_columns_and_single_rows_stay_finite():
    X = np.repeat(np.random.default_rng(5).integers(0, 4, size=(100, 1)).astype(float), 4, axis=1)
    for given in (X, X[:1], X[:0], np.zeros((5, 2))):
        center, matrix = ood.whiten(given)
        assert np.isfinite(center).all()
        assert np.isfinite(matrix).all()


def test_ranks_of_like_rows_are_uniform_and_of_unlike_rows_small():
    rng = np.random.default_rng(6)
    mixing = rng.normal(size=(10, 10))
    draw = lambda n: rng.normal(size=(n, 10)) @ mixing  # noqa: E731 - one line of data
    fitted = ood.whiten(draw(3_000))
    calibration = np.sort(ood.distances(draw(2_000), *fitted))
    like = conformal.p_value(calibration, ood.distances(draw(2_000), *fitted))
    assert kstest(like, "uniform").pvalue > 0.01
    unlike = draw(200)
    unlike[:, 0] += 8 * np.abs(mixing[:, 0]).max()
    assert np.median(conformal.p_value(calibration, ood.distances(unlike, *fitted))) < 0.001


def test_one_row_costs_microseconds():
    X = np.random.default_rng(7).normal(size=(500, 30))
    fitted = ood.whiten(X)
    row, best = X[0], 1.0
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(500):
            ood.distance(row, *fitted)
        best = min(best, (time.perf_counter() - began) / 500)
    assert best < 12e-6  # 3 µs on a quiet core; the rest is for machines that are busy
