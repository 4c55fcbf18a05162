"""How good matured answers were, by rung and slice, held against the reference's own performance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.labelling import Labelling
from wardline.log.labelled import Labelled
from wardline.monitor.signal import Standing
from wardline.reference import Estimate, Reference
from wardline.stats.discovery import discoveries
from wardline.stats.intervals import normal_quantile
from wardline.stats.performance import Classification, Measure, Regression

LEADING = {True: "accuracy", False: "mae"}
"""The metric that is judged: of classes, and of numbers. The others are told beside it."""

_DROP = 0.02  # of accuracy: below, it is evident perhaps, but nothing to act on
_RISE = 0.10  # of the reference's mae


class Judged(msgspec.Struct, frozen=True):
    """How one rung did on one slice ("" is all rows), by labels, against the reference.

    `measures` has every metric with its interval at 95 %. `rows` are labelled, of `answered` matured
    answers. `baseline` is the reference's leading metric there, `p_value` the chance of being so much worse
    by luck, NaN without a baseline.
    """

    rung: str
    slice: str
    rows: int
    answered: int
    measures: Mapping[str, Measure]
    baseline: Estimate | None
    p_value: float
    standing: Standing
    says: str = ""


class Tally(NamedTuple):
    """What labels add up to: of a rung and slice ("" is all rows), `rows` labelled of `answered` answers."""

    rung: str
    slice: str
    rows: int
    answered: int
    measures: Mapping[str, Measure]


def performance(
    known: Labelled, reference: Reference, declared: Labelling, rungs: Sequence[str]
) -> list[Judged]:
    """Judge every rung as a whole, and the first by slices; `known` are matured answers only."""
    return judged_of(tallies(known, rungs, classes=bool(reference.classes)), reference, declared)


def judged_of(found: Iterable[Tally], reference: Reference, declared: Labelling) -> list[Judged]:
    """Hold what was tallied against the reference.

    A slice is worse where evidence survives the number of all slices (false discovery rate
    `declared.false_rate`) and the effect matters: accuracy two points lower, mae a tenth higher. Below
    `declared.least` labels the standing is "insufficient".
    """
    judged = [_judge(each, reference) for each in found]
    enough = np.array([j.rows >= declared.least and j.p_value == j.p_value for j in judged], np.bool_)
    p_values = np.array([j.p_value for j in judged])
    worse = np.zeros(len(judged), np.bool_)
    worse[enough] = discoveries(p_values[enough], declared.false_rate)
    return [_settled(each, declared, evident=bool(found)) for each, found in zip(judged, worse, strict=True)]


def tallies(known: Labelled, rungs: Sequence[str], *, classes: bool) -> Iterator[Tally]:
    """Add up answers: every rung as a whole, the first by slices too."""
    for rung in rungs:
        place = known.rung.names.index(rung) if rung in known.rung.names else -2
        mine = known.take(known.rung.codes == place)
        if len(mine) or rung == rungs[0]:
            yield _tally(mine, rung, "", classes=classes)
        if rung != rungs[0]:
            continue
        for column, coded in mine.slices.items():
            for code, value in enumerate(coded.names):
                inside = coded.codes == code
                if inside.any():
                    yield _tally(mine.take(inside), rung, f"{column}={value}", classes=classes)


def _tally(some: Labelled, rung: str, name: str, *, classes: bool) -> Tally:
    scored: Classification | Regression = Classification() if classes else Regression()
    has = some.has
    scored.add(some.value[has], None, some.label[has])
    return Tally(rung, name, int(has.sum()), len(some), scored.measures())


def _judge(found: Tally, reference: Reference) -> Judged:
    classes = bool(reference.classes)
    profile = reference.rungs.get(found.rung)
    known = (
        {} if profile is None else profile.slices.get(found.slice, {}) if found.slice else profile.performance
    )
    baseline, leading = known.get(LEADING[classes]), found.measures.get(LEADING[classes])
    p_value = math.nan
    if leading is not None and baseline is not None:
        gap = (baseline.value - leading.value) if classes else (leading.value - baseline.value)
        errors = [(each.high - each.low) / 2.0 / normal_quantile(0.95) for each in (leading, baseline)]
        p_value = 0.5 * math.erfc(gap / max(math.hypot(*errors), 1e-12) / math.sqrt(2.0))
    return Judged(*found, baseline, p_value, Standing.OK)


def _settled(judged: Judged, declared: Labelling, *, evident: bool) -> Judged:
    if judged.rows < declared.least:
        says = f"not enough data: {judged.rows} labels, {declared.least} needed"
        return msgspec.structs.replace(judged, standing=Standing.INSUFFICIENT, says=says)
    if judged.baseline is None:
        return msgspec.structs.replace(judged, says="the reference has no baseline for it")
    classes = "accuracy" in judged.measures
    base = judged.baseline.value
    value = judged.measures[LEADING[classes]].value
    matters = base - value >= _DROP if classes else value - base >= _RISE * base
    standing = Standing.OK
    if evident:
        standing = Standing.ALERT if matters else Standing.WARN
    says = "" if standing is Standing.OK else f"was {base:.4g} in the reference"
    if judged.rows < 0.5 * judged.answered:
        share = judged.rows / judged.answered
        says = f"{says}; only {share:.0%} have labels, and those may differ from the rest".lstrip("; ")
    return msgspec.structs.replace(judged, standing=standing, says=says)


class Mix(msgspec.Struct, frozen=True):
    """What became of the whole against the reference, split by one slice column (Kitagawa 1955).

    `change` of the leading metric = `within` (the slices themselves) + `mix` (their shares of the rows).
    `reversed`: the whole moved one way and the slices the other (Simpson). `hidden`: a slice alerts that the
    whole does not show.
    """

    column: str
    change: float
    within: float
    mix: float
    reversed: bool
    hidden: tuple[str, ...]


def mixes(judged: Sequence[Judged], rung: str) -> list[Mix]:
    """Split the change of a rung's leading metric by each slice column it was judged by."""
    found = []
    mine = [each for each in judged if each.rung == rung]
    whole = next((each for each in mine if not each.slice), None)
    for column in dict.fromkeys(each.slice.partition("=")[0] for each in mine if each.slice):
        parts = [each for each in mine if each.slice.partition("=")[0] == column]
        mix = _mix(column, [each for each in parts if each.baseline and each.measures], whole, parts)
        if mix is not None:
            found.append(mix)
    return found


def _mix(column: str, known: list[Judged], whole: Judged | None, parts: list[Judged]) -> Mix | None:
    if len(known) < 2:
        return None
    metric = "accuracy" if "accuracy" in known[0].measures else "mae"
    now = np.array([each.measures[metric].value for each in known])
    before = np.array([each.baseline.value for each in known if each.baseline])
    live = _shares(np.array([each.rows for each in known]))
    past = _shares(np.array([each.baseline.rows for each in known if each.baseline]))
    change, within = float(live @ now - past @ before), float(live @ (now - before))
    errors = np.array([each.measures[metric].high - each.measures[metric].low for each in known])
    errors = np.hypot(errors, [each.baseline.high - each.baseline.low for each in known if each.baseline])
    error = math.sqrt(float(live**2 @ (errors / 2.0 / normal_quantile(0.95)) ** 2))
    clear = abs(within) > normal_quantile(0.95) * error
    calm = whole is not None and whole.standing is not Standing.ALERT
    hidden = tuple(each.slice for each in parts if calm and each.standing is Standing.ALERT)
    return Mix(column, change, within, change - within, clear and change * within < 0.0, hidden)


def _shares(rows: NDArray[np.int64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = rows / max(1, rows.sum())
    return shares
