"""Changes in sequence: an e-detector that may be looked at after every observation, at a declared run length.

The stream must be white: mean zero, variance one and no memory while nothing changes. `stats.whitening`
makes it so; fed with dependent values, every detector of this kind cries wolf.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIZES = (0.25, 0.5, 1.0, 2.0)
"""Sizes of change, in standard deviations, that are looked for in both directions at once."""

_SHIFTS = np.array([*SIZES, *(-size for size in SIZES)])
_CLIP = 8.0  # standard deviations beyond which an observation says no more
_FULL = 1e200  # evidence is told apart up to here: what is beyond has alarmed long ago
_WIDTH = 2.0  # standard deviations of the change time's posterior on either side


class Change(NamedTuple):
    """When a stream changed: observations ago, `low` to `high`, and by how much in standard deviations."""

    ago: float
    low: float
    high: float
    size: float


class EDetector:
    """Shiryaev-Roberts mixture e-detector over many white streams at once, with O(1) state a stream.

    Choose it for a change that no single window shows. For each size of shift d it keeps the sum over all
    possible change times of the likelihood ratio of N(d, 1) against N(0, 1); `evidence` is their mean over
    the sizes. While nothing changes its expectation is the number of observations since the start, so
    stopping at c gives a run length of at least c to a false alarm, whenever one looks, and the chance of a
    false alarm within n observations is at most n / c (Shin, Ramdas & Rinaldo 2022, arXiv 2203.03532). For
    k streams with one promise stop at k * c. Shifts within `slack` of zero are no change: that is where the
    uncertainty of a mean estimated on n reference values goes (2 / sqrt(n)).

    >>> detector = EDetector(1)
    >>> for z in [0.3, -0.4, 0.1] * 20 + [1.9, 1.1, 1.4] * 10:
    ...     if detector.observe(np.array([z]))[0] >= 10_000:
    ...         break
    >>> detector.seen.tolist(), round(detector.change(0).ago), detector.change(0).size > 0
    ([70], 11, True)
    """

    def __init__(self, streams: int, *, slack: float | NDArray[np.float64] = 0.0) -> None:
        self.slack = np.broadcast_to(np.asarray(slack, dtype=np.float64), (streams,)).copy()
        self.seen = np.zeros(streams, dtype=np.int64)
        # For each stream and shift: sums over change times of the likelihood ratio, times the age of the
        # change to the power 0, 1 and 2. The last two tell when it was.
        self.sums = np.zeros((streams, len(_SHIFTS), 3))

    @property
    def evidence(self) -> NDArray[np.float64]:
        """How much speaks for a change in each stream, shape (streams,): compare with the run length."""
        mean: NDArray[np.float64] = self.sums[:, :, 0].mean(axis=1)
        return mean

    def observe(self, z: Floats) -> NDArray[np.float64]:
        """Take one observation a stream, shape (streams,), NaN for none; return the evidence."""
        here = np.isfinite(z)
        ratio = np.exp(log_ratios(np.where(here, z, 0.0), self.slack))
        old, one, two = np.moveaxis(self.sums, 2, 0)
        fresh = np.stack([old + 1.0, one + old + 1.0, two + 2.0 * one + old + 1.0], axis=2)
        fresh *= ratio[:, :, None]
        full = fresh[:, :, 2].max(axis=1) / _FULL
        fresh /= np.maximum(full, 1.0)[:, None, None]
        self.sums = np.where(here[:, None, None], fresh, self.sums)
        self.seen += here
        return self.evidence

    def change(self, stream: int) -> Change:
        """Say when the stream changed, if it did: mean and two standard deviations of the sum over times."""
        weights, ages, squares = self.sums[stream].T
        whole = weights.sum()
        if whole <= 0.0:
            return Change(math.nan, math.nan, math.nan, 0.0)
        mean = ages.sum() / whole
        spread = math.sqrt(max(0.0, squares.sum() / whole - mean**2))
        size = float(_SHIFTS @ weights / whole)
        low, high = max(1.0, mean - _WIDTH * spread), min(float(self.seen[stream]), mean + _WIDTH * spread)
        return Change(float(mean), float(low), float(high), size)

    def reset(self, streams: NDArray[np.bool_]) -> None:
        """Forget what was seen of some streams, after their alarm was told."""
        self.sums[streams] = 0.0
        self.seen[streams] = 0

    def state(self) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """Return everything it remembers, to be kept over a restart."""
        return {"sums": self.sums.copy(), "seen": self.seen.copy(), "slack": self.slack.copy()}

    @classmethod
    def restored(cls, state: dict[str, NDArray[np.float64] | NDArray[np.int64]]) -> Self:
        """Go on from what `state` returned."""
        detector = cls(len(state["seen"]), slack=np.asarray(state["slack"], dtype=np.float64))
        detector.sums = np.array(state["sums"], dtype=np.float64)
        detector.seen = np.array(state["seen"], dtype=np.int64)
        return detector


def log_ratios(z: Floats, slack: Floats | float = 0.0) -> Floats:
    """Logarithms of the likelihood ratios of each shift for observations, shape (n,) to (n, shifts)."""
    clipped = np.clip(z, -_CLIP, _CLIP)
    given = np.asarray(slack, dtype=np.float64)[..., None] * np.abs(_SHIFTS)
    ratios: Floats = clipped[:, None] * _SHIFTS - given - _SHIFTS**2 / 2
    return ratios


def crossing(z: Floats, limit: float, *, slack: float = 0.0, ahead: int = 512) -> tuple[int, float] | None:
    """Return where the evidence of one stream, shape (n,), first reaches `limit`, and the evidence there.

    The same as `EDetector` observation by observation, whole stretches at a time. NaN counts as nothing.
    None where it never does.

    >>> crossing(np.array([0.3, -0.4, 0.1] * 20 + [1.9, 1.1, 1.4] * 10), 10_000)[0]
    69
    """
    return first(*_seen(z, slack), limit, ahead=ahead)


def change_time(z: Floats, *, slack: float = 0.0, level: float = 0.95) -> tuple[int, int, int]:
    """Say where a stretch that ends after a change changed: the likeliest index, and an interval.

    z, shape (n,), is what `crossing` looked at up to the alarm, or some way beyond. The sum that the
    e-detector keeps is, observation by observation, the posterior of the change time under a flat prior;
    the interval has the mass `level`. The index is that of the first observation after the change.

    >>> change_time(np.array([0.3, -0.4, 0.1] * 20 + [1.9, 1.1, 1.4] * 10))
    (60, 54, 63)
    """
    return when(*_seen(z, slack), level=level)


def first(
    logs: Floats, here: NDArray[np.bool_], limit: float, *, ahead: int = 512
) -> tuple[int, float] | None:
    """The same as `crossing` for any logarithms of likelihood ratios, shape (n, alternatives).

    `here`, shape (n,), says where something was observed: a change begins nowhere else.
    """
    carried = np.full(logs.shape[1], -np.inf)
    start = 0
    while start < len(logs):
        part, seen = logs[start : start + ahead], here[start : start + ahead]
        walk = np.cumsum(part, axis=0)
        before = np.where(seen[:, None], walk - part, np.inf)
        births = np.logaddexp.accumulate(np.vstack([carried, -before]), axis=0)[1:]
        sums = walk + births
        evidence = np.logaddexp.reduce(sums, axis=1) - math.log(logs.shape[1])
        found = np.flatnonzero(evidence >= math.log(limit))
        if len(found):
            return start + int(found[0]), math.exp(min(700.0, float(evidence[found[0]])))
        carried = sums[-1]
        start += ahead
        ahead *= 2
    return None


def when(logs: Floats, here: NDArray[np.bool_], *, level: float = 0.95) -> tuple[int, int, int]:
    """The same as `change_time` for any logarithms of likelihood ratios, shape (n, alternatives)."""
    onward = logs.sum(axis=0) - (np.cumsum(logs, axis=0) - logs)  # of everything from each index on
    onward[~here] = -np.inf
    mass = np.exp(onward - onward.max()).sum(axis=1)
    place = np.cumsum(mass / mass.sum())
    tail = (1.0 - level) / 2.0
    low, high = np.searchsorted(place, [tail, 1.0 - tail])
    return int(mass.argmax()), int(low), int(min(high, len(logs) - 1))


def _seen(z: Floats, slack: float) -> tuple[Floats, NDArray[np.bool_]]:
    here = np.isfinite(z)
    return np.where(here[:, None], log_ratios(np.where(here, z, 0.0), slack), 0.0), here
