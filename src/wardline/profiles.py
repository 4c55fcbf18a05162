"""Profiling one column of a stream: seen once to freeze its bins, seen again to count into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.reference import Profile
from wardline.stats import bins
from wardline.stats.moments import Moments

Values = NDArray[np.float64] | Sequence[str | None]

_LARGEST = np.finfo(np.float64).max


class Limits(msgspec.Struct, frozen=True):
    """What bounds a reference's memory, size and grain.

    `sample` rows shape percentiles, bins and whitening (all rows, where there are no more). `window` is
    the smallest window, in rows, that will be judged against it: each bin expects five rows in it.
    `categories` of a column are counted one by one, `known` are remembered. `scores` calibration scores a
    rung and `scores` distances are kept, as order statistics that err to the safe side. Residuals are
    calibrated in up to `bands` bands of the prediction, with at least `band_rows` rows each. A slice is
    reported from `slice_rows` rows, up to `slice_values` values a column.
    """

    sample: int = 100_000
    window: int = 200
    categories: int = 50
    known: int = 5_000
    scores: int = 20_000
    bands: int = 5
    band_rows: int = 200
    slice_rows: int = 30
    slice_values: int = 200


class Column(Protocol):
    """A column on its way to a Profile: `observe` everything, `freeze`, `count` everything again."""

    def observe(self, values: Values) -> None:
        """First pass: take exact counts, extremes and moments of a block."""

    def freeze(self, sample: Values, window: int) -> None:
        """Fix bins or categories from a uniform sample of the column."""

    def count(self, values: Values) -> None:
        """Second pass: count a block into what was frozen."""

    def profile(self) -> Profile:
        """Return what was found."""


class NumberColumn:
    """A column of amounts: quantile bins, atoms, percentiles, extremes and moments."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._rows = self._nulls = self._nonfinite = 0
        self._low, self._high = np.inf, -np.inf
        self._moments = Moments(1)
        self._cuts = bins.cut(np.zeros(0))
        self._percentiles = np.zeros(0)
        self._counts = np.zeros(self._cuts.size, dtype=np.int64)

    def observe(self, values: Values) -> None:
        """Take exact counts, extremes and moments."""
        column = np.asarray(values, dtype=np.float64)
        finite = column[np.isfinite(column)]
        nulls = int(np.isnan(column).sum())
        self._rows += len(column)
        self._nulls += nulls
        self._nonfinite += len(column) - len(finite) - nulls
        if len(finite):
            self._low = min(self._low, float(finite.min()))
            self._high = max(self._high, float(finite.max()))
            with np.errstate(over="ignore", invalid="ignore"):  # values near the largest float
                self._moments.add(finite[:, None])

    def freeze(self, sample: Values, window: int) -> None:
        """Cut the bins and take percentiles 0..100; the ends are exact, the rest are the sample's."""
        column = np.asarray(sample, dtype=np.float64)
        finite = column[np.isfinite(column)]
        self._cuts = bins.cut(finite, window=window)
        self._counts = np.zeros(self._cuts.size, dtype=np.int64)
        if len(finite):
            self._percentiles = np.percentile(finite, np.arange(101))
            self._percentiles[[0, 100]] = self._low, self._high

    def count(self, values: Values) -> None:
        """Count a block into the bins."""
        self._counts += bins.count(*self._cuts, np.asarray(values, dtype=np.float64))

    def profile(self) -> Profile:
        """Return the column's profile."""
        some = self._low <= self._high
        with np.errstate(invalid="ignore"):
            std = np.sqrt(self._moments.covariance[0, 0])
        mean, std = np.nan_to_num([self._moments.mean[0], std], posinf=_LARGEST).tolist()
        return Profile(
            self.name,
            Kind.CONTINUOUS,
            self._rows,
            self._nulls,
            self._nonfinite,
            minimum=float(self._low) if some else 0.0,
            maximum=float(self._high) if some else 0.0,
            mean=mean,
            std=std,
            percentiles=self._percentiles,
            edges=self._cuts.edges,
            atoms=self._cuts.atoms,
            counts=self._counts,
        )


class CategoryColumn:
    """A column of names or codes: the most frequent, the rest, and all values ever seen up to a bound."""

    def __init__(self, name: str, kind: Kind, limits: Limits) -> None:
        self.name = name
        self.kind = kind
        self._limits = limits
        self._known: dict[str | None, int] = {}
        self._complete = True
        self._rows = 0
        self._categories: tuple[str, ...] = ()
        self._counts = np.zeros(2, dtype=np.int64)

    def observe(self, values: Values) -> None:
        """Count every value by name, as long as there are not too many names."""
        self._rows += len(values)
        for name, rows in bins.tally(values).items():
            if name in self._known or len(self._known) < self._limits.known:
                self._known[name] = self._known.get(name, 0) + rows
            else:
                self._complete = False

    def freeze(self, sample: Values, window: int) -> None:
        """Fix the most frequent values: by their exact counts, or by the sample's where names overflowed."""
        counts = self._known if self._complete else bins.tally(sample)
        self._categories = bins.top(counts, self._limits.categories)
        self._counts = np.zeros(len(self._categories) + 2, dtype=np.int64)

    def count(self, values: Values) -> None:
        """Count a block into the categories."""
        self._counts += bins.count_categories(self._categories, values)

    def profile(self) -> Profile:
        """Return the column's profile."""
        counts = self._counts.tolist()
        return Profile(
            self.name,
            self.kind,
            self._rows,
            nulls=counts[-1],
            categories=dict(zip(self._categories, counts, strict=False)),
            other=counts[-2],
            known=frozenset(name for name in self._known if name is not None) | frozenset(self._categories),
            known_complete=self._complete,
            counts=self._counts,
        )


def profile_numbers(name: str, values: NDArray[np.float64], *, window: int) -> Profile:
    """Profile amounts that are all at hand, shape (n,)."""
    column = NumberColumn(name)
    column.observe(values)
    column.freeze(values, window)
    column.count(values)
    return column.profile()


def profile_classes(name: str, codes: NDArray[np.float64], classes: Sequence[str]) -> Profile:
    """Profile class numbers, shape (n,), by the names of their classes, in the order of the classes."""
    known = {str(place): rows for place, rows in enumerate(classes)}
    named: dict[Any, int] = {}
    for code, rows in bins.tally(codes).items():
        key = None if code is None else known.get(code, "")  # a number that is no class is "other"
        named[key] = named.get(key, 0) + rows
    counts = bins.fold(classes, named)
    return Profile(
        name,
        Kind.CATEGORICAL,
        len(codes),
        nulls=int(counts[-1]),
        categories=dict(zip(classes, counts.tolist(), strict=False)),
        other=int(counts[-2]),
        known=frozenset(classes),
        counts=counts,
    )
