"""Split conformal: equal to MAPIE and crepes, and its promise kept in simulation."""

import math

import numpy as np
import pytest
from crepes import ConformalClassifier, ConformalRegressor
from hypothesis import given
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from mapie.regression import SplitConformalRegressor
from sklearn.datasets import load_diabetes, make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression

from wardline.stats import conformal

SCORES = st.lists(st.floats(0, 1e6), min_size=1, max_size=300).map(lambda s: np.sort(np.array(s)))


@pytest.fixture(scope="module")
def regression():
    X, y = load_diabetes(return_X_y=True)
    model = LinearRegression().fit(X[:150], y[:150])
    return model, X[150:300], y[150:300], X[300:]


@pytest.fixture(scope="module")
def classification():
    X, y = make_classification(
        1500, n_features=8, n_informative=5, n_classes=3, weights=[0.6, 0.3], flip_y=0.1, random_state=1
    )
    model = LogisticRegression().fit(X[:500], y[:500])
    return model, X[500:1000], y[500:1000], X[1000:]


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_regression_intervals_are_mapies(regression, level):
    model, X, y, new = regression
    theirs = SplitConformalRegressor(model, confidence_level=level, prefit=True).conformalize(X, y)
    _, expected = theirs.predict_interval(new)
    scores = np.sort(np.abs(y - model.predict(X)))
    limits = conformal.thresholds([scores], level)
    ours = conformal.intervals(model.predict(new), limits, np.zeros(0))
    assert np.allclose(ours, expected[:, :, 0])


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_mondrian_intervals_are_crepes(regression, level):
    model, X, y, new = regression
    edges = conformal.bands(model.predict(X), model.predict(X), most=3, least=30)
    assert len(edges) == 2
    band = lambda rows: conformal.band(edges, model.predict(rows))  # noqa: E731 - one line of data
    residuals = y - model.predict(X)
    theirs = ConformalRegressor().fit(residuals, bins=band(X))
    expected = theirs.predict_int(model.predict(new), bins=band(new), confidence=level)
    scores = conformal.split(np.abs(residuals), band(X), 3)
    ours = conformal.intervals(model.predict(new), conformal.thresholds(scores, level), edges)
    assert np.allclose(ours, expected)


@pytest.mark.parametrize("level", [0.7, 0.9, 0.95])
def test_prediction_sets_are_mapies(classification, level):
    model, X, y, new = classification
    theirs = SplitConformalClassifier(
        model, confidence_level=level, prefit=True, conformity_score="lac"
    ).conformalize(X, y)
    _, expected = theirs.predict_set(new)
    scores = np.sort(conformal.true_class_scores(model.predict_proba(X), y))
    ours = conformal.sets(model.predict_proba(new), conformal.thresholds([scores], level))
    assert np.array_equal(ours, expected[:, :, 0])


def test_sets_per_class_are_crepes(classification):
    model, X, y, new = classification
    probabilities = model.predict_proba(X)
    scores = conformal.true_class_scores(probabilities, y)
    theirs = ConformalClassifier().fit(scores, bins=y)
    expected = np.stack(
        [
            theirs.predict_set(
                1.0 - model.predict_proba(new)[:, [c]],
                bins=np.full(len(new), c),
                confidence=0.9,
                smoothing=False,
            )[:, 0]
            for c in range(3)
        ],
        axis=1,
    )
    limits = conformal.thresholds(conformal.split(scores, y, 3), 0.9)
    assert np.array_equal(conformal.sets(model.predict_proba(new), limits), expected.astype(bool))


@given(SCORES, st.floats(0.01, 0.99))
def test_the_quantile_is_the_definition(scores, level):
    q = conformal.quantile(scores, level)
    if math.isinf(q):
        assert len(scores) < conformal.rows_needed(level)
    else:
        assert ((scores <= q).sum() + 1e-9) / (len(scores) + 1) >= level - 1e-9


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
def test_rows_needed_is_the_smallest_number_that_promises(level):
    n = conformal.rows_needed(level)
    assert math.isfinite(conformal.quantile(np.arange(float(n)), level))
    assert math.isinf(conformal.quantile(np.arange(float(n - 1)), level))


@given(SCORES, st.integers(1, 50), st.floats(0.05, 0.95), st.floats(0, 1e6))
def test_thinned_scores_err_to_the_safe_side(scores, most, level, score):
    kept = conformal.thin(scores, most)
    assert len(kept) == min(most, len(scores))
    assert conformal.quantile(kept, level) >= conformal.quantile(scores, level)
    slack = 1 / (len(kept) + 1)
    assert abs(conformal.p_value(kept, score) - conformal.p_value(scores, score)) <= slack + 1e-12


def test_p_values_are_never_zero_and_nan_is_strangest():
    scores = np.array([1.0, 2.0, 3.0, 4.0])
    assert conformal.p_value(scores, np.array([0.0, 2.0, 9.0, np.nan])).tolist() == [1.0, 0.8, 0.2, 0.2]


def test_bands_hold_enough_calibration_rows():
    rng = np.random.default_rng(1)
    predictions = rng.lognormal(size=5_000)
    for rows in (10, 150, 700, 3_000):
        calibration = rng.lognormal(0.5, size=rows)
        edges = conformal.bands(predictions, calibration, most=5, least=100)
        counts = np.bincount(conformal.band(edges, calibration), minlength=len(edges) + 1)
        assert counts.min() >= min(100, rows)
        assert len(counts) <= 5


def test_one_repeated_prediction_makes_one_band():
    assert len(conformal.bands(np.ones(500), np.ones(500), most=5, least=10)) == 0
    assert len(conformal.bands(np.zeros(0), np.ones(500), most=5, least=10)) == 0


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_the_promise_holds_over_many_calibrations_overall_and_in_each_band(level):
    rng = np.random.default_rng(2)
    held = []
    for _ in range(300):
        prediction = rng.uniform(0, 10, size=400)
        truth = prediction + rng.normal(size=400) * (0.5 + prediction)
        fit, new = slice(0, 200), slice(200, 400)
        edges = np.array([5.0])
        scores = conformal.split(np.abs(truth - prediction)[fit], conformal.band(edges, prediction[fit]), 2)
        low, high = conformal.intervals(prediction[new], conformal.thresholds(scores, level), edges).T
        inside = (low <= truth[new]) & (truth[new] <= high)
        held.append([inside[prediction[new] < 5].mean(), inside[prediction[new] >= 5].mean()])
    assert np.mean(held, axis=0) == pytest.approx([level, level], abs=0.015)
    assert (np.mean(held, axis=0) >= level - 0.005).all()
