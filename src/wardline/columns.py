"""The contract over whole columns: clears the rows that are plainly fine, and leaves the rest to the row."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, SimpleNamespace
from typing import Any, Self

import annotated_types
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from pydantic.fields import FieldInfo

Columns = Mapping[str, NDArray[Any]]

_KINDS = {float: "fiu", int: "iu", bool: "b"}  # numpy kinds that hold the type exactly as strict JSON would
_COMPARE: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    annotated_types.Ge: ("ge", np.greater_equal),
    annotated_types.Gt: ("gt", np.greater),
    annotated_types.Le: ("le", np.less_equal),
    annotated_types.Lt: ("lt", np.less),
}


@dataclass(frozen=True)
class _Field:
    kinds: str
    limits: tuple[tuple[Callable[[Any, Any], Any], Any], ...]
    choices: NDArray[Any] | None
    nullable: bool
    infinite: bool


@dataclass(frozen=True)
class ColumnPlan:
    """What of a Row class can be checked column by column. `None` instead of a plan: nothing can."""

    fields: Mapping[str, _Field]

    @classmethod
    def of(cls, row: type[BaseModel]) -> Self | None:
        """Derive the plan from the declared fields; a field of a kind it does not know means no plan."""
        if row.__pydantic_decorators__.field_validators or row.__pydantic_decorators__.model_validators:
            return None
        fields = {name: _plan(field) for name, field in row.model_fields.items()}
        if any(field is None for field in fields.values()):
            return None
        return cls(typing.cast("dict[str, _Field]", fields))

    def check(self, columns: Mapping[str, Any], count: int) -> tuple[NDArray[np.bool_], Columns] | None:
        """Return which rows look wrong, and the columns as arrays; `None` if the columns themselves do."""
        if columns.keys() != self.fields.keys():
            return None
        suspect = np.zeros(count, dtype=np.bool_)
        clean: dict[str, NDArray[Any]] = {}
        for name, field in self.fields.items():
            column = np.asarray(columns[name])
            if column.ndim != 1 or column.dtype.kind not in field.kinds:
                return None
            with np.errstate(invalid="ignore"):
                if field.choices is not None:
                    good = np.isin(column, field.choices)
                else:
                    good = np.ones(count, dtype=np.bool_)
                    for compare, limit in field.limits:
                        good &= compare(column, limit)
                if column.dtype.kind == "f":
                    if not field.infinite:
                        good &= np.isfinite(column)
                    if field.nullable:
                        good |= np.isnan(column)
            suspect |= ~good
            clean[name] = column
        return suspect, clean


class ColumnRows(Sequence[Any]):
    """Validated columns seen as rows; a row object is made only when one is asked for."""

    def __init__(self, row: type[BaseModel], columns: Columns) -> None:
        self._row = row
        self.columns = columns
        self._count = len(next(iter(columns.values())))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(self._count))]
        values = {name: column.item(place) for name, column in self.columns.items()}
        return self._row.model_construct(**{n: None if v != v else v for n, v in values.items()})

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(self._count))

    @property
    def view(self) -> SimpleNamespace:
        """The columns as attributes, the way a row's fields are."""
        return SimpleNamespace(**self.columns)

    def test(self, rule: Callable[[Any], Any]) -> NDArray[np.bool_]:
        """Judge a rule for every row: at once where it is plain arithmetic, else row by row."""
        if self._count > 1:  # asking one-element arrays for their truth would not raise
            try:
                kept = rule(self.view)
            except Exception:
                kept = None
            if isinstance(kept, np.ndarray) and kept.dtype == np.bool_ and kept.shape == (self._count,):
                return kept
        return np.fromiter((bool(rule(row)) for row in self), dtype=np.bool_, count=self._count)


def _plan(field: FieldInfo) -> _Field | None:
    annotation = field.annotation
    args = typing.get_args(annotation)
    nullable = NoneType in args
    if nullable:
        args = tuple(arg for arg in args if arg is not NoneType)
        if len(args) != 1:
            return None
        (annotation,) = args
        args = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        kinds = {type(arg) for arg in args}
        if kinds == {int} and not nullable and not field.metadata:
            return _Field("iu", (), np.array(args), False, False)
        return None
    if annotation not in _KINDS:
        return None
    limits: list[tuple[Callable[[Any, Any], Any], Any]] = []
    infinite = False
    for note in field.metadata:
        known = _COMPARE.get(type(note))
        if known is not None:
            limits.append((known[1], getattr(note, known[0])))
        elif hasattr(note, "allow_inf_nan"):
            infinite = bool(note.allow_inf_nan)
        elif type(note).__name__ not in {"Unit", "Pii"}:
            return None
    kinds_allowed = _KINDS[annotation]
    if nullable:  # numpy has no null but NaN: only floats can say it
        kinds_allowed = "f" if annotation is float else ""
    return _Field(kinds_allowed, tuple(limits), None, nullable, infinite)
