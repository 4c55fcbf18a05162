"""How good answers are, guessed without labels. Right under covariate shift, and blind to every other kind.

All of them read the model's own confidence: they ask how often answers so sure were right before, and
assume that answers so sure are right as often now. Where the relation of inputs to labels itself changed
they are as wrong as no estimate at all; `relation` sees that, on the labels there are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.intervals import LEVEL, normal_quantile
from wardline.stats.performance import Measure

Floats = NDArray[np.float64]


class Reliability(NamedTuple):
    """How often answers of a confidence are right: steps that only rise (isotonic regression).

    Step i holds confidences from `edges[i]` on; `right` is its share of right answers among `rows`.
    """

    edges: Floats
    right: Floats
    rows: Floats

    def step(self, confidence: Floats) -> NDArray[np.intp]:
        """Return the step of each confidence."""
        return np.maximum(np.searchsorted(self.edges, confidence, side="right") - 1, 0)

    @property
    def accuracy(self) -> float:
        """The share of right answers among the rows it was made of."""
        return float((self.right * self.rows).sum() / self.rows.sum())


def reliability(confidence: Floats, right: Floats, steps: int = 50) -> Reliability:
    """Fit it to answers whose truth is known, by pooling adjacent violators over equal-mass steps.

    >>> found = reliability(np.array([0.6, 0.6, 0.9, 0.9]), np.array([1.0, 0.0, 1.0, 1.0]))
    >>> found.edges.tolist(), found.right.tolist()
    ([0.6, 0.9], [0.5, 1.0])
    """
    order = np.argsort(confidence, kind="stable")
    confidence, right = confidence[order], right[order]
    cuts = np.unique(confidence[np.arange(steps) * len(confidence) // steps])
    place = np.searchsorted(cuts, confidence, side="right") - 1
    rows = np.bincount(place, minlength=len(cuts)).astype(np.float64)
    sums = np.bincount(place, weights=right, minlength=len(cuts))
    edges, kept_rows, kept_sums = [], [], []
    for edge, n, total in zip(cuts.tolist(), rows.tolist(), sums.tolist(), strict=True):
        edges.append(edge)
        kept_rows.append(n)
        kept_sums.append(total)
        while len(edges) > 1 and kept_sums[-2] * kept_rows[-1] >= kept_sums[-1] * kept_rows[-2]:
            edges.pop()
            kept_rows[-2:] = [kept_rows[-2] + kept_rows[-1]]
            kept_sums[-2:] = [kept_sums[-2] + kept_sums[-1]]
    n = np.array(kept_rows)
    return Reliability(np.array(edges), np.array(kept_sums) / n, n)


def cbpe(known: Reliability, confidence: Floats) -> Measure:
    """Estimate accuracy by the mean calibrated confidence (confidence-based performance estimation).

    The interval has the luck of these rows and that of the rows the steps were fitted on.

    >>> known = Reliability(np.array([0.5, 0.8]), np.array([0.6, 0.9]), np.array([100.0, 100.0]))
    >>> round(cbpe(known, np.array([0.55, 0.95, 0.85])).value, 3)
    0.8
    """
    return cbpe_of(known, np.bincount(known.step(confidence), minlength=len(known.right)))


def cbpe_of(known: Reliability, counts: NDArray[np.intp]) -> Measure:
    """Estimate accuracy where what is known is how many confidences fall on each step."""
    rows = int(counts.sum())
    shares = counts / rows
    value = float(shares @ known.right)
    half = normal_quantile(LEVEL) * _error(known, shares, rows)
    return Measure(value, max(0.0, value - half), min(1.0, value + half))


def doc(accuracy: float, mean_confidence: float, mean: float) -> float:
    """Estimate accuracy as the known one less the drop in mean confidence (difference of confidences).

    The plain form of Guillory et al. 2021 (arXiv 2107.03315), without a regression over earlier shifts.
    """
    return float(np.clip(accuracy - (mean_confidence - mean), 0.0, 1.0))


def atc_threshold(accuracy: float, percentiles: Floats) -> float:
    """Return the confidence that the known accuracy cuts off; the share of rows above it estimates accuracy.

    Average thresholded confidence (Garg et al. 2022, arXiv 2201.04234); `percentiles` are those of the
    known confidences, 0 to 100.
    """
    return float(np.interp(100.0 * (1.0 - accuracy), np.arange(len(percentiles)), percentiles))


def relation(known: Reliability, confidence: Floats, right: Floats) -> tuple[float, float]:
    """Hold what was estimated against labels of the same rows: (realised - estimated, p-value, two-sided).

    A small p-value says that answers so sure are no longer right as often: the label relation changed, or
    the calibration failed, and estimates by confidence are void.
    """
    counts = np.bincount(known.step(confidence), minlength=len(known.right))
    return relation_of(known, counts, float(right.sum()))


def relation_of(known: Reliability, counts: NDArray[np.intp], right: float) -> tuple[float, float]:
    """Tell the same where what is known is how many fall on each step, and how many are right in all."""
    rows = int(counts.sum())
    if not rows:
        return 0.0, 1.0
    shares = counts / rows
    gap = float(right / rows - shares @ known.right)
    error = _error(known, shares, rows)
    return gap, math.erfc(abs(gap) / max(error, 1e-12) / math.sqrt(2.0))


def _error(known: Reliability, shares: Floats, rows: int) -> float:
    smooth = (known.right * known.rows + 1.0) / (known.rows + 2.0)  # a step that was never wrong may be
    each = smooth * (1.0 - smooth)
    return math.sqrt(float(shares @ each) / rows + float((shares**2 * each / known.rows).sum()))
