"""What comes in late: the truth about an answer, and the figures the business counts; read and checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from wardline.errors import PayloadError

MOST_NAMED = 20
"""Broken entries that are named one by one; of the rest only the number is told."""

T = TypeVar("T")

_AHEAD_S = 300.0  # a clock may run before ours by so much
_ID_LENGTH = 80  # an id of 64 characters, a dash, and the number of a row


class Label(NamedTuple):
    """The truth about one answer: a number, or the name of a class. `observed_at` is in nanoseconds (UTC)."""

    request_id: str
    label: float | str
    observed_at: int


class Figure(NamedTuple):
    """A business figure: of a request, or of a stretch of time that ends at `at` (nanoseconds, UTC)."""

    metric: str
    value: float
    at: int
    request_id: str | None
    target: float | None


class Broken(msgspec.Struct, frozen=True):
    """What is wrong with one entry: its place in the list, the field, what it should be."""

    entry: int
    subject: str
    expected: str
    observed: str = ""


class _WrongError(ValueError):
    """A field that is not as it should be."""

    def __init__(self, subject: str, expected: str, observed: object = "") -> None:
        super().__init__(subject)
        self.subject, self.expected, self.observed = subject, expected, repr(observed)[:80]


def entries(body: bytes, most: int) -> list[Any]:
    """Read a body as a list of objects; PayloadError where it is none, or has more than `most` entries."""
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError):  # keys that are no UTF-8 are a ValueError of another kind
        raise PayloadError("the body is not JSON: send a list of objects") from None
    if not isinstance(found, list):
        raise PayloadError("send a list of objects, such as [{...}, {...}]")
    if not found:
        raise PayloadError("the list is empty")
    if len(found) > most:
        raise PayloadError(f"{len(found)} entries are more than {most}: send fewer at a time")
    return found


def labels(given: Sequence[Any], classes: Sequence[str], now: float) -> tuple[list[Label], list[Broken]]:
    """Read entries {"request_id", "label", "observed_at"} as labels; what is broken is told entry by entry.

    A row of a batch goes by its own id (`ID-3`), or by the batch's with `row`. A class goes by its name, or
    by its number as in training files. `now` is seconds since the epoch: nothing is observed after it.

    >>> found, broken = labels([{"request_id": "a", "row": 3, "label": "yes",
    ...                          "observed_at": "2018-07-01T12:00:00Z"}, {"label": 2}], ("no", "yes"), 2e9)
    >>> found[0].request_id, found[0].label, [(each.entry, each.subject) for each in broken]
    ('a-3', 'yes', [(1, 'request_id')])
    """
    known = {name: name for name in classes}
    return _each(given, lambda entry: _label(entry, known, tuple(classes), now), _LABEL)


def figures(given: Sequence[Any], now: float) -> tuple[list[Figure], list[Broken]]:
    """Read entries {"metric", "value", "at"[, "request_id"][, "target"]} as business figures.

    >>> figures([{"metric": "refunds", "value": 3, "at": "2018-07-01T00:00:00+00:00"}], 2e9)[0][0].value
    3.0
    """
    return _each(given, lambda entry: _figure(entry, now), _FIGURE)


_LABEL = frozenset({"request_id", "row", "label", "observed_at"})
_FIGURE = frozenset({"metric", "value", "at", "request_id", "target"})


def _each(
    given: Sequence[Any], read: Callable[[Mapping[str, Any]], T], fields: frozenset[str]
) -> tuple[list[T], list[Broken]]:
    found: list[T] = []
    broken: list[Broken] = []
    for place, entry in enumerate(given):
        if not isinstance(entry, Mapping):
            broken.append(Broken(place, "", "an object", repr(entry)[:80]))
            continue
        try:
            _check_fields(entry, fields)
            found.append(read(entry))
        except _WrongError as error:
            broken.append(Broken(place, error.subject, error.expected, error.observed))
    return found, broken


def _check_fields(entry: Mapping[str, Any], fields: frozenset[str]) -> None:
    strange = entry.keys() - fields
    if strange:
        raise _WrongError(str(min(strange, key=str)), "one of " + ", ".join(sorted(fields)))


def _label(entry: Mapping[str, Any], known: Mapping[str, str], classes: tuple[str, ...], now: float) -> Label:
    name = _id(entry.get("request_id"))
    row = entry.get("row")
    if row is not None:
        if not isinstance(row, int) or isinstance(row, bool) or row < 0:
            raise _WrongError("row", "the number of a row of the batch, from 0", row)
        name = f"{name}-{row}"
    value = entry.get("label")
    if classes:
        label: float | str = _class(value, known, classes)
    else:
        label = _number("label", value)
    return Label(name, label, _instant("observed_at", entry.get("observed_at"), now))


def _figure(entry: Mapping[str, Any], now: float) -> Figure:
    metric = entry.get("metric")
    if not isinstance(metric, str) or not 0 < len(metric.strip()) <= 200:
        raise _WrongError("metric", "a name of at most 200 characters", metric)
    given, target = entry.get("request_id"), entry.get("target")
    return Figure(
        metric.strip(),
        _number("value", entry.get("value")),
        _instant("at", entry.get("at"), now),
        None if given is None else _id(given),
        None if target is None else _number("target", target),
    )


def _id(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _ID_LENGTH:
        raise _WrongError("request_id", "the request_id of a verdict", value)
    return value


def _class(value: object, known: Mapping[str, str], classes: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in known:
        return value
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, int | float):
        named = known.get(str(value))
        if named is not None:
            return named
        if value in range(len(classes)):
            return classes[int(value)]
    raise _WrongError(
        "label", "one of " + ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else ""), value
    )


def _number(subject: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise _WrongError(subject, "a finite number", value)
    return float(value)


def _instant(subject: str, value: object, now: float) -> int:
    expected = "a date and time with its zone, such as 2018-07-01T12:00:00Z"
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise _WrongError(subject, expected, value) from None
    if not isinstance(value, str | datetime) or moment.tzinfo is None:
        raise _WrongError(subject, expected, value)
    seconds = (moment - _EPOCH).total_seconds()
    if seconds > now + _AHEAD_S:
        raise _WrongError(subject, "not in the future", value)
    if seconds < 0:
        raise _WrongError(subject, "after 1970", value)
    return round(seconds * 1e6) * 1000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
