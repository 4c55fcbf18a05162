"""The lag of labels, while labels are still coming."""

import numpy as np
import pytest

from wardline.stats.lag import lag_quantile


@pytest.mark.parametrize("seed", range(5))
def test_the_lag_is_right_although_the_slow_labels_of_young_answers_are_still_to_come(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ages = rng.uniform(0, 30, 20_000)  # days: answers came evenly, the last one just now
    lags = rng.exponential(4.0, 20_000)
    came = lags <= ages
    truth = 4.0 * np.log(20.0)  # the 95th percentile: 12 days
    found = lag_quantile(lags[came], ages[came], 0.95)
    assert found == pytest.approx(truth, rel=0.08)
    assert np.quantile(lags[came], 0.95) < 0.9 * truth  # what the plain quantile would have said


def test_few_labels_and_labels_that_all_come_at_once_are_no_trouble() -> None:
    assert np.isnan(lag_quantile(np.zeros(0), np.zeros(0), 0.95))
    assert lag_quantile(np.full(5, 3.0), np.full(5, 3.0), 0.95) == 3.0
    assert lag_quantile(np.array([-1.0, 2.0]), np.array([10.0, 10.0]), 0.5) in (0.0, 2.0)
