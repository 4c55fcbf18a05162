"""Answers joined with the labels that came for them: plain columns, for whatever judges answers by truth."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wardline.log.columns import Coded

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Labelled:
    """Answered records, in order of time, each with its label where one came.

    `value` and `label` are numbers, or class numbers; `label` is NaN where none came. `lag_s` is how long
    after the answer its truth was observed. `stated` says where a set or interval was given, `covered`
    whether it holds the label. `unknown` counts labels of ids that no answer has.
    """

    time: NDArray[np.int64]
    ids: NDArray[np.object_]
    rung: Coded
    reference: Coded
    value: Floats
    label: Floats
    lag_s: Floats
    confidence: Floats
    width: Floats
    ood_p: Floats
    level: Floats
    stated: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    slices: dict[str, Coded]
    corrected: int = 0
    unknown: int = 0
    newest_label: int = 0

    def __len__(self) -> int:
        return len(self.time)

    @property
    def has(self) -> NDArray[np.bool_]:
        """Which answers have a label."""
        return ~np.isnan(self.label)

    @property
    def loss(self) -> Floats:
        """What each answer cost: 1 for a wrong class, the absolute error of a number; NaN without a label."""
        return np.abs(self.value - self.label)

    def take(self, rows: NDArray[Any]) -> Self:
        """Return these answers only; booleans choose, whole numbers pick."""
        chosen: dict[str, Any] = {}
        for each in fields(self):
            held = getattr(self, each.name)
            if isinstance(held, Coded):
                chosen[each.name] = Coded(held.codes[rows], held.names)
            elif each.name == "slices":
                chosen["slices"] = {name: Coded(c.codes[rows], c.names) for name, c in held.items()}
            else:
                chosen[each.name] = held[rows] if isinstance(held, np.ndarray) else held
        return type(self)(**chosen)


@dataclass(frozen=True)
class ClassLabelled(Labelled):
    """The same of class numbers."""

    @property
    def loss(self) -> Floats:
        """Return 1 for a wrong class, 0 for the right one; NaN without a label."""
        return np.where(self.has, (self.value != self.label).astype(np.float64), np.nan)
