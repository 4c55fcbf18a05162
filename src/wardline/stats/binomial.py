"""The exact upper tail of the binomial, far into it, without a library."""

from __future__ import annotations

import math

_CLOSE = 1e-17


def at_least(count: float, rows: float, rate: float) -> float:
    """Probability of `count` or more among `rows` where each happens at `rate`, independently.

    Choose it for any rate that is judged against a declared one: it is exact at small counts and small
    rates, where the normal approximation cries wolf. Terms are summed from `count` outwards in logarithms,
    so that 1e-12 is as exact as 0.5. Counts may be fractions (rows that count less because they depend on
    each other): they are rounded down, which makes evidence weaker.

    >>> at_least(0, 120, 0.001), round(at_least(1, 120, 0.001), 4)
    (1.0, 0.1131)
    >>> f"{at_least(30, 1000, 0.001):.3g}"
    '9.5e-34'
    """
    k, n = math.floor(count + 1e-9), math.floor(rows + 1e-9)
    if k <= 0 or n <= 0:
        return 1.0
    if rate <= 0.0 or k > n:
        return 0.0
    if rate >= 1.0:
        return 1.0
    if k <= n * rate:  # the nearer tail has fewer terms to lose
        return max(0.0, 1.0 - _tail(n - k + 1, n, 1.0 - rate))
    return min(1.0, _tail(k, n, rate))


def _tail(k: int, n: int, rate: float) -> float:
    """Sum the terms k, k + 1, ...; each is the one before times (n - i) / (i + 1) * rate / (1 - rate)."""
    start = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    start += k * math.log(rate) + (n - k) * math.log1p(-rate)
    odds = rate / (1.0 - rate)
    term = total = 1.0
    for i in range(k, n):
        term *= (n - i) / (i + 1) * odds
        total += term
        if term < total * _CLOSE:
            break
    return math.exp(start) * total if start > -745.0 else 0.0
