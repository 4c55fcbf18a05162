"""The upper tails of Student's t and of Fisher's F, so that p-values need no library."""

from __future__ import annotations

import math

from wardline.stats.chi2 import survival

_TINY = 1e-300
_STEPS = 1_000
_CLOSE = 1e-15


def upper(statistic: float, degrees: float) -> float:
    """Return the chance that a t variable of `degrees` degrees of freedom exceeds `statistic`.

    Half the regularised incomplete beta function of (degrees / 2, 1 / 2), by Lentz's continued fraction
    (Abramowitz & Stegun 26.5.8 and 26.7.1); exact far into the tail. Choose it for means of a few dozen
    values: the normal tail is too light there. Of values that are skewed to the right it errs on the safe
    side: a large one raises the spread with the mean.

    >>> round(upper(2.0, 10), 6), f"{upper(10.0, 20):.3g}", upper(0.0, 3), round(upper(-2.0, 10), 6)
    (0.036694, '1.58e-09', 0.5, 0.963306)
    """
    if degrees <= 0 or statistic != statistic:
        return 1.0
    if math.isinf(statistic):
        return 0.0 if statistic > 0 else 1.0
    half = 0.5 * _beta(degrees / (degrees + statistic * statistic), degrees / 2.0, 0.5)
    return half if statistic >= 0 else 1.0 - half


def ratio(statistic: float, above: float, below: float) -> float:
    """Return the chance that an F variable of `above` and `below` degrees of freedom exceeds `statistic`.

    Choose it for a sum of squares that is held against an estimated variance: with `below` without end it is
    chi-square's tail of `above` times the statistic (Abramowitz & Stegun 26.6.2).

    >>> round(ratio(4.0, 1, 10), 6), ratio(3.0, 0, 5)
    (0.073388, 1.0)
    """
    if above <= 0 or below <= 0 or statistic != statistic or statistic <= 0.0:
        return 1.0
    if math.isinf(below):
        return survival(statistic * above, above)
    return _beta(below / (below + above * statistic), below / 2.0, above / 2.0)


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(scale) * _fraction(x, a, b) / a
    return 1.0 - math.exp(scale) * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0) or _TINY)
    value = d
    for step in range(1, _STEPS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for part in (even, odd):
            d = 1.0 / (1.0 + part * d or _TINY)
            c = 1.0 + part / c or _TINY
            value *= c * d
        if abs(c * d - 1.0) < _CLOSE:
            break
    return value
