"""How good answers without labels are, next to how good others turned out; void where it cannot hold."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.labelling import Labelling
from wardline.log.labelled import Labelled
from wardline.reference import Reference, RungProfile
from wardline.stats import labelfree
from wardline.stats.binomial import at_least
from wardline.stats.intervals import wilson
from wardline.stats.labelfree import Reliability
from wardline.stats.performance import Measure

ASSUMPTION = (
    "holds only while answers as sure as these are right as often as before: rows may come from elsewhere "
    "(covariate shift), but what leads to which truth must not have changed"
)

STRANGE = 0.05
"""A row of rank below this is like few of the reference."""

FIT = 1000
"""Labelled answers that fit a reliability where the reference has none."""

_MOST_STRANGE = 0.20  # share of such rows from which confidences are read where nothing calibrated them


class Estimates(msgspec.Struct, frozen=True):
    """Accuracy without labels, of `rows` answers: `cbpe` with its interval, `doc` and `atc` without.

    `realised` is the accuracy of the `labelled` among matured answers, `gap` realised less estimated on the
    same. `void` says why the estimate may not be used; empty, it may, under `assumption`; `checked` says
    whether labels have confirmed that.
    """

    rung: str
    rows: int
    cbpe: Measure | None
    doc: float | None
    atc: float | None
    labelled: int
    realised: Measure | None
    estimated: Measure | None
    gap: float
    p_value: float
    strange: float
    checked: bool
    void: tuple[str, ...]
    assumption: str = ASSUMPTION


class Sure(NamedTuple):
    """How sure some answers were: how many on each step of a reliability, their sum, those above a limit."""

    steps: NDArray[np.intp]
    total: float
    above: int

    @property
    def rows(self) -> int:
        """How many they are."""
        return int(self.steps.sum())


class Evidence(NamedTuple):
    """What estimates are made of: `fresh` answers; of matured ones with labels how many were `right`.

    Of `ranked` fresh answers `strange` are like few of the reference.
    """

    fresh: Sure
    labelled: Sure
    right: int
    ranked: int
    strange: int


def estimates(
    fresh: Labelled, matured: Labelled, reference: Reference, declared: Labelling, rung: str
) -> Estimates | None:
    """Estimate the accuracy of `fresh` answers, and check the estimate on `matured` ones.

    None for a gate without classes: there is no such estimate for numbers.
    """
    profile = reference.rungs.get(rung)
    if not reference.classes or profile is None:
        return None
    old, fresh = _mine(matured, rung), _mine(fresh, rung)
    known = calibrated(profile, len(reference.classes))
    if known is None:
        first = np.flatnonzero(old.has)[:FIT]
        known = fitted(old.confidence[first], 1.0 - old.loss[first], declared)
        old = old if known is None else old.take(np.arange(first[-1] + 1, len(old)))
    seen, limit = old.has, threshold(profile)
    ranked = fresh.ood_p[~np.isnan(fresh.ood_p)]
    evidence = Evidence(
        _sure(known, fresh.confidence, limit), _sure(known, old.confidence[seen], limit),
        int((1.0 - old.loss[seen]).sum()), len(ranked), int((ranked < STRANGE).sum()),
    )  # fmt: skip
    return estimated(evidence, known, profile, declared, rung)


def estimated(
    evidence: Evidence, known: Reliability | None, profile: RungProfile, declared: Labelling, rung: str
) -> Estimates:
    """Make the estimates of what was counted.

    Void where the reference knows no reliability, where labels say that answers so sure are not right so
    often (at `declared.false_rate`), or where too many rows are like none of the reference.
    """
    fresh, old, right = evidence.fresh, evidence.labelled, evidence.right
    realised = expected = guess = None
    gap, p_value, void = 0.0, 1.0, []
    if known is None:
        void.append(
            "no reliability: the reference has no calibrated confidence, and too few answers have labels"
        )
    elif old.rows:
        realised = Measure(right / old.rows, *wilson(right, old.rows))
        expected = labelfree.cbpe_of(known, old.steps)
        gap, p_value = labelfree.relation_of(known, old.steps, right)
        if old.rows >= declared.least and p_value < declared.false_rate:
            void.append(
                f"labels contradict it: {realised.value:.3f} were right where {expected.value:.3f} were "
                "expected, so the relation to the truth changed or the calibration failed"
            )
    share = evidence.strange / evidence.ranked if evidence.ranked else math.nan
    if evidence.ranked and at_least(evidence.strange, evidence.ranked, _MOST_STRANGE) < 0.001:
        void.append(f"{share:.0%} of the rows are like hardly any of the reference")
    if known is not None and fresh.rows:
        guess = labelfree.cbpe_of(known, fresh.steps)
    return Estimates(
        rung, fresh.rows, guess, *_others(profile, fresh), old.rows, realised, expected,
        gap, p_value, share, old.rows >= declared.least and known is not None, tuple(void),
    )  # fmt: skip


def calibrated(profile: RungProfile, classes: int) -> Reliability | None:
    """Return how often answers so sure are right by the reference.

    Of two classes its calibration scores (1 - probability of the true class) say it; of more they do not,
    and the oldest labelled answers do (`fitted`).
    """
    if classes != 2 or profile.calibration is None:
        return None
    true = 1.0 - np.concatenate(profile.calibration.scores)
    return labelfree.reliability(np.maximum(true, 1.0 - true), (true > 0.5).astype(np.float64))


def fitted(
    confidence: NDArray[np.float64], right: NDArray[np.float64], declared: Labelling
) -> Reliability | None:
    """Fit it to the oldest labelled answers, which it is not checked on then; None where they are too few."""
    if len(confidence) < max(declared.least, FIT):
        return None
    return labelfree.reliability(confidence, right)


def threshold(profile: RungProfile) -> float:
    """Return the confidence above which answers count for ATC; infinite where the reference has none."""
    accuracy = profile.performance.get("accuracy")
    if profile.confidence is None or accuracy is None:
        return math.inf
    return labelfree.atc_threshold(accuracy.value, profile.confidence.percentiles)


def _sure(known: Reliability | None, confidence: NDArray[np.float64], limit: float) -> Sure:
    steps = (
        np.array([len(confidence)])
        if known is None
        else np.bincount(known.step(confidence), minlength=len(known.right))
    )
    return Sure(steps, float(confidence.sum()), int((confidence > limit).sum()))


def _mine(known: Labelled, rung: str) -> Labelled:
    """Return a rung's answers that have a confidence."""
    place = known.rung.names.index(rung) if rung in known.rung.names else -2
    return known.take((known.rung.codes == place) & ~np.isnan(known.confidence))


def _others(profile: RungProfile, fresh: Sure) -> tuple[float | None, float | None]:
    accuracy = profile.performance.get("accuracy")
    if profile.confidence is None or accuracy is None or not fresh.rows:
        return None, None
    mean = fresh.total / fresh.rows
    return labelfree.doc(accuracy.value, profile.confidence.mean, mean), fresh.above / fresh.rows
