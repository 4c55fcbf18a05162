"""Features: a versioned pure function from the validated row to the exact values the model sees."""

from __future__ import annotations

import hashlib
import inspect
import struct
import textwrap
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.errors import DeclarationError


class Kind(StrEnum):
    """How a feature is profiled: by quantiles, by counting its values, or by counting its strings."""

    CONTINUOUS = "continuous"
    CATEGORICAL = "categorical"
    TEXT = "text"


Category = Annotated[int, Kind.CATEGORICAL]
"""An integer code: its values are names, not amounts. Profiled by counts, never by quantiles."""


class Feature(NamedTuple):
    """One column of what the model sees."""

    name: str
    kind: Kind
    dtype: Literal["float64", "int64", "bool", "string"]


class FeatureBlock(msgspec.Struct, frozen=True):
    """The features of n rows: numbers side by side in one matrix, strings in columns of their own.

    `matrix` is float64 of shape (n, numeric features), missing values are NaN; integers up to 2**53 are
    exact in it. `text` has one list of n strings for each feature of kind TEXT.
    """

    schema: FeatureSchema
    matrix: NDArray[np.float64]
    text: Mapping[str, Sequence[str | None]]

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def take(self, rows: NDArray[np.intp]) -> FeatureBlock:
        """Return the block of these rows only, in this order."""
        text = {name: [column[i] for i in rows] for name, column in self.text.items()}
        return FeatureBlock(self.schema, self.matrix[rows], text)

    def column(self, name: str) -> NDArray[np.float64] | Sequence[str | None]:
        """Return one feature's values."""
        if name in self.text:
            return self.text[name]
        return self.matrix[:, self.schema.numeric.index(name)]


@dataclass(frozen=True)
class FeatureSchema:
    """Names, order and types of the features, as declared by the feature function's return type."""

    columns: tuple[Feature, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names, in the order the model takes them."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def numeric(self) -> tuple[str, ...]:
        """Names of the matrix columns, in order."""
        return tuple(column.name for column in self.columns if column.kind is not Kind.TEXT)

    @cached_property
    def text(self) -> tuple[str, ...]:
        """Names of the string columns, in order."""
        return tuple(column.name for column in self.columns if column.kind is Kind.TEXT)

    @cached_property
    def _pack(self) -> Callable[..., bytes]:
        return struct.Struct(f"{len(self.columns)}d").pack

    def block(self, rows: Sequence[tuple[Any, ...]]) -> FeatureBlock:
        """Stack the tuples a feature function returned into one block; `None` becomes NaN."""
        if not self.text:
            width = len(self.columns)
            if len(rows) == 1 and len(rows[0]) == width:
                try:  # numpy takes a row apart twice as slowly as it is packed
                    packed = np.frombuffer(self._pack(*rows[0]))
                except (struct.error, TypeError):  # not all of them numbers: numpy reads None as NaN
                    pass
                else:
                    return FeatureBlock(self, packed.reshape(1, width), {})
            matrix = np.array(rows, dtype=np.float64)
            return FeatureBlock(self, matrix.reshape(len(rows), width), {})
        numeric = [i for i, column in enumerate(self.columns) if column.kind is not Kind.TEXT]
        matrix = np.array([[row[i] for i in numeric] for row in rows], dtype=np.float64)
        text = {
            column.name: [row[i] for row in rows]
            for i, column in enumerate(self.columns)
            if column.kind is Kind.TEXT
        }
        return FeatureBlock(self, matrix.reshape(len(rows), len(numeric)), text)


@dataclass(frozen=True)
class Features:
    """A feature function with its version, its declared columns and the hash of its source."""

    function: Callable[[Any], tuple[Any, ...]]
    version: str
    schema: FeatureSchema
    source_hash: str
    row: type
    columnar: bool = False

    def __call__(self, row: Any) -> tuple[Any, ...]:
        """Compute one row's features, exactly as the gate does."""
        return self.function(row)

    def of_rows(self, rows: Sequence[Any]) -> FeatureBlock:
        """Compute the features of validated rows, one call of the function each."""
        return self.schema.block([self.function(row) for row in rows])

    def of_rows_apart(self, rows: Sequence[Any]) -> tuple[FeatureBlock, dict[int, str]]:
        """Compute rows one by one; those that raise become missing values, with the error's type by row."""
        computed: list[FeatureBlock] = []
        failed: dict[int, str] = {}
        nothing = self.schema.block([(None,) * len(self.schema.columns)])
        for place, row in enumerate(rows):
            try:
                computed.append(self.of_rows([row]))
            except Exception as error:  # the function is the user's: it may raise anything
                failed[place] = type(error).__name__
                computed.append(nothing)
        text = {name: [block.text[name][0] for block in computed] for name in self.schema.text}
        return FeatureBlock(self.schema, np.concatenate([b.matrix for b in computed]), text), failed

    def of_columns(self, columns: Any, count: int) -> FeatureBlock:
        """Compute the features of whole columns with one call; only where `columnar` was declared."""
        values = self.function(columns)
        matrix = np.empty((count, len(self.schema.columns)), dtype=np.float64)
        for place, value in enumerate(values):
            matrix[:, place] = value
        return FeatureBlock(self.schema, matrix, {})


def features(
    *, version: str, columnar: bool = False
) -> Callable[[Callable[[Any], tuple[Any, ...]]], Features]:
    """Declare a pure function from a validated row to a NamedTuple as the gate's features.

    The NamedTuple's fields are the features: their names and order are checked against the model's inputs
    when the gate opens. `float` and `bool` are amounts, `Category` an integer code, `str` a category by
    name; `None` is missing. Raise `version` whenever the meaning of a feature changes. With
    `columnar=True` the function also takes a row whose fields are numpy columns (plain arithmetic does),
    which makes large batches fast; the gate checks at opening that both forms agree.

    >>> class Loan(NamedTuple):
    ...     income: float
    ...     debt: float
    >>> class LoanFeatures(NamedTuple):
    ...     debt_ratio: float
    ...     income: float
    >>> @features(version="1")
    ... def loan_features(row: Loan) -> LoanFeatures:
    ...     return LoanFeatures(row.debt / row.income, row.income)
    >>> loan_features(Loan(1000.0, 250.0))
    LoanFeatures(debt_ratio=0.25, income=1000.0)
    >>> loan_features.schema.names
    ('debt_ratio', 'income')
    """

    def declare(function: Callable[[Any], tuple[Any, ...]]) -> Features:
        hints = _hints(function)
        returned = hints.pop("return", None)
        if len(hints) != 1 or not hasattr(returned, "_fields"):
            raise DeclarationError(
                f"{function.__name__} must take one row and return a NamedTuple of its features, "
                "both annotated"
            )
        schema = FeatureSchema(
            tuple(
                _column(name, hint)
                for name, hint in typing.get_type_hints(returned, include_extras=True).items()
            )
        )
        if columnar and schema.text:
            raise DeclarationError("columnar features must be numbers: strings have no columnar form")
        (row,) = hints.values()
        return Features(function, version, schema, source_hash(function, returned), row, columnar)

    return declare


def source_hash(*sources: Any) -> str:
    """Hash the source text of functions and classes, blind to indentation but to nothing else."""
    digest = hashlib.sha256()
    for source in sources:
        try:
            text = textwrap.dedent(inspect.getsource(source))
        except (OSError, TypeError):  # typed into a prompt: no source on disk
            text = repr(source)
        digest.update(text.encode())
    return digest.hexdigest()


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Resolve annotations, also of classes that are local to the function's caller."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError:
        caller = inspect.currentframe()
        while caller is not None and caller.f_globals.get("__name__") == __name__:
            caller = caller.f_back
        local = caller.f_locals if caller is not None else {}
        return typing.get_type_hints(function, localns=local, include_extras=True)


def _column(name: str, hint: Any) -> Feature:
    if type(None) in typing.get_args(hint):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if typing.get_origin(hint) is Annotated:
        inner, *notes = typing.get_args(hint)
        kind = next((note for note in notes if isinstance(note, Kind)), None)
        plain = _column(name, inner)
        return plain if kind is None else Feature(name, kind, plain.dtype)
    if hint is float:
        return Feature(name, Kind.CONTINUOUS, "float64")
    if hint is int:
        return Feature(name, Kind.CONTINUOUS, "int64")
    if hint is bool:
        return Feature(name, Kind.CATEGORICAL, "bool")
    if hint is str:
        return Feature(name, Kind.TEXT, "string")
    raise DeclarationError(f"feature {name} is {hint!r}: declare it as float, int, bool, Category or str")
