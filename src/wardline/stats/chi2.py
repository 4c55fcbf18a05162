"""The tail of the chi-square distribution, so that p-values need no library beyond the standard one."""

from __future__ import annotations

import math

_TINY = 1e-300
_CLOSE = 1e-16
_STEPS = 10_000


def survival(statistic: float, degrees: float) -> float:
    """Probability that a chi-square variable of `degrees` degrees of freedom exceeds `statistic`.

    Regularised upper incomplete gamma function Q(degrees / 2, statistic / 2): its series left of the mode,
    Lentz's continued fraction right of it (Abramowitz & Stegun 6.5.29 and 6.5.31). Choose it wherever a
    p-value is printed. Without degrees of freedom there is nothing to test: 1.0.

    >>> survival(3.841458820694124, 1)
    0.05000000000...
    >>> survival(0.0, 9)
    1.0
    """
    if degrees <= 0 or statistic <= 0.0:
        return 1.0
    if math.isinf(statistic):
        return 0.0
    shape, x = degrees / 2.0, statistic / 2.0
    scale = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    if x < shape + 1.0:
        return max(0.0, 1.0 - scale * _series(shape, x))
    return min(1.0, scale * _fraction(shape, x))


def quantile(level: float, degrees: float) -> float:
    """Return the value that a chi-square variable exceeds with probability `level`, by bisection.

    >>> round(quantile(0.05, 1), 6), round(quantile(1e-6, 9), 3)
    (3.841459, 44.811)
    """
    low, high = 0.0, 1.0
    while survival(high, degrees) > level:
        low, high = high, 2.0 * high
    for _ in range(100):
        middle = (low + high) / 2.0
        low, high = (middle, high) if survival(middle, degrees) > level else (low, middle)
    return high


def _series(shape: float, x: float) -> float:
    term = total = 1.0 / shape
    for step in range(1, _STEPS):
        term *= x / (shape + step)
        total += term
        if term < total * _CLOSE:
            break
    return total


def _fraction(shape: float, x: float) -> float:
    b = x + 1.0 - shape
    c, d = 1.0 / _TINY, 1.0 / b
    value = d
    for step in range(1, _STEPS):
        a = step * (shape - step)
        b += 2.0
        d = 1.0 / (a * d + b or _TINY)
        c = b + a / c or _TINY
        value *= c * d
        if abs(c * d - 1.0) < _CLOSE * 4:
            break
    return value
