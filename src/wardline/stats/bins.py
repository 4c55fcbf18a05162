"""Frozen bins: cut once on the reference, counted ever after, so that counts merge by plain addition."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST = 10
"""Bins and atoms together, beside null and nonfinite: more bins buy bias, not sight."""

LEAST_EXPECTED = 5.0
"""Rows a bin must expect in a window, the usual condition of the chi-square approximation."""


class Cuts(NamedTuple):
    """Where a number falls: between two inner `edges` (outer bins open), or on one of the `atoms`."""

    edges: NDArray[np.float64]
    atoms: tuple[float, ...]

    @property
    def size(self) -> int:
        """Length of the counts: bins, atoms, null, nonfinite."""
        return len(self.edges) + 1 + len(self.atoms) + 2


def cut(values: NDArray[np.floating[Any]], *, window: int = 200, most: int = MOST) -> Cuts:
    """Cut bins of about equal weight from a sample of the reference, shape (n,).

    A single value that holds more than 1 / `most` of the finite rows becomes an atom with a bin of its
    own. The rest is cut at its quantiles, and neighbours are merged until each expects five rows in the
    smallest window, of `window` rows, that will ever be judged. NaN and infinities do not shape the cuts.

    >>> cut(np.array([0.0] * 50 + list(range(1, 51))), most=4)
    Cuts(edges=array([17., 34.]), atoms=(0.0,))
    """
    finite = np.sort(values[np.isfinite(values)]).astype(np.float64)  # float32 sorts in half the time
    if not len(finite):
        return Cuts(np.zeros(0), ())
    starts = np.flatnonzero(np.concatenate([[True], finite[1:] != finite[:-1]]))  # sorted: runs of equals
    heavy = np.diff(np.append(starts, len(finite))) * most > len(finite)
    atoms = tuple(finite[starts[heavy]].tolist())
    rest = finite[~np.isin(finite, atoms)] if atoms else finite
    wanted = max(1, most - len(atoms))
    # An edge is a value that occurs: [edge, next) then holds for integers as it does for floats.
    places = np.arange(1, wanted) * len(rest) // wanted
    edges = rest[places] if len(rest) else np.zeros(0)
    edges = edges[np.concatenate([[True], edges[1:] != edges[:-1]])] if len(edges) else edges
    return Cuts(_merge(rest, edges, LEAST_EXPECTED * len(finite) / window), atoms)


def _merge(rest: NDArray[np.float64], edges: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Take out the edge between the lightest bin and its lighter neighbour until no bin is too light."""
    below = np.searchsorted(rest, edges, side="left")  # sorted as it is, each edge is looked up, not each row
    counts = np.diff(np.concatenate([[0], below, [len(rest)]])).tolist()
    kept = edges.tolist()
    while kept and min(counts) < least:
        light = counts.index(min(counts))
        left = light == len(counts) - 1 or (light > 0 and counts[light - 1] < counts[light + 1])
        edge = light - 1 if left else light
        counts[edge] += counts.pop(edge + 1)
        kept.pop(edge)
    return np.array(kept, dtype=np.float64)


def count(
    edges: NDArray[np.float64], atoms: Sequence[float], values: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Count values, shape (n,), into the frozen bins: len(edges) + 1 bins, the atoms, null, nonfinite.

    Bin i holds edges[i - 1] <= value < edges[i]. Counts of parts add up to the count of the whole, exactly.

    >>> count(np.array([10.0]), (0.0,), np.array([0.0, 3.0, 10.0, np.nan, -np.inf])).tolist()
    [1, 1, 1, 1, 1]
    """
    bins = len(edges) + 1
    codes = np.searchsorted(edges, values, side="right")  # NaN sorts last: overwritten below
    for place, atom in enumerate(atoms):
        codes[values == atom] = bins + place
    null = np.isnan(values)
    codes[null] = bins + len(atoms)
    codes[~null & ~np.isfinite(values)] = bins + len(atoms) + 1
    return np.bincount(codes, minlength=bins + len(atoms) + 2)


def label(value: float | str | bool | None) -> str | None:
    """Name a category: text as it is, a code as its integer, `None` where there is no value.

    >>> label(3.0), label(True), label("own"), label(float("nan")), label(2.5)
    ('3', '1', 'own', None, '2.5')
    """
    if value is None or isinstance(value, str):
        return value
    if math.isnan(value):
        return None
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))


def tally(values: NDArray[np.float64] | Sequence[str | None]) -> dict[str | None, int]:
    """Count how often each category occurs, `None` for the missing."""
    if isinstance(values, np.ndarray):
        unique, counts = np.unique(values, return_counts=True)
        pairs = zip(unique.tolist(), counts.tolist(), strict=True)
        return {label(value): int(rows) for value, rows in pairs}
    return dict(Counter(values))


def top(counts: Mapping[str | None, int], most: int) -> tuple[str, ...]:
    """Return the `most` frequent categories, the most frequent first, ties by name."""
    named = [(name, rows) for name, rows in counts.items() if name is not None]
    return tuple(name for name, _ in sorted(named, key=lambda pair: (-pair[1], pair[0]))[:most])


def count_categories(
    categories: Sequence[str], values: NDArray[np.float64] | Sequence[str | None]
) -> NDArray[np.int64]:
    """Count values into the frozen categories, then everything else ("other"), then null.

    >>> count_categories(("rent", "own"), ["own", "boat", None, "own"]).tolist()
    [0, 2, 1, 1]
    """
    return fold(categories, tally(values))


def fold(categories: Sequence[str], counts: Mapping[str | None, int]) -> NDArray[np.int64]:
    """Fold counts by name into the order of the frozen categories, then other, then null."""
    places: dict[Any, int] = {name: place for place, name in enumerate(categories)}
    places[None] = len(categories) + 1
    folded = np.zeros(len(categories) + 2, dtype=np.int64)
    for name, rows in counts.items():
        folded[places.get(name, len(categories))] += rows
    return folded
