"""Student's t tail against an independent implementation."""

import pytest
from scipy import stats

from wardline.stats.student import ratio, upper


@pytest.mark.parametrize("degrees", [1, 2.5, 7, 30, 400, 9_999])
@pytest.mark.parametrize("statistic", [-3.0, 0.0, 0.1, 1.0, 4.0, 12.0, 37.0])
def test_the_tail_is_exact_far_out(statistic: float, degrees: float) -> None:
    assert upper(statistic, degrees) == pytest.approx(stats.t.sf(statistic, degrees), rel=1e-8, abs=1e-290)


def test_without_degrees_of_freedom_nothing_is_evident() -> None:
    assert upper(5.0, 0.0) == upper(float("nan"), 5.0) == 1.0
    assert (upper(float("inf"), 3), upper(float("-inf"), 3)) == (0.0, 1.0)


@pytest.mark.parametrize("below", [3.0, 41.0, float("inf")])
@pytest.mark.parametrize("statistic", [0.1, 1.0, 5.0, 40.0])
def test_the_tail_of_f_is_exact_far_out(statistic: float, below: float) -> None:
    exact = stats.chi2.sf(statistic * 4, 4) if below == float("inf") else stats.f.sf(statistic, 4, below)
    assert ratio(statistic, 4, below) == pytest.approx(exact, rel=1e-8)
