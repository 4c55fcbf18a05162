"""The reference: the frozen profile of the training data, bound to a model version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.verdict import Coverage


class Profile(msgspec.Struct, frozen=True):
    """One column of the training data (a feature, or a rung's predictions).

    `rows` counts everything; `nulls` the missing, `nonfinite` the infinite (continuous) among them.
    Continuous: `percentiles` has 101 values (0..100) of the finite data, `edges` the inner edges of the
    frozen bins (outer bins are open), `atoms` the single values heavy enough for a bin of their own, and
    `counts` the rows of: bins (len(edges) + 1), then atoms, then null, then nonfinite.
    Categorical and text: `categories` maps each of the most frequent values (as text) to its rows, `other`
    counts the rest; `counts` is categories in order, then other, then null. `known` holds every value seen
    (bounded; `known_complete` False says that the bound was reached).
    """

    name: str
    kind: Kind
    rows: int
    nulls: int = 0
    nonfinite: int = 0
    minimum: float = 0.0
    maximum: float = 0.0
    mean: float = 0.0
    std: float = 0.0
    percentiles: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.zeros(0))
    edges: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.zeros(0))
    atoms: tuple[float, ...] = ()
    categories: Mapping[str, int] = {}
    other: int = 0
    known: frozenset[str] = frozenset()
    known_complete: bool = True
    counts: NDArray[np.int64] = msgspec.field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def null_rate(self) -> float:
        """Share of missing values in training."""
        return self.nulls / self.rows if self.rows else 0.0


class Estimate(msgspec.Struct, frozen=True):
    """A measured figure with its confidence interval: `value` in [`low`, `high`] at `level`, from `rows`."""

    value: float
    low: float
    high: float
    rows: int
    level: float = 0.95


class Calibration(msgspec.Struct, frozen=True):
    """Conformal calibration scores of one rung, sorted, from rows the model was not fitted on.

    Regression: absolute residuals, one sorted array for each band of the prediction; `band_edges` are the
    inner edges between bands (Mondrian taxonomy by predicted value). Classification: 1 - probability of
    the true class; one array for all rows, or one per class when `per_class`.
    """

    scores: tuple[NDArray[np.float64], ...]
    band_edges: NDArray[np.float64]
    per_class: bool = False


class RungProfile(msgspec.Struct, frozen=True):
    """How one rung of the chain did on the reference data.

    `performance` maps a metric (mae, rmse, r2, bias | accuracy, log_loss, brier, ...) to its estimate;
    `slices` maps "column=value" to the same. `latency_ms` maps p50, p95, p99 to milliseconds a row.
    `coverage` is VOID, with `coverage_reason`, where the calibration may not be relied on.
    """

    name: str
    predictions: Profile
    performance: Mapping[str, Estimate]
    slices: Mapping[str, Mapping[str, Estimate]]
    latency_ms: Mapping[str, float]
    confidence: Profile | None = None
    calibration: Calibration | None = None
    coverage: Coverage = Coverage.VOID
    coverage_reason: str = ""
    file: str = ""
    sha256: str = ""


class Ood(msgspec.Struct, frozen=True):
    """What the out-of-distribution rank needs: a whitening of the numeric features and sorted distances.

    Distance of x: norm((x - center) @ whitening), missing values replaced by `center`. `distances` are
    those of rows that did not shape the whitening, so that their ranks are uniform on like rows.
    """

    names: tuple[str, ...]
    center: NDArray[np.float64]
    whitening: NDArray[np.float64]
    distances: NDArray[np.float64]


class Reference(msgspec.Struct, frozen=True):
    """The whole bundle. `id` is a short hash of its content; the gate writes it into every record."""

    id: str
    gate: str
    created: str
    rows: int
    rejected: int
    reject_reasons: Mapping[str, int]
    period: tuple[str, str] | None
    target: str
    features_version: str
    features_hash: str
    contract_hash: str
    data: Mapping[str, str]
    libraries: Mapping[str, str]
    classes: tuple[str, ...]
    features: Mapping[str, Profile]
    targets: Profile
    rungs: Mapping[str, RungProfile]
    ood: Ood | None = None
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = {}
