"""Dependence between rows: how many independent ones a row is worth, read off counts of blocks."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST_BLOCKS = 8
"""Blocks below which nothing is known of dependence."""

_SPREADS = (1, 2, 4, 8)  # neighbouring blocks are joined: dependence may reach further than one
_TRIM, _MOST_CUT = 0.15, 3  # share, and number, of neighbours left out: a change falls between few of them
_GROWS, _STRONG = 1.4, 4.0  # from one doubling to the next, and from where on it matters
_LEAST_GAPS = 32  # differences below which the largest effect would be the luckiest one
_SURE = 3.09  # the standard normal's 99.9th percentile


class Dependence(NamedTuple):
    """`effect`: how many dependent rows are worth one (1: independent); `clumping`: how unevenly that falls
    on the bins (0: evenly). Both enter the p-value as Rao & Scott's (1984) correction does, with the heaviest
    contrast's weight where that is more, for far tails."""

    effect: float = 1.0
    clumping: float = 0.0

    @property
    def known(self) -> bool:
        """False where there were too few blocks to say anything."""
        return self.effect == self.effect


UNKNOWN = Dependence(float("nan"), 0.0)


def dependence(blocks: NDArray[np.int64], slower: NDArray[np.int64] | None = None) -> Dependence:
    """Estimate the dependence between rows from counts, shape (blocks, bins), of stretches in sequence.

    Dependence that reaches further than an eighth of what the blocks span is not seen in them: of an AR(0.99)
    over one window of a thousand rows half of it. `slower` are counts of the same in longer stretches over
    more time; the larger effect of both counts. Where those stretches are too few (`slower` is there, and
    short), or where the effect still grows with the length of the longest stretches, nothing is known:
    the evidence has to wait.

    Independent rows make neighbouring blocks differ by chi-square with its degrees of freedom on average,
    dependent ones by a multiple: the design effect (Kish 1965, by von Neumann's 1941 differences). A
    change falls between two blocks, so the largest few differences are left out: a change does not pass
    for dependence. Blocks are also joined in twos, fours and eights; the largest effect counts.

    Rows that come in turns of 25 on one side and 25 on the other are worth less than rows at random:

    >>> turns = np.tile([[25, 0], [0, 25], [25, 0], [25, 0], [0, 25]], (8, 1))
    >>> dependence(turns).effect > 10, dependence(turns[:5]).known
    (True, False)
    """
    found, reached = _dependence(blocks)
    if slower is None or not found.known:
        return found if reached else UNKNOWN
    further, reached = _dependence(slower)
    return max(found, further) if further.known and reached else UNKNOWN


def _dependence(blocks: NDArray[np.int64]) -> tuple[Dependence, bool]:
    """Return the largest effect, and whether it has stopped to grow with the length of the stretches."""
    blocks = blocks[blocks.sum(axis=1) > 0]
    worst = Dependence()
    if len(blocks) < LEAST_BLOCKS:
        return UNKNOWN, True
    effects: list[float] = []
    contrasts = max(1, int((blocks.sum(axis=0) > 0).sum()) - 1)
    for spread in _SPREADS:
        count = len(blocks) // spread
        if count < LEAST_BLOCKS or (spread > 1 and count * contrasts < _LEAST_GAPS):
            break
        joined = blocks[len(blocks) - count * spread :].reshape(count, spread, -1).sum(axis=1)
        found = _neighbours(joined)
        worst = max(worst, found)
        effects.append(found.effect)
    growing = len(effects) > 2 and effects[2] > _GROWS * effects[1] > _GROWS**2 * effects[0]
    return worst, not growing or worst.effect < _STRONG


def _neighbours(blocks: NDArray[np.int64]) -> Dependence:
    """Compare each block with the next: mean and spread of the design effects of all contrasts of bins."""
    kept = _without_thin(blocks)
    degrees = kept.shape[1] - 1
    if degrees < 1:
        return Dependence()
    rows = kept.sum(axis=1, keepdims=True).astype(np.float64)
    shares = kept / rows
    expected = kept.sum(axis=0) / kept.sum()
    scale = np.sqrt(1.0 / rows[:-1] + 1.0 / rows[1:])
    gaps = (shares[1:] - shares[:-1]) / scale / np.sqrt(expected)  # each has unit variance a contrast
    ratios = (gaps**2).sum(axis=1) / degrees
    cut = min(_MOST_CUT, int(len(ratios) * _TRIM))
    left = np.argsort(ratios)[: len(ratios) - cut]
    kept_share = len(left) / len(ratios)
    fair = _trimmed_mean(degrees, kept_share)
    covariance = gaps[left].T @ gaps[left] / (len(left) * fair)
    effect = float(np.trace(covariance)) / degrees
    clumping = degrees * float((covariance**2).sum()) / max(effect * degrees, 1e-12) ** 2 - 1.0
    # Differences share a block with the next: of n of them, about two thirds are free (Seber & Lee).
    spare = 1.5 * degrees / len(left)
    clumping = max(0.0, clumping - spare)
    # Where few contrasts carry it all, the trimmed differences are a few's, and their mean is smaller.
    scale = fair / _trimmed_mean(max(1, round(degrees / (1.0 + clumping))), kept_share)
    # Far out the heaviest contrast alone decides: matching the variance, as the second order does, is too
    # light there. What an even spread would show as the heaviest is taken off (Marchenko & Pastur 1967).
    heaviest = float(np.linalg.eigvalsh(covariance)[-1]) - ((1.0 + np.sqrt(spare)) ** 2 - 1.0) * effect
    # Where rows hang together beyond chance the upper limit counts: few blocks must not make evidence.
    spread = _SURE * math.sqrt(2.0 / (len(left) / 1.5 * degrees / (1.0 + clumping)))
    worth = effect * scale
    if worth * (1.0 - spread) > 1.0:
        worth /= max(0.1, 1.0 - spread)
    return Dependence(max(1.0, float(worth)), max(clumping, float(heaviest) / max(effect, 1e-12) - 1.0))


def _without_thin(blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join the bins that a typical block hardly fills; bins that nothing fell into are left out."""
    whole = blocks.sum(axis=0)
    thin = whole < len(blocks)
    if not thin.any():
        return blocks
    rest = blocks[:, thin].sum(axis=1, keepdims=True)
    kept = blocks[:, ~thin]
    return np.concatenate([kept, rest], axis=1) if rest.any() else kept


@functools.cache
def _trimmed_mean(degrees: int, kept: float) -> float:
    """Mean of the smallest share `kept` of a chi-square over its degrees (Wilson & Hilferty's cube root)."""
    z = np.linspace(-3.5, 3.5 if kept >= 1.0 else NormalDist().inv_cdf(kept), 400)
    weight = np.exp(-z * z / 2)
    spread = 2.0 / (9.0 * degrees)
    ratio = np.maximum(0.0, 1.0 - spread + z * np.sqrt(spread)) ** 3
    return float((ratio * weight).sum() / weight.sum())
