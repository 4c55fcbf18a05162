"""Which answers may be judged by their labels: those old enough for their labels to have come."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.labelling import Labelling
from wardline.log.labelled import Labelled
from wardline.stats.lag import lag_quantile

_AGES = (("under an hour", 3600.0), ("an hour to a day", 86_400.0), ("1 to 7 days", 604_800.0),
         ("7 to 30 days", 2_592_000.0), ("over 30 days", np.inf))  # fmt: skip


class Age(NamedTuple):
    """How many answers of an age there are, and how many of them have a label."""

    name: str
    answered: int
    labelled: int


class Maturity(NamedTuple):
    """Answers before `until` (nanoseconds) are matured: the labels they will get have come.

    `lag_s` is NaN, and nothing matured, where too few labels came to say how late they come.
    """

    lag_s: float
    until: int
    declared: bool


def by_age(known: Labelled, now: float) -> list[Age]:
    """Count answers and labels by age of the answer; `now` is seconds since the epoch."""
    ages = now - known.time / 1e9
    edges = np.array([0.0, *(edge for _, edge in _AGES)])
    place = np.clip(np.searchsorted(edges, ages, side="right") - 1, 0, len(_AGES) - 1)
    answered = np.bincount(place, minlength=len(_AGES))
    labelled = np.bincount(place[known.has], minlength=len(_AGES))
    return [Age(name, int(answered[i]), int(labelled[i])) for i, (name, _) in enumerate(_AGES)]


def maturity(known: Labelled, declared: Labelling, now: float) -> Maturity:
    """Say up to when answers are matured."""
    has = known.has
    return maturity_of(known.lag_s[has], known.time[has], known.newest_label, declared, now)


def maturity_of(
    lags: NDArray[np.float64], times: NDArray[np.int64], newest: int, declared: Labelling, now: float
) -> Maturity:
    """Say it by how late labels came (seconds) for answers of which times; `newest` is when the last came.

    The lag is the declared one, else the one within which the declared share of labels comes, corrected for
    those that are still to come. Nothing is matured that is younger than the lag before the last label came:
    where labels are brought once a month, last week's answers are not wrong, they are unjudged.
    """
    if declared.lag_s is not None:
        return Maturity(declared.lag_s, int((now - declared.lag_s) * 1e9), declared=True)
    if len(lags) < declared.least:
        return Maturity(float("nan"), 0, declared=False)
    seen = min(now, newest / 1e9) if newest else now
    lag = lag_quantile(lags, seen - times / 1e9, declared.matured)
    return Maturity(lag, int((seen - lag) * 1e9), declared=False)


def matured(known: Labelled, until: Maturity) -> Labelled:
    """Return the answers that are matured, labelled or not."""
    return known.take(known.time < until.until)
