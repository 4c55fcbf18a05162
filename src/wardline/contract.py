"""The contract of a table row: what an input must be, before any statistics."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pydantic_core
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import core_schema

from wardline import breaches
from wardline.columns import ColumnPlan, ColumnRows
from wardline.errors import DeclarationError, PayloadError, TooLargeError
from wardline.features import source_hash
from wardline.fields import CrossRule, Pii, Row, Timestamp
from wardline.inference import Batch
from wardline.owner import Upstream
from wardline.privacy import Privacy, Treatment
from wardline.slices import Slices
from wardline.verdict import Finding

_IS_BATCH = re.compile(rb'\s*\{\s*"rows"\s*:')


class Admitted(msgspec.Struct):
    """What came of n rows: the valid ones, where they stood, and why the others were refused."""

    count: int
    batch: bool
    rows: Sequence[Any]
    positions: NDArray[np.intp]
    rejects: Mapping[int, tuple[Finding, ...]] = {}
    unknown: Mapping[int, Sequence[str]] = {}
    columns: Any = None
    """The validated columns, where the rows came as columns."""
    camera: str | None = None
    """Who took the picture, where the row is a frame."""
    firmware: str | None = None


_FIRST = np.zeros(1, dtype=np.intp)
_NONE = np.zeros(0, dtype=np.intp)


class Tabular:
    """The contract of a tabular model: one Row class and at least one example a caller may copy.

    `upstream` says who sends these rows and what they promised.

    >>> class Trip(Row):
    ...     miles: float
    >>> contract = Tabular(Trip, examples=[{"miles": 2.5}])
    >>> [finding.reason for finding in contract.admit({"miles": "far", "x": 1}).rejects[0]]
    ['contract.type', 'contract.unknown_field']
    """

    pictures = False
    thumbnails = False
    """Whether small pictures of frames may be kept beside their traces."""
    golden_rows: int | None = None
    """How many training rows a reference keeps whole, where it is not for the sampler to say."""

    def __init__(
        self, row: type[Row], *, examples: Sequence[Mapping[str, Any]], upstream: Upstream | None = None
    ) -> None:
        _check_row(row, examples)
        self.upstream = upstream
        self.row = row
        self.fields = tuple(row.model_fields)
        self.rules = tuple(_rules(row))
        self._tests = tuple(each.test for each in self.rules)
        self.stamps = {
            name: note
            for name, field in row.model_fields.items()
            for note in field.metadata
            if isinstance(note, Timestamp)
        }
        self._limited = tuple(
            (name, stamp)
            for name, stamp in self.stamps.items()
            if stamp.max_age_s is not None or stamp.max_future_s is not None
        )
        zones = {name: ZoneInfo(stamp.zone) for name, stamp in self.stamps.items() if stamp.zone is not None}
        self._natives = tuple(
            (name, field.annotation, zones.get(name)) for name, field in row.model_fields.items()
        )
        self.privacy = Privacy(_treatments(row))
        self._explain = breaches.Explainer(row, self.rules, self.stamps, self.privacy)
        self._plan = ColumnPlan.of(row)
        self._validator = row.__pydantic_validator__
        self._batch_validator = pydantic_core.SchemaValidator(
            core_schema.typed_dict_schema(
                {"rows": core_schema.typed_dict_field(core_schema.list_schema(row.__pydantic_core_schema__))},
                extra_behavior="forbid",
            )
        )
        self._simple = self._explain.simple
        self.examples = [dict(example) for example in examples]
        for place, example in enumerate(self.examples):
            for first in self.admit(example, now=None).rejects.get(0, ())[:1]:
                raise DeclarationError(
                    f"{row.__name__}: example {place} is not valid: {first.subject} is {first.observed}, "
                    f"expected {first.expected}"
                )
        self.hash = hashlib.sha256(
            json.dumps(self.schema(), sort_keys=True, default=str).encode()
            + source_hash(*(each.test for each in self.rules)).encode()
        ).hexdigest()

    def slices(self, names: Sequence[str], batch: Batch, columns: Any) -> Slices:
        """Return the slice columns of a batch, as they may be written."""
        return Slices(names, self.fields, batch, columns, privacy=self.privacy)

    def afresh(self) -> Tabular:
        """Return the contract as it is before any row came; one that remembers rows forgets them."""
        return self

    def schema(self) -> dict[str, Any]:
        """Return the published form: JSON Schema with the rules in words and the example rows."""
        schema = self.row.model_json_schema()
        schema["examples"] = json.loads(pydantic_core.to_json(self.examples))
        if self.rules:
            schema["x-rules"] = [{"fields": list(r.fields), "says": r.says} for r in self.rules]
        return schema

    def admit(self, payload: Any, now: float | None = None) -> Admitted:
        """Validate one row, or `{"rows": [...]}`; raise PayloadError where there is nothing to validate.

        `now` is the gate's clock in epoch seconds; without it freshness is not judged.
        """
        if isinstance(payload, bytes | str):
            return self._admit_json(payload.encode() if isinstance(payload, str) else payload, now)
        if isinstance(payload, Mapping) and "rows" in payload:
            return self.admit_rows(_batch_rows(payload), now)
        return self._one(payload, now, self._from_python)

    def admit_rows(self, payloads: Sequence[Any], now: float | None = None) -> Admitted:
        """Validate many rows; a broken one is refused alone."""
        rows: list[Any] = []
        positions: list[int] = []
        rejects: dict[int, tuple[Finding, ...]] = {}
        unknown: dict[int, Sequence[str]] = {}
        for place, payload in enumerate(payloads):
            one = self._one(payload, now, self._from_python)
            if one.rejects:
                rejects[place] = one.rejects[0]
            else:
                rows.append(one.rows[0])
                positions.append(place)
            if one.unknown:
                unknown[place] = one.unknown[0]
        return Admitted(len(payloads), True, rows, np.array(positions, dtype=np.intp), rejects, unknown)

    def admit_columns(self, columns: Mapping[str, Any], now: float | None = None) -> Admitted:
        """Validate whole columns at once; rows that look wrong are validated one by one, as ever."""
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise PayloadError(f"columns must be of one length, these have {sorted(lengths)}")
        (count,) = lengths
        checked = self._plan.check(columns, count) if self._plan is not None else None
        if checked is None:
            names = list(columns)
            return self.admit_rows(
                [dict(zip(names, row, strict=True)) for row in breaches.python_rows(columns)], now
            )
        suspect, clean = checked
        view = ColumnRows(self.row, clean)
        for each in self.rules:
            suspect |= ~view.test(each.test)
        if not suspect.any():
            return Admitted(count, True, view, np.arange(count), columns=clean)
        kept = np.flatnonzero(~suspect)
        rejects: dict[int, tuple[Finding, ...]] = {}
        for place in np.flatnonzero(suspect).tolist():
            payload = {name: column[place] for name, column in columns.items()}
            refused = self._one(self.adopt(payload), now).rejects.get(0)
            if refused is not None:
                rejects[place] = refused
        if len(rejects) + len(kept) != count:  # something only looked wrong: let each row speak for itself
            names = list(columns)
            return self.admit_rows([self.adopt({n: columns[n][i] for n in names}) for i in range(count)], now)
        chosen = {name: column[kept] for name, column in clean.items()}
        return Admitted(count, True, ColumnRows(self.row, chosen), kept, rejects, columns=chosen)

    def adopt(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Read a row of a file as a caller would have sent it: native types, zones on naive stamps.

        Columns that are not fields are left out; NaN in a file means null; whole floats may stand for
        integers, because files without nulls in one month have them in the next.
        """
        return {
            name: breaches.native(record[name], annotation, zone)
            for name, annotation, zone in self._natives
            if name in record
        }

    def _from_python(self, payload: Any) -> Any:
        if self._simple:
            return self._validator.validate_python(payload)
        # Dates, UUIDs and the like are text on the wire: let the wire's own rules read them.
        try:
            text = pydantic_core.to_json(payload, inf_nan_mode="constants")
        except pydantic_core.PydanticSerializationError:
            return self._validator.validate_python(payload)
        return self._validator.validate_json(text)

    def _admit_json(self, body: bytes, now: float | None) -> Admitted:
        if not is_batch(body):
            return self._one(body, now, self._validator.validate_json)
        try:  # the whole batch in one pass, when no field of it is broken
            rows = self._batch_validator.validate_json(body)["rows"]
        except ValidationError:
            pass
        else:
            return self._promised(rows, now)
        try:
            parsed = pydantic_core.from_json(body)
        except ValueError as error:
            raise PayloadError(f"the body is not JSON: {error}") from None
        return self.admit_rows(_batch_rows(parsed), now)

    def _promised(self, rows: list[Any], now: float | None) -> Admitted:
        """Judge freshness and rules of rows whose fields are all valid."""
        count = len(rows)
        unknown = {
            place: tuple(sorted(row.__pydantic_extra__))
            for place, row in enumerate(rows)
            if row.__pydantic_extra__
        }
        broken = {
            place: tuple(self._explain.promises(row, now))
            for place, row in enumerate(rows)
            if not self._kept(row, now)
        }
        if not broken:
            return Admitted(count, True, rows, np.arange(count), unknown=unknown)
        kept = [place for place in range(count) if place not in broken]
        whole = [rows[place] for place in kept]
        return Admitted(count, True, whole, np.array(kept, dtype=np.intp), broken, unknown)

    def _kept(self, row: Any, now: float | None) -> bool:
        """Say whether a row is fresh and keeps every rule, without saying which it does not."""
        for test in self._tests:
            if not test(row):
                return False
        return now is None or not self._limited or not self._explain.promises(row, now)

    def _one(self, payload: Any, now: float | None, validate: Callable[[Any], Any] | None = None) -> Admitted:
        try:
            row = (validate or self._from_python)(payload)
        except ValidationError as error:
            return Admitted(1, False, (), _NONE, {0: self._explain.errors(error, payload, now)})
        if not self._kept(row, now):
            return Admitted(1, False, (), _NONE, {0: tuple(self._explain.promises(row, now))})
        admitted = Admitted(1, False, (row,), _FIRST)
        if row.__pydantic_extra__:
            admitted.unknown = {0: tuple(sorted(row.__pydantic_extra__))}
        return admitted


def _batch_rows(payload: Mapping[str, Any]) -> Sequence[Any]:
    if set(payload) != {"rows"} or not isinstance(payload["rows"], list | tuple):
        raise PayloadError('a batch is {"rows": [row, ...]} and nothing beside it')
    return payload["rows"]


def is_batch(body: bytes) -> bool:
    """Say whether a body means to be a batch, from how it begins."""
    return _IS_BATCH.match(body) is not None


def limit_rows(admitted: Admitted, most: int) -> Admitted:
    """Raise TooLargeError where a batch has more rows than the server takes."""
    if admitted.count > most:
        raise TooLargeError(
            f"{admitted.count} rows in one request, the limit is {most}: send fewer at a time"
        )
    return admitted


def _treatments(row: type[Row]) -> dict[str, Treatment]:
    marks = ((name, note) for name, field in row.model_fields.items() for note in field.metadata)
    return {name: note.treatment for name, note in marks if isinstance(note, Pii)}


def _check_row(row: type[Row], examples: Sequence[Any]) -> None:
    if not row.__pydantic_complete__:
        raise DeclarationError(
            f"{row.__name__} names types that are not known where it is declared: import them there"
        )
    if "rows" in row.model_fields:
        raise DeclarationError("a field may not be called 'rows': that is how a batch is recognised")
    if not examples:
        raise DeclarationError(f"{row.__name__}: give at least one example row that a caller may copy")


def _rules(row: type[Row]) -> list[CrossRule]:
    found: list[CrossRule] = []
    for name in dir(row):
        mark = getattr(row.__dict__.get(name) or getattr(row, name, None), "__wardline_rule__", None)
        if mark is not None:
            fields, says = mark
            missing = [field for field in fields if field not in row.model_fields]
            if missing or not fields:
                raise DeclarationError(f"rule {name} names fields that {row.__name__} has not: {missing}")
            found.append(CrossRule(fields, says, getattr(row, name)))
    return found
