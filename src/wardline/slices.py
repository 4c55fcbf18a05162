"""Slices: the columns whose values split every report."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from wardline.inference import Batch


class Slices(Mapping[str, Sequence[Any]]):
    """The slice columns of a batch: fields of the contract, else features, read when they are asked for.

    `columns` are the validated columns, where the rows came as columns. Reading is left to the log, which
    has the time.
    """

    __slots__ = ("batch", "columns", "fields", "names")

    def __init__(
        self,
        names: Sequence[str],
        fields: Collection[str],
        batch: Batch,
        columns: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self.names = names
        self.fields = fields
        self.batch = batch
        self.columns = columns

    def __getitem__(self, name: str) -> Sequence[Any]:
        if name not in self.names:
            raise KeyError(name)
        if name not in self.fields:
            return list(self.batch.block.column(name))
        if self.columns is not None:
            return self.columns[name]
        return [getattr(row, name) for row in self.batch.rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
