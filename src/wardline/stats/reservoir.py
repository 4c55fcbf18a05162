"""A uniform sample of a stream of any length, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Reservoir:
    """Keeps `most` rows of a stream, each row with the same chance (Vitter's algorithm R), by the seed given.

    A row is one entry of every column added together. Nothing is drawn, and order is kept, until it is full.

    >>> reservoir = Reservoir(3, np.random.default_rng(0))
    >>> reservoir.add(np.array([1.0, 2.0]))
    >>> reservoir.add(np.array([3.0]))
    >>> reservoir.columns[0].tolist(), reservoir.seen
    ([1.0, 2.0, 3.0], 3)
    """

    def __init__(self, most: int, rng: np.random.Generator) -> None:
        self.most = most
        self.seen = 0
        self._rng = rng
        self._parts: list[tuple[NDArray[Any], ...]] = []

    def add(self, *columns: NDArray[Any]) -> None:
        """Offer the rows of a block; every block has the same columns."""
        count = len(columns[0])
        room = max(0, min(count, self.most - self.seen))
        if room:
            self._parts.append(tuple(column[:room].copy() for column in columns))
        if count > room:
            drawn = self._rng.integers(0, np.arange(self.seen + room, self.seen + count) + 1)
            # Of two rows drawn for one place the later stays, as if they had come one by one.
            taken = {int(drawn[row]): room + int(row) for row in np.flatnonzero(drawn < self.most)}
            if taken:
                places, rows = np.array(list(taken)), np.array(list(taken.values()))
                for kept, column in zip(self.columns, columns, strict=True):
                    kept[places] = column[rows]
        self.seen += count

    @property
    def columns(self) -> tuple[NDArray[Any], ...]:
        """The sampled rows, column by column; empty before the first block."""
        if len(self._parts) > 1:
            self._parts = [tuple(np.concatenate(parts) for parts in zip(*self._parts, strict=True))]
        return self._parts[0] if self._parts else ()

    def __len__(self) -> int:
        return min(self.seen, self.most)
