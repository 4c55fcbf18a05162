"""What kind of fault makes a feature differ between training and serving, judged from the golden rows.

Each kind is a hypothesis that reproduces the difference exactly or is dropped: the codes map one to one, the
column is another column, every stamp moved by the same hours.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wardline.contract import Tabular
from wardline.features import FeatureBlock, Features, Kind

Column = NDArray[np.float64] | list[str | None]
_LEFT_OUT = "left out "
_CLOSE = 1e-9
_SLIGHT = 1e-2  # a library's other answer is near the old one, another formula's is not
_ZONES = [minutes / 60 for minutes in range(-14 * 60, 14 * 60 + 1, 30) if minutes]


@dataclass
class Columns:
    """Expected and got, side by side, and what is needed to try a hypothesis on them."""

    inputs: Sequence[Mapping[str, Any]]
    strata: Sequence[str]
    expected: FeatureBlock
    got: FeatureBlock
    contract: Tabular
    features: Features

    def pair(self, name: str) -> tuple[Column, Column]:
        """Return one feature as training had it, and as serving has it."""
        expected, got = self.expected.column(name), self.got.column(name)
        return _column(expected), _column(got)

    def apart(self, name: str, tolerance: float) -> NDArray[np.bool_]:
        """Say in which rows a feature differs; two nulls are the same."""
        expected, got = self.pair(name)
        if isinstance(expected, list) or isinstance(got, list):
            return np.array([one != other for one, other in zip(expected, got, strict=True)])
        return _differ(expected, got, tolerance)

    def moved(self, tolerance: float) -> list[str]:
        """Name the features that differ in some row."""
        return [name for name in self.expected.schema.names if self.apart(name, tolerance).any()]

    @cached_property
    def incomplete(self) -> NDArray[np.bool_]:
        """Rows that have a field null or left out."""
        fields = self.contract.fields
        return np.array([any(row.get(name) is None for name in fields) for row in self.inputs])

    @cached_property
    def shifted(self) -> dict[float, FeatureBlock]:
        """What serving computes if every stamp is moved by some hours, by the hours."""
        moved = {hours: self._shifted_by(hours) for hours in _ZONES}
        return {hours: block for hours, block in moved.items() if block is not None}

    def follows_time(self, name: str) -> bool:
        """Say whether a feature would be another one at another time of day: most are not."""
        block = self._shifted_by(_ZONES[0]) or self._shifted_by(_ZONES[-1])
        if block is None:
            return False
        return bool(_differ(np.asarray(self.pair(name)[1]), np.asarray(block.column(name))).any())

    def _shifted_by(self, hours: float) -> FeatureBlock | None:
        """Move every stamp; nothing comes back where the contract does not take all rows then."""
        stamps = tuple(self.contract.stamps)
        if not stamps:
            return None
        admitted = self.contract.admit_rows([_later(row, stamps, hours) for row in self.inputs])
        return self.features.of_rows(admitted.rows) if len(admitted.rows) == len(self.inputs) else None


def kind_of(name: str, columns: Columns, bad: NDArray[np.bool_]) -> str:
    """Name the likeliest kind of a difference in feature `name`, in the rows `bad`."""
    nulls = _nulls(columns, bad)
    expected, got = columns.pair(name)
    if isinstance(expected, list) or isinstance(got, list):
        return nulls or ("category code" if _one_to_one(list(expected), list(got), bad) else "feature code")
    if (np.isnan(expected) != np.isnan(got)).any():
        return nulls or "null handling"
    categorical = any(
        each.name == name and each.kind is Kind.CATEGORICAL for each in columns.expected.schema.columns
    )
    hypotheses = (
        nulls,
        _narrowed(expected, got),
        _swapped(name, columns),
        _stale(expected, got),
        _zone(name, columns),
        "category code" if categorical and _one_to_one(expected.tolist(), got.tolist(), bad) else "",
        "library version" if _slight(expected, got) else "",
        "" if categorical else _scaled(expected, got),
    )
    return next(filter(None, hypotheses), "feature code")


def refused_kind(reason: str, reasons: set[str]) -> str:
    """Name the likely kind of a golden row that the contract refuses."""
    if reason in ("contract.missing", "contract.unknown_field") and len(
        reasons & {"contract.missing", "contract.unknown_field"}
    ):
        return "renamed field" if len(reasons) > 1 else "contract changed"
    return {
        "contract.type": "dtype",
        "contract.null": "null handling",
        "contract.category": "category code",
        "contract.time_zone": "time zone",
    }.get(reason, "contract changed")


def _column(values: Any) -> Column:
    return np.asarray(values, np.float64) if isinstance(values, np.ndarray) else list(values)


def _differ(
    expected: NDArray[np.float64], got: NDArray[np.float64], tolerance: float = _CLOSE
) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        near = np.abs(expected - got) <= tolerance * np.maximum(np.abs(expected), 1e-12)
    apart: NDArray[np.bool_] = ~(near | (expected == got) | (np.isnan(expected) & np.isnan(got)))
    return apart


def _same(expected: NDArray[np.float64], got: NDArray[np.float64]) -> bool:
    return not _differ(expected, got).any()


def _nulls(columns: Columns, bad: NDArray[np.bool_]) -> str:
    """Only incomplete rows differ, and complete ones are there to compare with."""
    if not columns.incomplete[bad].all() or columns.incomplete.all():
        return ""
    left_out = np.array([stratum.startswith(_LEFT_OUT) for stratum in columns.strata])
    return "changed default" if left_out[bad].all() else "null handling"


def _narrowed(expected: NDArray[np.float64], got: NDArray[np.float64]) -> str:
    if np.array_equal(expected.astype(np.float32).astype(np.float64), got, equal_nan=True):
        return "dtype (rounded to float32)"
    if any(np.array_equal(whole(expected), got, equal_nan=True) for whole in (np.trunc, np.round, np.floor)):
        return "dtype (cut to whole numbers)"
    return ""


def _swapped(name: str, columns: Columns) -> str:
    expected, got = columns.pair(name)
    for other in columns.expected.schema.numeric:
        theirs = columns.pair(other)
        if other == name or isinstance(theirs[0], list):
            continue
        if _same(theirs[0], np.asarray(got)):
            mutual = _same(np.asarray(expected), np.asarray(theirs[1]))
            return f"columns swapped ({name} and {other})" if mutual else f"another column ({other})"
    return ""


def _stale(expected: NDArray[np.float64], got: NDArray[np.float64]) -> str:
    """Row i has what row i-1 should have; the first has nothing before it."""
    changing = len(expected) > 2 and len(np.unique(expected)) > 2
    return "one row stale" if changing and _same(expected[:-1], got[1:]) else ""


def _zone(name: str, columns: Columns) -> str:
    """With every stamp shifted alike (or by two amounts, an hour apart: daylight saving) serving agrees."""
    if not columns.follows_time(name):
        return ""
    wanted = np.asarray(columns.pair(name)[0])
    hits = {
        hours: ~_differ(wanted, np.asarray(block.column(name))) for hours, block in columns.shifted.items()
    }
    for first, second in itertools.product(hits, hits):
        if abs(first - second) <= 1 and (hits[first] | hits[second]).all():
            return "time zone"
    return ""


def _one_to_one(expected: Sequence[Any], got: Sequence[Any], bad: NDArray[np.bool_]) -> bool:
    """Names were exchanged for names: each became one other, and no two became the same."""
    pairs = set(zip(expected, got, strict=True))
    return bool(bad.any()) and len(pairs) == len({one for one, _ in pairs}) == len({two for _, two in pairs})


def _scaled(expected: NDArray[np.float64], got: NDArray[np.float64]) -> str:
    """Everything lies on a line that is not the diagonal: another unit, or another scaler."""
    known = np.isfinite(expected) & np.isfinite(got)
    if len(np.unique(expected[known])) < 3:
        return ""
    slope, offset = np.polyfit(expected[known], got[known], 1)
    fitted = slope * expected[known] + offset
    spread = float(np.abs(got[known]).max()) or 1.0
    if np.abs(fitted - got[known]).max() > 1e-7 * spread or slope == 0:
        return ""
    moved = f" {offset:+.4g}" if abs(offset) > 1e-7 * spread else ""
    return f"scaling (got = {slope:.5g} × expected{moved})"


def _slight(expected: NDArray[np.float64], got: NDArray[np.float64]) -> bool:
    known = np.isfinite(expected) & np.isfinite(got)
    scale = np.maximum(np.abs(expected[known]), 1e-12)
    return bool((np.abs(expected[known] - got[known]) / scale <= _SLIGHT).all())


def _later(row: Mapping[str, Any], stamps: Sequence[str], hours: float) -> dict[str, Any]:
    moved = {
        name: (datetime.fromisoformat(row[name]) + timedelta(hours=hours)).isoformat()
        for name in stamps
        if isinstance(row.get(name), str)
    }
    return {**row, **moved}
