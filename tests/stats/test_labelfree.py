"""Estimates without labels: right under covariate shift, caught by labels under concept shift."""

from typing import NamedTuple

import numpy as np
import pytest

from wardline.stats.labelfree import atc_threshold, cbpe, doc, relation, reliability


class World(NamedTuple):
    """Rows of a classifier whose probabilities are too sure, so that they need calibration."""

    confidence: np.ndarray
    right: np.ndarray


def world(rng: np.random.Generator, rows: int, *, shift: float = 0.0, flipped: bool = False) -> World:
    """`shift` moves the inputs, `flipped` changes what they lead to."""
    x = rng.normal(shift, 1.0, rows)
    logit = 1.5 * x + 0.5
    true = 1 / (1 + np.exp(-(-0.5 * x + 0.5 if flipped else logit)))
    y = rng.uniform(size=rows) < true
    said = 1 / (1 + np.exp(-1.6 * logit))
    return World(np.maximum(said, 1 - said), ((said > 0.5) == y).astype(float))


@pytest.mark.parametrize("shift", [-0.8, -0.3, 0.4, 1.0])
def test_under_covariate_shift_the_estimate_is_within_two_points(shift: float) -> None:
    rng = np.random.default_rng(5)
    known = world(rng, 20_000)
    fitted = reliability(known.confidence, known.right)
    errors = []
    for _ in range(20):
        live = world(rng, 5000, shift=shift)
        found = cbpe(fitted, live.confidence)
        errors.append(found.value - live.right.mean())
    assert np.abs(errors).mean() < 0.015
    raw = np.mean(live.confidence) - live.right.mean()
    assert abs(np.mean(errors)) < abs(raw)  # the bare confidence promises too much


def test_intervals_hold_the_realised_accuracy_on_like_rows() -> None:
    rng = np.random.default_rng(6)
    held = wrong = 0
    for _ in range(300):
        known = world(rng, 2000)
        fitted = reliability(known.confidence, known.right)
        live = world(rng, 1000, shift=0.3)
        found = cbpe(fitted, live.confidence)
        held += found.low <= live.right.mean() <= found.high
        wrong += relation(fitted, live.confidence, live.right)[1] < 0.01
    assert held / 300 > 0.9
    assert wrong / 300 <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / 300)


def test_concept_shift_is_invisible_to_the_estimate_and_plain_to_labels() -> None:
    rng = np.random.default_rng(7)
    known = world(rng, 20_000)
    fitted = reliability(known.confidence, known.right)
    live = world(rng, 2000, flipped=True)
    assert cbpe(fitted, live.confidence).value - live.right.mean() > 0.1
    gap, p_value = relation(fitted, live.confidence[:200], live.right[:200])
    assert gap < -0.05
    assert p_value < 0.001


def test_the_simple_estimates_follow_a_shift_too() -> None:
    rng = np.random.default_rng(8)
    known, live = world(rng, 20_000), world(rng, 5000, shift=-0.33)
    accuracy, percentiles = known.right.mean(), np.percentile(known.confidence, np.arange(101))
    truth = live.right.mean()
    for found in (
        doc(accuracy, known.confidence.mean(), live.confidence.mean()),
        (live.confidence > atc_threshold(accuracy, percentiles)).mean(),
    ):
        assert abs(found - truth) < 0.6 * abs(accuracy - truth)


def test_steps_only_rise_and_keep_the_whole() -> None:
    rng = np.random.default_rng(9)
    known = world(rng, 3000)
    fitted = reliability(known.confidence, known.right)
    assert (np.diff(fitted.right) > 0).all()
    assert fitted.accuracy == pytest.approx(known.right.mean())
    assert fitted.rows.sum() == 3000


def test_isotonic_steps_are_those_of_scikit_learn() -> None:
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(10)
    confidence = rng.choice(np.linspace(0.5, 1, 30), 2000)
    right = (rng.uniform(size=2000) < confidence).astype(float)
    fitted = reliability(confidence, right, steps=2000)
    peer = IsotonicRegression().fit(confidence, right).predict(confidence)
    np.testing.assert_allclose(fitted.right[fitted.step(confidence)], peer, atol=1e-12)
