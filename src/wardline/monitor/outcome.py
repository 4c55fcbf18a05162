"""What came of the answers, as signals: performance and coverage by labels, and the business figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.labelling import Labelling
from wardline.log.labelled import ClassLabelled, Labelled
from wardline.monitor.business import LEAST, NEWEST, target
from wardline.monitor.coverage import realised
from wardline.monitor.judge import Limits, exceed, wider
from wardline.monitor.performance import LEADING
from wardline.monitor.plan import Watched
from wardline.monitor.signal import Signal
from wardline.monitoring import Monitoring
from wardline.reference import Estimate, Reference
from wardline.stats.dependence import dependence
from wardline.stats.intervals import normal_quantile
from wardline.stats.realised import misses_p_value
from wardline.stats.student import upper
from wardline.truth import Figure

DROP = 0.02
"""Of accuracy, and of coverage: what is lost beyond the reference's own uncertainty before it alerts."""
RISE = 0.10
"""Of the reference's mean absolute error."""
SURE = 0.999
"""Level of the reference's own interval: its worse end is what live answers are held against."""

_STRETCHES = 64
_LEAST_IN = 8  # labelled answers of a stretch, by which dependence is known
_QUARTERS = (0.25, 0.5, 0.75)


def performance(known: Labelled, watched: Watched) -> Iterator[Signal]:
    """`performance.error`: the newest matured labelled answers of each rung, and of the first by slice.

    Of classes the share that is wrong, against the worse end of the reference's interval and two points
    more, by the exact binomial tail; of numbers the mean absolute error, against a tenth more, by Student's
    t. Errors that come in turns count for what they are worth. A slice without a baseline in the reference
    is not judged.
    """
    reference = watched.reference
    for rung in watched.rungs:
        mine = known.take(_of(known, rung))
        profile = reference.rungs.get(rung)
        metric = LEADING[bool(reference.classes)]
        whole = profile.performance.get(metric) if profile else None
        if whole is not None and (len(mine) or rung == watched.rungs[0]):
            yield _performance(mine, (rung, ""), whole, watched.monitoring)
        if rung != watched.rungs[0] or profile is None:
            continue
        for key, found in profile.slices.items():
            column, _, value = key.partition("=")
            baseline, coded = found.get(metric), mine.slices.get(column)
            if baseline is not None and coded is not None and value in coded.names:
                inside = mine.take(coded.codes == list(coded.names).index(value))
                yield _performance(inside, (rung, key), baseline, watched.monitoring)


def _of(known: Labelled, rung: str) -> NDArray[np.bool_]:
    place = list(known.rung.names).index(rung) if rung in known.rung.names else -2
    labelled: NDArray[np.bool_] = (known.rung.codes == place) & known.has
    return labelled


def _performance(some: Labelled, about: tuple[str, str], base: Estimate, monitoring: Monitoring) -> Signal:
    """Judge the newest labelled answers of a rung and slice."""
    rung, where = about
    loss, least = some.loss[-monitoring.rows :], monitoring.labels.least
    reach = normal_quantile(SURE) / normal_quantile(base.level)
    if not isinstance(some, ClassLabelled):
        worse = base.value + (base.high - base.value) * reach
        limits = Limits((1.0 + RISE / 2) * worse, (1.0 + RISE) * worse, least)
        says = f"mean absolute error of {rung}, {base.value:.4g} in the reference"
        return _mean(Signal("performance.error", rung, where, unit="mae", says=says), loss, limits)
    worse = min(1.0, 1.0 - base.value + (base.value - base.low) * reach)
    limits = Limits(worse + DROP / 2, worse + DROP, least)
    says = f"answers of {rung} that were wrong, {1.0 - base.value:.1%} in the reference"
    signal = Signal("performance.error", rung, where, says=says)
    return exceed(signal, int(loss.sum()), len(loss), limits, blocks=_blocks(loss, (0.5,)))


def _blocks(values: NDArray[np.float64], cuts: Sequence[float]) -> NDArray[np.int64]:
    """Count values between cuts, by stretches in sequence: (stretches, cuts + 1)."""
    stretches = max(1, min(_STRETCHES, len(values) // _LEAST_IN))
    place = np.arange(len(values)) * stretches // max(1, len(values))
    many = len(cuts) + 1
    code = place * many + np.searchsorted(np.array(cuts), values, side="right")
    return np.bincount(code, minlength=stretches * many).reshape(stretches, many)


def _mean(signal: Signal, values: NDArray[np.float64], limits: Limits) -> Signal:
    """Judge a mean against the most it may be; dependent values count for what they are worth."""
    count = len(values)
    mean = float(values.mean()) if count else 0.0
    p_value, worth = 1.0, float(count)
    if mean >= limits.warn and count >= limits.rows:
        given = dependence(
            _blocks(values, np.quantile(values, _QUARTERS).tolist()), np.arange(len(_QUARTERS) + 1.0)
        )
        p_value = math.nan
        worth = given.worth(count)
        if worth == worth:
            against = limits.alert if mean >= limits.alert else limits.warn
            error = float(values.std(ddof=1)) / math.sqrt(max(worth, 1.0))
            p_value = upper((mean - against) / max(error, 1e-300), min(worth - 1.0, given.freedom))
    return msgspec.structs.replace(
        signal, effect=mean, warn=limits.warn, alert=limits.alert, p_value=p_value, rows=count,
        needed=limits.rows, effective=worth, plain=mean >= limits.alert,
    )  # fmt: skip


def coverage(known: Labelled, reference: Reference, declared: Labelling, rung: str) -> Signal | None:
    """`coverage.realised`: how far a rung's sets or intervals fall short of the level they state.

    The newest whole block of labelled answers; the p-value is the beta-binomial chance of so many misses at
    a level two points lower. None where the rung states nothing.
    """
    about = _of(known, rung) & known.stated
    if not about.any():
        return None
    found = realised(known, reference, declared, rung)
    says = f"sets or intervals of {rung} that missed the truth beyond 1 - level"
    signal = Signal("coverage.realised", rung, unit="share short", says=says)
    signal = msgspec.structs.replace(
        signal, warn=DROP / 2, alert=DROP, needed=declared.least, rows=found.rows, effective=found.rows
    )
    if found.rows < declared.least:
        return signal
    short = found.level - found.share
    p_value = 1.0
    if short >= DROP / 2:
        last = np.flatnonzero(about)
        last = last[: len(last) - len(last) % found.rows][-found.rows :]
        given = dependence(_blocks(known.covered[last].astype(np.float64), (0.5,)), np.arange(2.0))
        worth = given.worth(found.rows)
        p_value = math.nan
        if worth == worth:
            calibration = reference.rungs[rung].calibration if rung in reference.rungs else None
            scores = 0 if calibration is None else sum(map(len, calibration.scores))
            against = found.level - (DROP if short >= DROP else DROP / 2)
            misses = math.floor((found.rows - found.covered) / given.effect)
            p_value = wider(misses_p_value(misses, math.ceil(worth), scores, against), given.freedom)
        signal = msgspec.structs.replace(signal, effective=worth)
    return msgspec.structs.replace(
        signal, effect=max(0.0, short), p_value=p_value, plain=short >= DROP,
        says=f"{found.share:.1%} of the newest {found.rows} hold the truth, {found.level:.1%} are stated",
    )  # fmt: skip


def business(figures: Sequence[Figure], watched: Watched) -> Iterator[Signal]:
    """`business.target`: the mean of a metric's newest figures beyond its bound, by Student's t.

    Figures that follow the one before are worth fewer: by their autocorrelation of lag one, where it is
    positive (Bartlett 1946, one standard error up). A metric without a bound is not judged.
    """
    declared = watched.launch.business
    names = dict.fromkeys(([declared.metric] if declared else []) + [each.metric for each in figures])
    for name in names:
        newest = [each for each in figures if each.metric == name][-NEWEST:]
        bound, worse = target(name, newest, declared)
        if bound is None:
            continue
        sign = 1.0 if worse == "up" else -1.0
        values = sign * (np.array([each.value for each in newest], np.float64) - bound)
        signal = Signal("business.target", name, unit="beyond the bound", rows=len(values), needed=LEAST)
        if len(values) < LEAST:
            yield signal
            continue
        mean, spread = float(values.mean()), float(values.std(ddof=1))
        worth = len(values) * _freedom(values)
        error = spread / math.sqrt(worth)
        until = datetime.fromtimestamp(newest[-1].at / 1e9, UTC)
        yield msgspec.structs.replace(
            signal, effect=max(0.0, mean), effective=worth, plain=mean > 0,
            p_value=upper(mean / max(error, 1e-300), max(1.0, worth - 1.0)),
            warn=_LITTLE, alert=_LITTLE,
            says=f"{name} is {bound + sign * mean:.4g} over {len(values)} figures until {until:%Y-%m-%d}, "
            f"bound {bound:.4g}",
        )  # fmt: skip


_LITTLE = 1e-12  # a mean beyond its bound at all: the evidence decides


def _freedom(values: NDArray[np.float64]) -> float:
    """Return what a figure is worth as an independent one: by the upper end of its autocorrelation.

    The estimate is too low by (1 + 3 r) / n (Kendall 1954).
    """
    centred = values - values.mean()
    whole = float(centred @ centred)
    if whole <= 0.0:
        return 1.0
    count = len(values)
    follows = (float(centred[1:] @ centred[:-1]) / whole + 1.0 / count) / (1.0 - 3.0 / count)
    follows = min(follows, 0.95)
    follows += math.sqrt(max(0.0, 1.0 - follows**2) / count)  # so few figures tell little of themselves
    follows = max(0.0, min(0.95, follows))
    return (1.0 - follows) / (1.0 + follows)


def told(known: Labelled, watched: Watched) -> list[Signal]:
    """Return all that matured answers say."""
    declared = watched.monitoring.labels
    covered = (coverage(known, watched.reference, declared, rung) for rung in watched.rungs)
    return [*performance(known, watched), *(signal for signal in covered if signal is not None)]
