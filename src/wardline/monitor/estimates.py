"""How good answers without labels are, next to how good others turned out; void where it cannot hold."""

from __future__ import annotations

import math

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

_STRANGE = 0.05  # a row of rank below this is like few of the reference
_MOST_STRANGE = 0.20  # share of such rows from which confidences are read where nothing calibrated them
_FIT = 1000  # labelled answers that fit a reliability where the reference has none


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


def estimates(
    fresh: Labelled, matured: Labelled, reference: Reference, declared: Labelling, rung: str
) -> Estimates | None:
    """Estimate the accuracy of `fresh` answers, and check the estimate on `matured` ones.

    Void where the reference knows no reliability, where labels say that answers so sure are not right so
    often (at `declared.false_rate`), or where too many rows are like none of the reference. None for a gate
    without classes: there is no such estimate for numbers.
    """
    profile = reference.rungs.get(rung)
    if not reference.classes or profile is None:
        return None
    old = _mine(matured, rung)
    known, old = _reliability(profile, len(reference.classes), old, declared)
    fresh = _mine(fresh, rung)
    confidence, seen = fresh.confidence, old.has
    right = 1.0 - old.loss[seen]
    realised = estimated = guess = None
    gap, p_value, void = 0.0, 1.0, []
    if known is None:
        void.append(
            "no reliability: the reference has no calibrated confidence, and too few answers have labels"
        )
    elif seen.any():
        realised = Measure(float(right.mean()), *wilson(float(right.sum()), len(right)))
        estimated = labelfree.cbpe(known, old.confidence[seen])
        gap, p_value = labelfree.relation(known, old.confidence[seen], right)
        if len(right) >= declared.least and p_value < declared.false_rate:
            void.append(
                f"labels contradict it: {realised.value:.3f} were right where {estimated.value:.3f} were "
                "expected, so the relation to the truth changed or the calibration failed"
            )
    strange = _strange(fresh)
    if strange.many:
        void.append(f"{strange.share:.0%} of the rows are like hardly any of the reference")
    if known is not None and len(confidence):
        guess = labelfree.cbpe(known, confidence)
    return Estimates(
        rung, len(confidence), guess, *_others(profile, confidence), int(seen.sum()), realised, estimated,
        gap, p_value, strange.share, len(right) >= declared.least and known is not None, tuple(void),
    )  # fmt: skip


def _mine(known: Labelled, rung: str) -> Labelled:
    """Return a rung's answers that have a confidence."""
    place = known.rung.names.index(rung) if rung in known.rung.names else -2
    return known.take((known.rung.codes == place) & ~np.isnan(known.confidence))


def _reliability(
    profile: RungProfile, classes: int, old: Labelled, declared: Labelling
) -> tuple[Reliability | None, Labelled]:
    """Return how often answers so sure are right, and the matured answers it was not fitted on.

    Of two classes the reference's calibration scores (1 - probability of the true class) say it; of more
    they do not, and the oldest labelled answers do.
    """
    if classes == 2 and profile.calibration is not None:
        true = 1.0 - np.concatenate(profile.calibration.scores)
        return labelfree.reliability(np.maximum(true, 1.0 - true), (true > 0.5).astype(np.float64)), old
    first = np.flatnonzero(old.has)[:_FIT]
    if len(first) < max(declared.least, _FIT):
        return None, old
    fitted = labelfree.reliability(old.confidence[first], 1.0 - old.loss[first])
    return fitted, old.take(np.arange(first[-1] + 1, len(old)))


def _others(profile: RungProfile, confidence: NDArray[np.float64]) -> tuple[float | None, float | None]:
    accuracy = profile.performance.get("accuracy")
    if profile.confidence is None or accuracy is None or not len(confidence):
        return None, None
    return (
        labelfree.doc(accuracy.value, profile.confidence.mean, confidence),
        labelfree.atc(accuracy.value, profile.confidence.percentiles, confidence),
    )


class _Strange(msgspec.Struct):
    share: float
    many: bool


def _strange(fresh: Labelled) -> _Strange:
    ranked = fresh.ood_p[~np.isnan(fresh.ood_p)]
    if not len(ranked):
        return _Strange(math.nan, many=False)
    count = int((ranked < _STRANGE).sum())
    many = at_least(count, len(ranked), _MOST_STRANGE) < 0.001
    return _Strange(count / len(ranked), many)
