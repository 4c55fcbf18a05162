"""Business figures against their targets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from wardline.monitor.signal import Standing
from wardline.owner import Business
from wardline.stats.intervals import bootstrap
from wardline.truth import Figure

LEAST, NEWEST = 8, 30
"""Figures without which nothing is said of a metric, and how many of the newest are judged."""

_DRAWS_SEED = 20  # the resampling is the same every time it is shown


class Standings(msgspec.Struct, frozen=True):
    """How a metric stands: the mean of its newest `rows` figures with its interval at 95 %, and the bound it
    may not pass. `worse` says which way is worse; without a bound nothing is judged."""

    metric: str
    rows: int
    mean: float
    low: float
    high: float
    bound: float | None
    worse: str
    standing: Standing
    says: str


def business(figures: Sequence[Figure], declared: Business | None) -> list[Standings]:
    """Judge each metric by its newest figures; the declared one comes first, also where none came.

    The bound is a figure's own target, else the declared baseline and degradation. Alert where the whole
    interval is past it, warn where the mean is.
    """
    names = dict.fromkeys(([declared.metric] if declared else []) + [each.metric for each in figures])
    return [
        _judge(name, [each for each in figures if each.metric == name][-NEWEST:], declared) for name in names
    ]


def target(name: str, newest: Sequence[Figure], declared: Business | None) -> tuple[float | None, str]:
    """Return the bound of a metric, None where it has none, and which way is worse."""
    mine = declared if declared is not None and declared.metric == name else None
    worse = mine.worse if mine is not None else "up"
    targets = [each.target for each in newest if each.target is not None]
    bound = targets[-1] if targets else None
    if bound is None and mine is not None:
        bound = mine.baseline + (mine.degradation if worse == "up" else -mine.degradation)
    return bound, worse


def _judge(name: str, newest: Sequence[Figure], declared: Business | None) -> Standings:
    bound, worse = target(name, newest, declared)
    values = np.array([each.value for each in newest])
    if len(values) < LEAST:
        says = f"not enough data: {len(values)} figures, {LEAST} needed"
        mean = float(values.mean()) if len(values) else math.nan
        return Standings(
            name, len(values), mean, -math.inf, math.inf, bound, worse, Standing.INSUFFICIENT, says
        )
    low, high = bootstrap(lambda drawn: drawn.mean(axis=1), values, np.random.default_rng(_DRAWS_SEED))
    mean = float(values.mean())
    standing, says = Standing.OK, "" if bound is not None else "no target is declared for it"
    if bound is not None:
        sign = 1.0 if worse == "up" else -1.0
        if sign * (mean - bound) > 0:
            past = min(sign * low, sign * high) > sign * bound
            standing = Standing.ALERT if past else Standing.WARN
            says = f"past {bound:g}" if past else f"past {bound:g}, perhaps by chance"
    return Standings(name, len(values), mean, low, high, bound, worse, standing, says)
