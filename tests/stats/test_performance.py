"""Metrics of a stream: equal to scikit-learn's, with intervals a bootstrap confirms."""

import numpy as np
import pytest
from sklearn import metrics

from wardline.stats import intervals
from wardline.stats.performance import Classification, Regression


@pytest.fixture
def numbers():
    rng = np.random.default_rng(1)
    truth = 1e6 + rng.lognormal(1, 0.7, size=3_000)
    return truth + rng.normal(0.3, 1.0, size=3_000), truth


def _streamed(performance, *columns):
    for start in range(0, len(columns[0]), 700):
        performance.add(*(None if c is None else c[start : start + 700] for c in columns))
    return performance.measures()


def test_regression_metrics_are_scikit_learns(numbers):
    values, truth = numbers
    found = _streamed(Regression(), values, None, truth)
    assert found["mae"].value == pytest.approx(metrics.mean_absolute_error(truth, values))
    assert found["rmse"].value == pytest.approx(metrics.root_mean_squared_error(truth, values))
    assert found["r2"].value == pytest.approx(metrics.r2_score(truth, values))
    assert found["bias"].value == pytest.approx(float((values - truth).mean()))


def test_regression_intervals_are_the_bootstraps(numbers):
    values, truth = numbers
    found = _streamed(Regression(), values, None, truth)

    def r2(drawn):
        error, level = drawn[..., 0], drawn[..., 1]
        return 1 - (error**2).mean(axis=1) / level.var(axis=1)

    rows = np.stack([values - truth, truth - truth.mean()], axis=1)
    drawn = intervals.bootstrap(r2, rows, np.random.default_rng(2), draws=600)
    assert found["r2"][1:] == pytest.approx(drawn, abs=0.01)


@pytest.mark.parametrize("k", [2, 3])
def test_classification_metrics_are_scikit_learns(k):
    rng = np.random.default_rng(k)
    P = rng.dirichlet(np.ones(k), size=2_000)
    truth = np.array([rng.choice(k, p=p) for p in P], dtype=float)
    found = _streamed(Classification(), P.argmax(axis=1).astype(float), P, truth)
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(truth, P.argmax(axis=1)))
    assert found["log_loss"].value == pytest.approx(metrics.log_loss(truth, P))
    theirs = metrics.brier_score_loss(
        truth, P[:, 1] if k == 2 else P, **({} if k == 2 else {"labels": range(k)})
    )
    assert found["brier"].value == pytest.approx(theirs)
    assert all(low <= value <= high for value, low, high in found.values())


def test_a_rung_without_probabilities_has_an_accuracy_only():
    assert set(_streamed(Classification(), np.zeros(5), None, np.zeros(5))) == {"accuracy"}


def test_answers_that_are_no_number_are_counted_apart():
    performance = Regression()
    performance.add(np.array([1.0, np.nan, np.inf]), None, np.array([1.0, 1.0, 1.0]))
    assert (performance.rows, performance.unscored) == (1, 2)
    assert performance.measures()["mae"].value == 0.0
    assert "r2" not in performance.measures()


def test_nothing_scored_gives_no_metric():
    assert Regression().measures() == Classification().measures() == {}
