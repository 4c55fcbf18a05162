"""Slices: the columns whose values split every report."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wardline.inference import Batch
from wardline.privacy import Privacy
from wardline.stats.bins import label


class Slices(Mapping[str, Sequence[Any]]):
    """The slice columns of a batch: fields of the contract, else features, read when they are asked for.

    `columns` are the validated columns, where the rows came as columns. Reading is left to the log, which
    has the time; only of heavy rows the fields are read at once, for they may not wait there with them.
    """

    __slots__ = ("block", "columns", "fields", "names", "privacy", "rows")

    def __init__(
        self,
        names: Sequence[str],
        fields: Collection[str],
        batch: Batch,
        columns: Mapping[str, Sequence[Any]] | None = None,
        *,
        privacy: Privacy,
    ) -> None:
        self.privacy = privacy
        self.names = names
        self.fields = fields
        self.block = batch.block
        self.rows, self.columns = batch.rows, columns
        if columns is None and len(batch) and getattr(batch.rows[0], "heavy", False):
            read = [name for name in names if name in fields]
            self.columns = {name: [getattr(row, name) for row in batch.rows] for name in read}
            self.rows = ()

    def __getitem__(self, name: str) -> Sequence[Any]:
        if name not in self.names:
            raise KeyError(name)
        if name not in self.fields:
            return [label(value) for value in self.block.column(name)]  # as the reference names them
        if self.columns is not None:
            return self.privacy.column(name, self.columns[name])
        return self.privacy.column(name, [getattr(row, name) for row in self.rows])

    @staticmethod
    def gathered(held: Sequence[Mapping[str, Sequence[Any]]], name: str) -> Sequence[Any]:
        """Return one column of many requests of one gate, end to end: each value is told once."""
        ours = [each for each in held if isinstance(each, Slices)]
        if len(ours) < len(held) or not ours or name in ours[0].block.text:
            return [value for each in held for value in each[name]]
        first = ours[0]
        if name in first.fields:
            values: list[Any] = []
            for each in ours:
                columns = each.columns
                # A column may be numpy's, and += with one would add, not append.
                values.extend([getattr(row, name) for row in each.rows] if columns is None else columns[name])
            return first.privacy.column(name, values)
        place = first.block.schema.numeric.index(name)
        numbers = np.concatenate([each.block.matrix for each in ours])[:, place]
        codes, places = np.unique(numbers, return_inverse=True)
        labels = [label(code) for code in codes.tolist()]
        return [labels[i] for i in places.tolist()]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
