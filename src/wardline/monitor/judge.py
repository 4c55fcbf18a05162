"""Judging counts: how far a window lies from what it is held against, and what that is worth. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.monitor.signal import Moved, Signal
from wardline.stats.binomial import at_least
from wardline.stats.dependence import Dependence, dependence
from wardline.stats.psi import HALF, psi
from wardline.stats.student import upper

MOST_MOVED = 5
"""Bins that are named, the heaviest first."""

_EVENTS = np.array([1.0, 0.0])


class Limits(NamedTuple):
    """The effects that warn and alert, and the rows it takes to say so."""

    warn: float
    alert: float
    rows: int


def compare(
    signal: Signal,
    reference: NDArray[np.int64],
    window: NDArray[np.int64],
    limits: Limits,
    *,
    blocks: NDArray[np.int64] | None = None,
    slower: Sequence[NDArray[np.int64]] | None = (),
    label: Callable[[int], str] = str,
    dependent: bool = False,
) -> Signal:
    """Compare a window's counts with a reference's over the same frozen bins, shape (bins,).

    The effect is the PSI. Its p-value counts dependent rows for what they are worth: `blocks`, shape
    (stretches, bins), are counts of the same column in sequence, from which the dependence is estimated
    (`stats.dependence`), `slower` the same over longer stretches; None for `blocks` says that rows are
    known to be independent. The dependence is only looked for where it could change the answer. `dependent`
    says that the reference's rows hang together as well.
    """
    rows = int(window.sum())
    found = psi(reference, window)
    given = Dependence()
    p_value = found.p_value
    if blocks is not None and found.value >= limits.warn and rows >= limits.rows:
        given = dependence(blocks, _toward(reference, window), slower)
        p_value = math.nan
        if (worth := given.worth(rows)) == worth:
            judged = psi(
                reference, window,
                reference_rows=max(1.0, float(reference.sum()) / given.effect) if dependent else None,
                window_rows=worth, freedom=given.freedom,
            )  # fmt: skip
            if judged.degrees:  # else no two bins hold enough of what the rows are worth
                p_value = judged.p_value
    heaviest = np.argsort(-found.contributions)[:MOST_MOVED]
    before, now = reference / max(1, reference.sum()), window / max(1, rows)
    moved = tuple(
        Moved(label(place), float(before[place]), float(now[place]), float(found.contributions[place]))
        for place in heaviest.tolist()
        if found.contributions[place] > 0.1 * found.value and found.value > 0.0
    )
    return _told(
        signal, limits, given, unit="PSI", effect=found.value, p_value=p_value, rows=rows, moved=moved
    )


def exceed(
    signal: Signal,
    events: int,
    rows: int,
    limits: Limits,
    *,
    blocks: NDArray[np.int64] | None = None,
    slower: Sequence[NDArray[np.int64]] | None = (),
    looks: int = 1,
) -> Signal:
    """Judge a share against the most it may be, by the exact binomial tail at that share.

    The p-value is the chance of so many events where the true share is the limit: a share that is at its
    limit alerts no more often than declared. `blocks`, shape (stretches, 2), are events and others in
    sequence. `looks` are the columns among which this one was picked as the worst.
    """
    share = events / rows if rows else 0.0
    given = Dependence()
    p_value = 1.0
    if share >= limits.warn and rows >= limits.rows:
        if blocks is not None:
            given = dependence(blocks, _EVENTS, slower)
        against = limits.alert if share >= limits.alert else limits.warn
        p_value = math.nan
        if (worth := given.worth(rows)) == worth:
            exact = at_least(events / given.effect, worth, against)
            p_value = min(1.0, looks * wider(exact, given.freedom))
    return _told(signal, limits, given, unit="share", effect=share, p_value=p_value, rows=rows)


def _toward(reference: NDArray[np.int64], window: NDArray[np.int64]) -> NDArray[np.float64]:
    """Score bins by how far the window's shares lie off the reference's, in relation to them."""
    before = (reference + HALF) / (reference + HALF).sum()
    now = (window + HALF) / (window + HALF).sum()
    scores: NDArray[np.float64] = (now - before) / before
    return scores


def wider(p_value: float, freedom: float) -> float:
    """Return the p-value of the same deviation where its variance is known to some degrees of freedom only.

    >>> f"{wider(1e-6, 40.0):.2g}", wider(0.01, math.inf), wider(0.0, 40.0) < 1e-20
    ('1.3e-05', 0.01, True)
    """
    if math.isinf(freedom) or p_value >= 0.5:
        return p_value
    return upper(-NormalDist().inv_cdf(max(p_value, 1e-300)), freedom)


def _told(signal: Signal, limits: Limits, given: Dependence, **measured: Any) -> Signal:
    """Return the signal with what was measured; its standing comes from the whole family."""
    worth = measured["rows"] / given.effect if given.known else math.nan
    return msgspec.structs.replace(
        signal, warn=limits.warn, alert=limits.alert, needed=limits.rows, effective=worth,
        plain=measured["effect"] >= limits.alert, **measured,
    )  # fmt: skip
