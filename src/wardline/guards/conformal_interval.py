"""ConformalInterval: between which numbers the answer lies, with a promise."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wardline.errors import DeclarationError, OpeningError
from wardline.guard import judge
from wardline.guards._scores import WORST, ordered
from wardline.inference import Batch, Inference, Screened
from wardline.reference import Reference
from wardline.stats import conformal
from wardline.verdict import Coverage, Finding, Measured, Stage


class _Bands(NamedTuple):
    """One rung's half widths by band of the prediction, as arrays for a batch and as lists for a row."""

    edges: NDArray[np.float64]
    halves: NDArray[np.float64]
    edge_list: list[float]
    half_list: list[float]
    scores: tuple[NDArray[np.float64], ...]

    def at(self, level: float) -> NDArray[np.float64]:
        """Return the half widths at another level."""
        return np.array([conformal.bounded(each, level) for each in self.scores])


@dataclass(frozen=True, slots=True)
class ConformalInterval:
    """The interval that holds the true number with probability `level`, and whether it is too wide.

    Choose it for every regression that is calibrated in the reference: split conformal prediction, its
    residuals taken in bands of the predicted value, so that large answers may err by more. The score is
    the width in the unit of the prediction; `warn_width` and `block_width` say what is too wide to act on,
    and by default nothing is. Without a sound calibration of the rung, or where a band has too few rows to
    promise the level, there is no interval. Where the monitor adapts (`Labelling.adapt`) the interval is
    made for the level that health says, so that the declared one is reached. Vovk, Gammerman & Shafer 2005;
    Mondrian bands after Boström.

    >>> from wardline.testing import example_batch, example_reference
    >>> reference = example_reference({"x": [1.0, 2.0]}, rungs={"model": [10.0] * 19},
    ...                               targets=[10.0 + i for i in range(19)])
    >>> guard = ConformalInterval(level=0.9, warn_width=20.0).prepare(reference)
    >>> finding = guard.check(example_batch({"x": [1.5]}, rung="model", values=[50.0]).inference(0))
    >>> finding.measured.interval, finding.severity.value, finding.score
    ((33.0, 67.0), 'warn', 34.0)
    """

    level: float = 0.9
    warn_width: float | None = None
    block_width: float | None = None
    name: str = "conformal_interval"
    stage: ClassVar[Stage] = Stage.OUTPUT
    _rungs: Mapping[str, _Bands] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise DeclarationError(f"{self.name}: level={self.level} is a probability, in (0, 1)")
        ordered(self.name, self.warn_width, self.block_width)

    def prepare(self, reference: Reference) -> Self:
        """Take the half width of every band of each rung; OpeningError for a gate with classes."""
        if reference.classes:
            raise OpeningError(f"{self.name}: this gate answers a class; use ConformalSet")
        rungs: dict[str, _Bands] = {}
        for name, rung in reference.rungs.items():
            if rung.calibration is None or rung.coverage is Coverage.VOID:
                continue
            edges = rung.calibration.band_edges
            halves = conformal.thresholds(rung.calibration.scores, self.level)
            scores = rung.calibration.scores
            rungs[name] = _Bands(edges, halves, edges.tolist(), halves.tolist(), scores)
        return replace(self, _rungs=rungs)

    def check(self, inference: Inference) -> Finding:
        """Make the interval and judge its width."""
        bands, value = self._rungs.get(inference.rung), inference.value
        if bands is None:
            return self._judge("conformal.uncalibrated", 0.0)
        if value is None or value - value != 0.0:
            return self._judge("conformal.not_finite", WORST)
        place = bisect_right(bands.edge_list, value)
        level = None if inference.health is None else inference.health.level(inference.rung, inference.now)
        half = bands.half_list[place] if level is None else conformal.bounded(bands.scores[place], level)
        low, high = value - half, value + half
        if high - high != 0.0 or low - low != 0.0:
            return self._judge("conformal.uncalibrated", 0.0)
        return self._judge("conformal.wide", min(2.0 * half, WORST), Measured(interval=(low, high)))

    def screen(self, batch: Batch) -> Screened:
        """Make all intervals at once; clear those that are narrow enough."""
        bands = self._rungs.get(batch.rung)
        if bands is None or batch.outputs is None:
            return Screened(np.full(len(batch), bands is not None))
        values = batch.outputs.values
        level = None if batch.health is None else batch.health.level(batch.rung, batch.now)
        halves = bands.halves if level is None else bands.at(level)
        with np.errstate(all="ignore"):  # infinities become NaN below
            interval = conformal.intervals(values, halves, bands.edges)
            unknown = ~np.isfinite(interval).all(axis=1)
        if unknown.any():
            interval[unknown] = np.nan
        limit = min((each for each in (self.warn_width, self.block_width) if each is not None), default=None)
        if limit is None:
            return Screened(np.zeros(len(batch), dtype=np.bool_), {"interval": interval})
        wide = 2.0 * halves[conformal.band(bands.edges, values)] >= limit
        return Screened(wide | unknown, {"interval": interval})

    def _judge(self, reason: str, score: float, measured: Measured | None = None) -> Finding:
        return judge(
            self,
            score,
            warn=self.warn_width,
            block=self.block_width,
            reason=reason,
            observed=score if measured is not None else None,
            expected="" if self.warn_width is None else f"at most {self.warn_width:g} wide",
            measured=measured,
        )
