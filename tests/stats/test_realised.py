"""Coverage by labels, and adaptive conformal inference."""

import numpy as np
import pytest
from scipy.stats import betabinom

from wardline.stats import conformal
from wardline.stats.realised import adapt, misses_p_value


@pytest.mark.parametrize(("misses", "rows", "calibration", "level"), [
    (60, 500, 200, 0.9), (5, 40, 1000, 0.95), (51, 500, 5000, 0.9), (499, 500, 300, 0.9), (1, 100, 99, 0.99),
])  # fmt: skip
def test_the_tail_is_that_of_the_beta_binomial(misses, rows, calibration, level) -> None:
    kept = int(np.ceil((calibration + 1) * level - 1e-9))
    peer = betabinom.sf(misses - 1, rows, calibration + 1 - kept, kept)
    assert misses_p_value(misses, rows, calibration, level) == pytest.approx(peer, rel=1e-6)


def test_healthy_rows_are_blamed_no_more_often_than_declared() -> None:
    rng = np.random.default_rng(1)
    blamed = plain = 0
    for _ in range(3000):
        limit = conformal.quantile(np.sort(rng.exponential(size=400)), 0.9)
        misses = int((rng.exponential(size=500) > limit).sum())
        blamed += misses_p_value(misses, 500, 400, 0.9) < 0.01
        plain += misses_p_value(misses, 500, 0, 0.9) < 0.01
    assert blamed / 3000 < 0.01 + 3 * np.sqrt(0.01 * 0.99 / 3000)
    assert plain > 2 * blamed  # a plain binomial blames the luck of the calibration


def adaptive(rng: np.random.Generator, step: float, rows: int = 4000) -> float:
    """Miss rate of intervals from fixed residuals, in a world whose noise doubles half way."""
    scores = np.sort(np.abs(rng.normal(size=1000)))
    alpha, missed = 0.1, []
    for row in range(rows):
        if alpha <= 0:
            limit = np.inf
        else:
            limit = conformal.quantile(scores, max(0.0, 1 - alpha)) if alpha < 1 else 0.0
        miss = abs(rng.normal() * (1.0 if row < rows // 2 else 2.0)) > limit
        missed.append(miss)
        if step:
            alpha = adapt(alpha, np.array([miss]), 0.1, step)
    return float(np.mean(missed[rows // 2 :]))


@pytest.mark.parametrize("seed", range(3))
def test_coverage_comes_back_after_the_noise_doubled(seed: int) -> None:
    still = adaptive(np.random.default_rng(seed), 0.0)
    moving = adaptive(np.random.default_rng(seed), 0.01)
    assert still > 0.35
    assert moving == pytest.approx(0.1, abs=(1 + 0.01) / (2000 * 0.01))  # Gibbs & Candès' bound


def test_order_within_a_batch_of_labels_does_not_matter() -> None:
    missed = np.random.default_rng(0).uniform(size=50) < 0.3
    one = adapt(0.1, missed, 0.1, 0.01)
    assert adapt(adapt(0.1, missed[:20], 0.1, 0.01), missed[20:], 0.1, 0.01) == pytest.approx(one)
