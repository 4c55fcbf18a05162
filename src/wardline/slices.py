"""Slices: the columns whose values split every report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from wardline.inference import Batch


class Slicer:
    """Takes the slice columns out of a batch: fields of the contract, else features, by the names given."""

    def __init__(self, names: Sequence[str], fields: Collection[str]) -> None:
        self.fields = tuple(name for name in names if name in fields)
        self.features = tuple(name for name in names if name not in fields)

    def __call__(self, batch: Batch, columns: Mapping[str, Any] | None) -> dict[str, Sequence[Any]]:
        """Return each slice column; `columns` are the validated columns, where the rows came as columns."""
        found: dict[str, Sequence[Any]] = {
            name: [getattr(row, name) for row in batch.rows] if columns is None else columns[name]
            for name in self.fields
        }
        for name in self.features:
            found[name] = list(batch.block.column(name))
        return found
