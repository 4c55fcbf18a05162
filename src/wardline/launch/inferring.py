"""From what a column holds to what a contract would say of it; what is a guess is marked for a person."""

from __future__ import annotations

import json
import keyword
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Kind = Literal["float", "int", "bool", "category", "text", "time", "identifier"]

CATEGORIES = 30
"""Different values above which text is no category any more, but free text."""
_CODES = 12  # whole numbers with as few different values may be codes
_MARGIN = 0.1  # of the range seen, allowed beyond it on either side
_IDENTIFIER = re.compile(
    r"(?:^|_)(?:id|uid|uuid|guid|key|vin|iban|ssn|email|phone)$|^(?:id|uuid)_", re.IGNORECASE
)
_WHOLE = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "HUGEINT",
)
_REAL = ("FLOAT", "DOUBLE", "DECIMAL")
_TIME = ("TIMESTAMP", "DATE")


@dataclass(frozen=True)
class Summary:
    """What one pass over a file says of a column; `values` are its different values, where they are few."""

    column: str
    sql: str
    rows: int
    nulls: int
    distinct: int
    low: Any
    high: Any
    longest: int
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Guess:
    """A field as it will be declared. `review` says what a person should confirm, or nothing."""

    name: str
    column: str
    kind: Kind
    nullable: bool
    low: float | None = None
    high: float | None = None
    longest: int = 0
    values: tuple[Any, ...] = ()
    review: str = ""

    @property
    def is_feature(self) -> bool:
        """Whether the model sees it: identifiers name a row, and a time is no amount."""
        return self.kind in ("float", "int", "bool", "category")


def field_name(column: str, taken: Sequence[str] = ()) -> str:
    """Make a Python name of a column's.

    >>> field_name("sepal length (cm)"), field_name("class"), field_name("1st"), field_name("a", ["a"])
    ('sepal_length_cm', 'class_', 'x1st', 'a_2')
    """
    name = re.sub(r"[^0-9A-Za-z_]+", "_", column).strip("_") or "column"
    if name[0].isdigit():
        name = f"x{name}"
    if keyword.iskeyword(name) or name in ("rows", "model_config", "unknown_fields"):
        name += "_"
    whole, number = name, 2
    while name in taken:
        name, number = f"{whole}_{number}", number + 1
    return name


def guess(summary: Summary, taken: Sequence[str] = ()) -> Guess:
    """Say what a column is. Ranges have a margin; what cannot be known from data alone is to be reviewed."""
    name = field_name(summary.column, taken)
    notes = [] if name == summary.column else [f'the column is called "{summary.column}"']
    kind, note = _kind(summary)
    notes += [note] if note else []
    low = high = None
    if kind in ("int", "float"):
        low, high = _range(summary, whole=kind == "int")
    elif kind == "identifier" and summary.sql != "VARCHAR" and summary.low is not None and summary.low >= 0:
        low = 0  # the next one is larger than any that was seen
    values = summary.values if kind == "category" else ()
    longest = summary.longest if kind in ("text", "identifier") and summary.sql == "VARCHAR" else 0
    return Guess(name, summary.column, kind, summary.nulls > 0, low, high, longest, values, "; ".join(notes))


def _kind(summary: Summary) -> tuple[Kind, str]:
    sql, known = summary.sql, summary.rows - summary.nulls
    unique = known > 1 and summary.distinct >= 0.999 * known
    if not known:
        return "text", "empty in every row: is it needed?"
    if sql.startswith(_TIME):
        return "time", "a timestamp: is its zone UTC in the file? How old may it be? It is no feature"
    if sql == "BOOLEAN":
        return "bool", ""
    whole = sql in _WHOLE or (sql.startswith("DECIMAL") and sql.endswith(",0)"))
    if (whole or sql in {"VARCHAR", "UUID"}) and (_IDENTIFIER.search(summary.column) or unique):
        return "identifier", "looks like an identifier: it is no feature"
    if whole:
        few = summary.distinct <= _CODES
        note = f"{summary.distinct} different values: a code? Then Literal[...] and Category" if few else ""
        return "int", note
    if sql.startswith(_REAL):
        return "float", ""
    if summary.distinct <= CATEGORIES:
        return "category", ""
    return "text", f"{summary.distinct} different texts: too many for a category, it is no feature"


def _range(summary: Summary, *, whole: bool) -> tuple[float, float]:
    """Widen what was seen by a tenth of its span; what was never negative stays so."""
    low, high = float(summary.low), float(summary.high)
    margin = _MARGIN * (high - low) or max(1.0, abs(high) * _MARGIN)
    wide_low, wide_high = _outward(low - margin, -1, margin), _outward(high + margin, 1, margin)
    if low >= 0:
        wide_low = max(0.0, wide_low)
    if whole:
        return math.floor(wide_low), math.ceil(wide_high)
    return wide_low, wide_high


def _outward(value: float, side: int, margin: float) -> float:
    """Round away from the data, to a few hundredths of the margin: limits that a person can read.

    >>> _outward(14.273, 1, 1.2), _outward(-0.0371, -1, 0.05)
    (14.3, -0.038)
    """
    digits = 1 - math.floor(math.log10(margin)) if margin > 0 else 0
    step = 10.0**-digits
    rounded = math.ceil(value / step) if side > 0 else math.floor(value / step)
    return round(rounded * step, max(digits, 0))


def literal(value: Any) -> str:
    """Write a value as Python source would.

    >>> print(literal("it's"), literal(("a", "b")), literal(2.5))
    "it's" ("a", "b") 2.5
    """
    if isinstance(value, datetime):
        value = value.isoformat()
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
