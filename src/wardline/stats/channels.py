"""What may change of a column, each a stream for the e-detector: missing, shares of values, level, spread."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.rates import Rate
from wardline.stats.season import PERIODS, Season, helps
from wardline.stats.sequential import log_ratios
from wardline.stats.whitening import FEWEST, Whitening, block_means

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Seen = tuple[Floats, Bools]

FEW = 12
"""Different values in a reference up to which they are watched one by one, numbers too."""

SLACK = 0.02
"""A share of rows that moves by no more is no change; missing and new values may be rarer."""

_POSITIVE = 3.0  # largest over smallest value from which a logarithm may fit better


class Channel(NamedTuple):
    """One thing watched of a column: `look` turns rows and their times into log likelihood ratios."""

    kind: str
    value: float
    look: Callable[[Floats, Floats], Seen]


class Known(NamedTuple):
    """What is learned once and kept after a change: seasons, and whether logarithms are taken."""

    seasons: tuple[Season, ...] = ()
    log: bool = False


def channels(
    values: Floats, times: Floats, block: int, *, known: Known | None, seasons: Sequence[str], names: bool
) -> tuple[list[Channel], Known]:
    """Learn from a stretch of one column, shape (n,), what to watch in what comes after it.

    NaN is missing. `names` says that the numbers are codes of categories. Rows are taken `block` at a time.
    `seasons` are those to be learned, `known` what was learned of them before.
    """
    found: list[Channel] = []
    missing = Rate.learn(*_hits(np.isnan(values), np.ones(len(values), dtype=np.bool_), block))
    if missing is not None:
        found.append(Channel("missing", math.nan, _rate(missing, np.isnan, _all, block)))
    present = values[np.isfinite(values)]
    different, counts = np.unique(present, return_counts=True)
    if len(different) and (names or len(different) <= FEW):
        found += _shares(values, different[np.argsort(-counts)], block)
        return found, known or Known()
    if len(present) < FEWEST:
        return found, known or Known()
    known = known or _known(values, times, block, seasons)
    found += _level(values, times, block, known)
    return found, known


def _all(values: Floats) -> Bools:
    return np.ones(len(values), dtype=np.bool_)


def _here(values: Floats) -> Bools:
    return ~np.isnan(values)


def _hits(hit: Bools, among: Bools, block: int) -> tuple[Floats, Floats]:
    whole = len(hit) // block * block
    hits = (hit & among)[:whole].reshape(-1, block).sum(axis=1).astype(np.float64)
    return hits, among[:whole].reshape(-1, block).sum(axis=1).astype(np.float64)


def _rate(
    rate: Rate, hit: Callable[[Floats], Bools], among: Callable[[Floats], Bools], block: int
) -> Callable[[Floats, Floats], Seen]:
    def look(values: Floats, _: Floats) -> Seen:
        hits, rows = _hits(hit(values), among(values), block)
        return rate.log_ratios(hits, rows), rows > 0

    return look


def _shares(values: Floats, different: Floats, block: int) -> Iterator[Channel]:
    """The share of each frequent value, and of values that the reference does not have."""
    here = _here(values)

    def new(values: Floats) -> Bools:
        place = np.minimum(np.searchsorted(sorted_, values), len(sorted_) - 1)
        strange: Bools = sorted_[place] != values
        return strange

    sorted_ = np.sort(different)
    # The half of the reference that came first says how often the other half had something new.
    first = np.unique(values[: len(values) // 2][here[: len(values) // 2]])
    rest = values[len(values) // 2 :]
    unseen = ~np.isin(rest, first) & _here(rest)
    often = Rate.learn(*_hits(unseen, _here(rest), block))
    if often is not None and often.low < 0.5:
        yield Channel("new value", math.nan, _rate(often, new, _here, block))
    if len(different) == 1:
        return
    for value in different[:FEW].tolist():
        share = Rate.learn(*_hits(values == value, here, block), SLACK)
        if share is not None:
            hit = lambda values, value=value: values == value  # noqa: E731 - one expression, bound here
            yield Channel("share", value, _rate(share, hit, _here, block))


def _known(values: Floats, times: Floats, block: int, seasons: Sequence[str]) -> Known:
    """Choose logarithms by likelihood, and learn the seasons asked for, or those that help."""
    means, moments = block_means(values, block), times[: len(values) // block * block : block]
    log = _logarithmic(means)
    left = np.log(means) if log else means
    found: list[Season] = []
    for name in seasons or ():
        if name == "auto":
            for each in ("year", "week", "day"):
                if each == "day" and any(season.period == PERIODS["week"] for season in found):
                    continue
                if helps(each, moments, left):
                    season = Season.learn(each, moments, left)
                    if season is not None:
                        found.append(season)
                        left = season.without(moments, left)
            continue
        season = Season.learn(name, moments, left)
        if season is not None:
            found.append(season)
            left = season.without(moments, left)
    return Known(tuple(found), log)


def _logarithmic(means: Floats) -> bool:
    """Say whether logarithms are the likelier normal steps (Box & Cox 1964): prices move in per cent."""
    seen = means[np.isfinite(means)]
    if len(seen) < FEWEST or seen.min() <= 0 or seen.max() < _POSITIVE * seen.min():
        return False
    raw, logs = np.diff(seen).std(), np.diff(np.log(seen)).std()
    return bool(logs > 0 and math.log(logs) + float(np.log(seen).mean()) < math.log(max(raw, 1e-300)))


def _level(values: Floats, times: Floats, block: int, known: Known) -> Iterator[Channel]:
    def steady(values: Floats, times: Floats) -> Floats:
        means, moments = block_means(values, block), times[: len(values) // block * block : block]
        if known.log:
            means = np.log(np.where(means > 0, means, np.nan))
        for season in known.seasons:
            means = season.without(moments, means)
        return means

    learned = steady(values, times)
    level = Whitening.learn(learned)
    if level is None:
        return

    def look(values: Floats, times: Floats) -> Seen:
        return _ratios(level.white(steady(values, times), past), level.slack)

    past = learned[np.isfinite(learned)][-len(level.lags) :] if len(level.lags) else np.zeros(0)
    yield Channel("level", math.nan, look)
    around = np.abs(level.innovations(learned))
    spread = Whitening.learn(around)
    if spread is None:
        return

    def wide(values: Floats, times: Floats) -> Seen:
        steps = np.abs(level.innovations(steady(values, times), past))
        return _ratios(spread.white(steps, last), spread.slack)

    around = around[np.isfinite(around)]
    last = around[-len(spread.lags) :] if len(spread.lags) else np.zeros(0)
    yield Channel("spread", math.nan, wide)


def _ratios(z: Floats, slack: float) -> Seen:
    here = np.isfinite(z)
    return np.where(here[:, None], log_ratios(np.where(here, z, 0.0), slack), 0.0), here
