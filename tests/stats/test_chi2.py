"""The chi-square tail against scipy."""

import itertools
import math

import pytest
from scipy.stats import chi2

from wardline.stats.chi2 import survival


@pytest.mark.parametrize("degrees", [1, 2, 3, 9, 20, 101, 1000])
def test_it_agrees_with_scipy_to_ten_digits(degrees):
    for times in (1e-6, 0.01, 0.1, 0.5, 0.9, 1.0, 1.1, 1.5, 2.0, 3.0, 5.0, 10.0, 50.0):
        statistic = degrees * times
        assert survival(statistic, degrees) == pytest.approx(
            chi2.sf(statistic, degrees), rel=1e-10, abs=1e-300
        )


def test_it_never_leaves_zero_to_one_and_never_rises():
    tails = [survival(step / 10, 7) for step in range(2000)]
    assert all(0.0 <= tail <= 1.0 for tail in tails)
    assert all(left >= right for left, right in itertools.pairwise(tails))


def test_nothing_to_test_is_no_evidence():
    assert survival(5.0, 0) == 1.0
    assert survival(-1.0, 3) == 1.0
    assert survival(math.inf, 3) == 0.0
