"""A few dozen rows to label, drawn so that what they say of all rows has a bounded error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.intervals import LEVEL, normal_quantile, wilson
from wardline.stats.performance import Measure

Floats = NDArray[np.float64]


class Stratum(NamedTuple):
    """What is known of one stratum: how many rows there are, and the losses of those drawn and labelled."""

    size: int
    losses: Floats


def allocate(sizes: Sequence[int], spreads: Sequence[float], total: int) -> list[int]:
    """Share `total` rows out over strata in proportion to size times expected spread (Neyman 1934).

    Each stratum gets two, so that its own spread can be seen, as long as there are enough; none gets more
    than it has. `total` may not be reached where there are fewer rows.

    >>> allocate([1000, 100, 1], [0.1, 0.5, 0.5], 33)
    [21, 11, 1]
    """
    n = np.array(sizes, dtype=np.int64)
    given = np.minimum(n, 2 if 2 * len(n) <= total else 1)
    weight = n * np.maximum(np.array(spreads, dtype=np.float64), 1e-9)
    while (left := total - int(given.sum())) > 0 and (given < n).any():
        wanted = np.where(given < n, weight * total / weight.sum() - given, -np.inf)
        given[int(np.argmax(wanted))] += 1
        if left == 1:
            break
    return [int(each) for each in given]


def estimate(strata: Sequence[Stratum], *, shares: bool, level: float = LEVEL) -> Measure:
    """Estimate the mean loss of all rows from a stratified random sample (Horvitz & Thompson 1952).

    Each row drawn stands for size / drawn rows of its stratum; with labels missing, for size / labelled
    (Hájek). `shares` says that losses are 0 or 1: the interval is then Wilson's at the sample's effective
    size, honest where nothing wrong was seen; else it is Student's. Strata of which nothing is labelled are
    taken to be like the rest, and widen nothing: label at least one row of each.
    """
    seen = [stratum for stratum in strata if len(stratum.losses)]
    total = sum(stratum.size for stratum in seen)
    drawn = sum(len(stratum.losses) for stratum in seen)
    if not total or not drawn:
        return Measure(math.nan, -math.inf, math.inf)
    weights = np.array([stratum.size / total for stratum in seen])
    means = np.array([stratum.losses.mean() for stratum in seen])
    value = float(weights @ means)
    pooled = np.concatenate([stratum.losses - stratum.losses.mean() for stratum in seen])
    whole = float((pooled**2).sum() / max(1, drawn - len(seen)))
    variance = 0.0
    for weight, stratum in zip(weights.tolist(), seen, strict=True):
        n = len(stratum.losses)
        own = float(stratum.losses.var(ddof=1)) if n > 1 else whole
        if shares:
            smooth = (float(stratum.losses.sum()) + 0.5) / (n + 1.0)
            own = smooth * (1.0 - smooth)
        variance += weight**2 * (1.0 - n / stratum.size) * own / n
    if shares:
        if variance <= 0.0:
            return Measure(value, value, value)
        middle = min(max(value, 0.5 / drawn), 1.0 - 0.5 / drawn)
        effective = middle * (1.0 - middle) / variance
        return Measure(value, *wilson(value * effective, effective, level))
    half = _student(level, max(1, drawn - len(seen))) * math.sqrt(variance)
    return Measure(value, value - half, value + half)


def _student(level: float, degrees: int) -> float:
    """Return Student's two-sided quantile, by Cornish and Fisher's expansion: to 1 % from 3 degrees on."""
    z = normal_quantile(level)
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + g1 / degrees + g2 / degrees**2 + g3 / degrees**3
