"""Dependence between rows: how many independent ones a row is worth, read off counts of blocks."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST_BLOCKS = 8
"""Blocks below which nothing is known of dependence."""

LEAST_WORTH = 20.0
"""Independent rows below which a window says nothing: it may show one turn of what comes in turns."""

_SPREADS = (1, 2, 4, 8)  # neighbouring blocks are joined: dependence may reach further than one
_LEAST_JOINED = 16  # joined blocks below which the luck of a few would decide
_SURE = 3.09  # the standard normal's 99.9th percentile
_GROWS = 1.15  # from one length to a longer one
_LONGER = 1.9  # times as long: the newest stretch of each length is not full yet
_DOUBT = 1.28  # standard errors that a longer length may lie above a shorter one

_NORMAL = NormalDist()


class Dependence(NamedTuple):
    """`effect`: how many dependent rows are worth one (1: independent); `freedom`: the degrees of freedom it
    was estimated with, infinite where rows do not hang together beyond chance. They make F of chi-square and
    Student's t of the normal (Kiefer & Vogelsang 2005)."""

    effect: float = 1.0
    freedom: float = math.inf

    @property
    def known(self) -> bool:
        """False where there were too few blocks to say anything."""
        return self.effect == self.effect

    def worth(self, rows: float) -> float:
        """How many independent rows so many are worth; NaN where that is unknown, or too few to judge by."""
        worth = rows / self.effect
        return worth if self.effect <= 1.0 or worth >= LEAST_WORTH else math.nan


UNKNOWN = Dependence(math.nan)


class _Found(NamedTuple):
    """What stretches of one length show: `rows` of a stretch on average, and the design effect there."""

    rows: float
    effect: float
    freedom: float
    tails: float = 1.0
    """What a difference is worth beside one of a normal variable: few rare runs make few large ones."""


def dependence(
    blocks: NDArray[np.int64],
    toward: NDArray[np.float64],
    slower: Sequence[NDArray[np.int64]] | None = (),
) -> Dependence:
    """Estimate the dependence between rows from counts, shape (blocks, bins), of stretches in sequence.

    `toward` is the score of each bin, shape (bins,): what is asked about is the mean score. For shares p
    that should be q it is (p - q) / q: the chi-square of the deviation over the effect along itself is at
    most one of independent rows (Cauchy & Schwarz), however unevenly dependence falls on the bins.

    Independent rows make neighbouring stretches differ by the variance of a row over their sizes, dependent
    ones by a multiple: the design effect (Kish 1965, by von Neumann's 1941 differences). It grows with the
    length of the stretches until they are longer than the dependence reaches: stretches are joined in twos,
    fours and eights, and `slower` are counts of the same in longer stretches over more time (None: they
    would be needed, and are not there). The shortest length that no longer one contradicts counts (Lepski
    1991), drawn on to infinite length where it still grows. Where no longer stretches confirm it, nothing is
    known: the evidence has to wait. One change, between two stretches or within one, is left out: a change
    does not pass for dependence.

    Rows that come in turns of 25 on one side and 25 on the other are worth less than rows at random:

    >>> turns = np.tile([[25, 0], [0, 25], [25, 0], [25, 0], [0, 25]], (8, 1))
    >>> side = np.array([1.0, 0.0])
    >>> dependence(turns, side).effect > 10, dependence(turns[:5], side).known
    (True, False)
    """
    if slower is None or int((blocks.sum(axis=1) > 0).sum()) < LEAST_BLOCKS:
        return UNKNOWN
    found = sorted(each for counts in (blocks, *slower) for each in _lengths(counts, toward))
    if not found:  # all rows score alike
        return Dependence()
    shortest = found[0]
    smooth = shortest.effect < _quantile(shortest.freedom, -_SURE)  # neighbours are alike: it is all slower
    if not smooth and all(each.effect <= _quantile(each.freedom, _SURE) for each in found):
        return Dependence(max(1.0, *(each.effect for each in found if each.freedom >= shortest.freedom / 4)))
    return _long_run(found)


def _long_run(found: list[_Found]) -> Dependence:
    """Return what the effect grows to, by the shortest length that all longer ones agree with."""
    place = next(place for place in range(len(found)) if _settled(found[place], found[place + 1 :]))
    at = found[place]
    longer = next((each for each in found[place + 1 :] if each.rows >= _LONGER * at.rows), None)
    if longer is None:
        return UNKNOWN
    # What is missing at a length L is c / L: two lengths tell where it goes (Richardson's extrapolation).
    limit = (longer.rows * longer.effect - at.rows * at.effect) / (longer.rows - at.rows)
    if limit <= _GROWS * at.effect:
        return Dependence(max(1.0, at.effect), at.freedom * at.tails)
    return Dependence(max(1.0, limit), longer.freedom * longer.tails / 1.5)


def _settled(at: _Found, longer: list[_Found]) -> bool:
    """Say whether the effect grows no more from this length on, beyond what chance explains."""
    return all(
        each.effect
        <= at.effect * _GROWS * math.exp(_DOUBT * math.sqrt(2.0 / each.freedom + 2.0 / at.freedom))
        for each in longer
    )


def _lengths(blocks: NDArray[np.int64], toward: NDArray[np.float64]) -> Iterator[_Found]:
    """Give the effect by the length of the stretches, of those that are many enough."""
    rows = blocks.sum(axis=1).astype(np.float64)
    seen = rows > 0
    if not seen.any():
        return
    rows, shares = rows[seen], blocks.sum(axis=0) / blocks.sum()
    centred = toward - shares @ toward
    variance = float(shares @ centred**2)
    if variance <= 1e-12 * float(toward @ toward):
        return
    scores = blocks[seen] @ centred
    for spread in _SPREADS:
        count = len(rows) // spread
        if count < (LEAST_BLOCKS if spread == 1 else _LEAST_JOINED):
            return
        size, total = (
            each[len(rows) - count * spread :].reshape(count, spread).sum(axis=1) for each in (rows, scores)
        )
        means = total / size
        gaps = (means[1:] - means[:-1]) / np.sqrt(variance * (1.0 / size[1:] + 1.0 / size[:-1]))
        left = _without_change(gaps)
        # Differences share a block with the next: of n of them, about two thirds are free (Seber & Lee).
        effect = float((left**2).mean()) / _without_largest(len(gaps))
        yield _Found(float(size.mean()), effect, len(left) / 1.5, _tails(left))


def _tails(gaps: NDArray[np.float64]) -> float:
    """Return how much more their squares vary than those of normal variables, as a share of at most one."""
    squares = gaps**2
    spread = float(squares.var())
    return min(1.0, 2.0 * float(squares.mean()) ** 2 / spread) if spread > 0.0 else 1.0


def _without_change(gaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out the largest difference, and the one beside it that goes on in its direction: one change."""
    top = int(np.abs(gaps).argmax())
    beside = [at for at in (top - 1, top + 1) if 0 <= at < len(gaps) and gaps[at] * gaps[top] > 0]
    return np.delete(gaps, [top, *sorted(beside, key=lambda at: -abs(gaps[at]))[:1]])


def _quantile(degrees: float, z: float) -> float:
    """A quantile of chi-square over its degrees (Wilson & Hilferty 1931), by the standard normal's."""
    spread = 2.0 / (9.0 * degrees)
    return max(0.0, 1.0 - spread + z * math.sqrt(spread)) ** 3


@functools.cache
def _without_largest(many: int) -> float:
    """Mean of `many` squared standard normals without the largest of them."""
    ranks = (np.arange(400) + 0.5) / 400
    largest = [_NORMAL.inv_cdf((1.0 + rank) / 2.0) ** 2 for rank in (ranks ** (1.0 / many)).tolist()]
    return (many - float(np.mean(largest))) / (many - 1)
