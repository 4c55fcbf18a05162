"""What is compared with what: the columns and their bins, the two sides, and the counts that come of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wardline.reference import Profile

BLOCKS = 64
"""Stretches of time by which the dependence between rows is known."""


@dataclass(frozen=True)
class Counted:
    """One column to count: its name, where it stands, how it is binned, and which rows it is about."""

    name: str
    column: str
    profile: Profile
    where: tuple[str, str] | None = None


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: its rows, and what splits them: a slice, and stretches of time.

    `rows` are an Ibis table, or a Parquet file where Arrow counts. A side may come in several parts, each a
    Side of the same name with a `part` of its own.
    """

    name: str
    rows: Any
    slice: str | None = None
    time: str | None = None
    part: str = ""


Counts = dict[tuple[str, str, str], NDArray[np.int64]]
"""By side, slice and feature: rows by stretch of time and bin, shape (stretches, bins)."""


def number(name: str) -> float:
    """Return the number that a category's name stands for."""
    return float({"true": "1", "false": "0"}.get(name.lower(), name))


def add(found: Counts, more: Iterable[tuple[tuple[str, str, str], NDArray[np.int64]]]) -> None:
    """Add counts to counts."""
    for key, counts in more:
        found[key] = found[key] + counts if key in found else counts


def long(part: Counts) -> list[list[Any]]:
    """Write counts as the rows that engines answer with: slice, stretch, feature, bin, n."""
    rows: list[list[Any]] = []
    for (_, slice_, feature), counts in part.items():
        blocks, places = np.nonzero(counts)
        cells = zip(blocks.tolist(), places.tolist(), counts[blocks, places].tolist(), strict=True)
        rows += [[slice_, block, feature, place, n] for block, place, n in cells]
    return rows


def wide(name: str, rows: Sequence[Any], sizes: Mapping[str, tuple[int, int]]) -> Counts:
    """Read such rows back."""
    found: Counts = {}
    for slice_, block, feature, place, n in rows:
        counts = found.setdefault((name, slice_, feature), np.zeros(sizes[feature], np.int64))
        counts[block, place] += n
    return found
