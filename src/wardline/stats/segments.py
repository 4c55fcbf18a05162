"""The worst segments: where among combinations of slice values answers cost more than elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

_DRAWS = 200
_APART = 2.58  # a part differs from the rest of its whole by so many standard errors: 1 in 200
_REST = 1.64  # what is left of a segment without its parts is still worse: 1 in 20


class Segment(NamedTuple):
    """Rows that have these values, `where` as (column, code): what they cost against all others.

    `p_value` is adjusted for every segment that was looked at. `excess` is what the segment costs beyond
    its share, in units of loss.
    """

    where: tuple[tuple[str, int], ...]
    rows: int
    mean: float
    elsewhere: float
    p_value: float
    excess: float


@dataclass(frozen=True)
class _Grid:
    """One combination of columns: the cell of each row, and the cells that are large enough."""

    names: tuple[str, ...]
    cells: Codes
    values: NDArray[np.intp]
    counts: NDArray[np.int64]
    kept: Codes

    def z(self, loss: Floats, spread: float) -> Floats:
        """Return how many standard errors each kept cell costs more than all rows: `loss` has mean 0."""
        sums = np.bincount(self.cells, weights=loss, minlength=len(self.counts))[self.kept]
        n, total = self.counts[self.kept], len(loss)
        found: Floats = sums / (spread * np.sqrt(n * (1.0 - n / total)))
        return found


def worst_segments(
    loss: Floats,
    columns: Mapping[str, Codes],
    rng: np.random.Generator,
    *,
    depth: int = 3,
    least: int = 50,
    level: float = 0.05,
) -> list[Segment]:
    """Return segments that cost significantly more than the rest, the costliest first.

    `columns` has the code of each row's value, -1 where there is none. All combinations of up to `depth`
    columns with at least `least` rows are looked at. The largest standardised difference over all of them
    is compared with that of the same losses dealt out at random (Westfall & Young 1993, single-step maxT):
    the chance that anything is reported where no segment is worse is at most `level`, and so is the false
    discovery rate, whatever the losses' distribution and however the segments overlap. A part is reported
    beside its whole only where it is worse than the rest of it, and a whole only where it is bad without
    its parts.
    """
    if len(loss) < 2 * least:
        return []
    centred = loss - loss.mean()
    spread = float(centred.std())
    if spread <= 0.0:
        return []
    grids = list(_grids(columns, depth, least))
    if not grids:
        return []
    found = [grid.z(centred, spread) for grid in grids]
    highest = np.array([_highest(grids, rng.permutation(centred), spread) for _ in range(_DRAWS)])
    segments: list[tuple[float, Segment, NDArray[np.bool_]]] = []
    for grid, z in zip(grids, found, strict=True):
        for place in np.flatnonzero(z > 0).tolist():
            p_value = float((1 + (highest >= z[place]).sum()) / (_DRAWS + 1))
            if p_value <= level:
                inside = grid.cells == grid.kept[place]
                segments.append((float(z[place]), _segment(grid, place, loss, inside, p_value), inside))
    return _told(segments, loss)


def smallest_level() -> float:
    """Return the smallest level that the permutations can reach."""
    return 1.0 / (_DRAWS + 1)


def _grids(columns: Mapping[str, Codes], depth: int, least: int) -> Iterator[_Grid]:
    for size in range(1, depth + 1):
        for names in itertools.combinations(columns, size):
            stacked = np.stack([columns[name] for name in names], axis=1)
            whole: NDArray[np.bool_] = np.all(stacked >= 0, axis=1)
            key = np.zeros(len(stacked), dtype=np.int64)
            for column in stacked.T:
                key = key * (int(column.max(initial=0)) + 2) + column + 1
            _, first, cells, counts = np.unique(
                key, return_index=True, return_inverse=True, return_counts=True
            )
            values = stacked[first]
            large: NDArray[np.bool_] = (counts >= least) & (counts <= len(key) - least) & whole[first]
            if large.any():
                yield _Grid(names, cells, values, counts, np.flatnonzero(large))


def _highest(grids: Sequence[_Grid], loss: Floats, spread: float) -> float:
    return max(float(grid.z(loss, spread).max()) for grid in grids)


def _segment(grid: _Grid, place: int, loss: Floats, inside: NDArray[np.bool_], p_value: float) -> Segment:
    values = grid.values[grid.kept[place]].tolist()
    rows, mean, elsewhere = int(inside.sum()), float(loss[inside].mean()), float(loss[~inside].mean())
    return Segment(
        tuple(zip(grid.names, values, strict=True)), rows, mean, elsewhere, p_value,
        rows * (mean - float(loss.mean())),
    )  # fmt: skip


def _told(found: list[tuple[float, Segment, NDArray[np.bool_]]], loss: Floats) -> list[Segment]:
    """Leave out what is bad only by its whole, then what is bad only by its parts."""
    found.sort(key=lambda each: (len(each[1].where), -each[0]))
    kept: list[tuple[Segment, NDArray[np.bool_]]] = []
    for _, segment, inside in found:
        wholes = [other for each, other in kept if set(each.where) < set(segment.where)]
        if all(_worse(loss[inside], loss[whole & ~inside], _APART) for whole in wholes):
            kept.append((segment, inside))
    told = []
    for segment, inside in kept:
        parts = [other for each, other in kept if set(segment.where) < set(each.where)]
        left = inside.copy()
        for part in parts:
            left &= ~part
        outside = ~inside
        if not parts or (left.sum() > 1 and _worse(loss[left], loss[outside], _REST)):
            told.append(segment)
    return sorted(told, key=lambda segment: -segment.excess)


def _worse(some: Floats, others: Floats, by: float) -> bool:
    """Say whether some losses are higher than others by so many standard errors (Welch)."""
    if len(some) < 2 or len(others) < 2:
        return len(others) < 2
    error = np.sqrt(some.var(ddof=1) / len(some) + others.var(ddof=1) / len(others))
    return bool(some.mean() - others.mean() > by * error)
