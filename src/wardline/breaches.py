"""How a broken contract is told: every broken field, with what was seen and what was expected."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pydantic_core
from pydantic import BaseModel, TypeAdapter, ValidationError

from wardline.errors import PayloadError
from wardline.privacy import WITHHELD, Privacy
from wardline.verdict import Finding, Severity, Stage

_REASONS = {
    "missing": "contract.missing",
    "extra_forbidden": "contract.unknown_field",
    "finite_number": "contract.not_finite",
    "greater_than": "contract.range",
    "greater_than_equal": "contract.range",
    "less_than": "contract.range",
    "less_than_equal": "contract.range",
    "multiple_of": "contract.range",
    "string_too_long": "contract.range",
    "string_too_short": "contract.range",
    "string_pattern_mismatch": "contract.range",
    "literal_error": "contract.category",
    "enum": "contract.category",
    "timezone_aware": "contract.time_zone",
}
"""Our few stable reasons for the validator's many error types; every other type is `contract.type`."""

_SIMPLE = {float, int, bool, str, type(None)}
_SHOWN = 80  # characters of a broken value that are repeated back


def breach(reason: str, subject: str, observed: object, expected: str) -> Finding:
    """Return the finding for one broken field."""
    text = observed if isinstance(observed, str) else _text(observed)
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return Finding("contract", Stage.CONTRACT, Severity.BLOCK, reason, subject, shown, expected, 1.0, 1.0)


class Explainer:
    """Turns what the validator says of a Row class into findings, in one pass over all fields."""

    def __init__(
        self, row: type[BaseModel], rules: Sequence[Any], stamps: Mapping[str, Any], privacy: Privacy
    ) -> None:
        self._row = row
        self._privacy = privacy
        self._rules = rules
        self._stamps = stamps
        schema = row.model_json_schema()
        self._expected = {
            name: describe(prop, schema.get("$defs", {})) for name, prop in schema["properties"].items()
        }
        self._adapters: dict[str, TypeAdapter[Any]] = {
            name: TypeAdapter(
                _annotated(field.annotation, field.metadata),
                config=None if _is_model(field.annotation) else row.model_config,
            )
            for name, field in row.model_fields.items()
        }
        self.simple = all(
            name in stamps or _plain(field.annotation) for name, field in row.model_fields.items()
        )

    def errors(self, error: ValidationError, payload: Any, now: float | None) -> tuple[Finding, ...]:
        """Explain every broken field, then the rules whose own fields are whole."""
        found: dict[str, Finding] = {}
        for each in error.errors(include_url=False):
            kind = each["type"]
            if kind == "json_invalid":
                raise PayloadError(f"the body is not JSON: {each.get('ctx', {}).get('error', each['msg'])}")
            if not each["loc"]:
                seen = self._privacy.strange(each["input"])
                return (breach("contract.type", "row", seen, "an object of the row's fields"),)
            subject = str(each["loc"][0])[:_SHOWN]
            if subject not in found:
                found[subject] = self._field(kind, subject, each)
        parsed = payload if isinstance(payload, Mapping) else _parse(payload)
        values = self._whole(parsed, set(found))
        return (*found.values(), *self._judge(values, now))

    def promises(self, row: Any, now: float | None) -> list[Finding]:
        """Judge freshness and cross-field rules of a row whose fields are all valid."""
        return list(self._judge(row.__dict__, now, row))

    def _field(self, kind: str, subject: str, error: Any) -> Finding:
        expected = self._expected.get(subject, "no such field: check the name against /schema.json")
        if kind == "missing":
            return breach("contract.missing", subject, "nothing", expected)
        observed = error["input"]
        reason = _REASONS.get(kind, "contract.type")
        if observed is None and reason == "contract.type":
            return breach("contract.null", subject, "null", expected)
        if isinstance(observed, datetime) and reason == "contract.type":
            reason = "contract.time_zone" if observed.tzinfo is None else reason
        known = subject in self._expected
        shown = self._privacy.told(subject, observed) if known else self._privacy.strange(observed)
        return breach(reason, subject, shown, expected)

    def _whole(self, payload: Mapping[str, Any], broken: set[str]) -> dict[str, Any]:
        """Validate alone each field that is not broken, so that rules over whole fields still speak."""
        values: dict[str, Any] = {}
        for name, adapter in self._adapters.items():
            if name in broken:
                continue
            field = self._row.model_fields[name]
            if name not in payload:
                values[name] = field.get_default(call_default_factory=True, validated_data={})
                continue
            try:
                values[name] = adapter.validate_python(payload[name], strict=True)
            except ValidationError:
                continue  # a type that is text on the wire: its rules wait until the row is whole
        return values

    def _judge(self, values: Mapping[str, Any], now: float | None, row: Any = None) -> Iterator[Finding]:
        if now is not None:
            for name, stamp in self._stamps.items():
                if isinstance(values.get(name), datetime):
                    for found in _freshness(name, stamp, values[name], now):
                        yield msgspec.structs.replace(
                            found, observed=self._privacy.told(name, found.observed)
                        )
        whole = row if row is not None else SimpleNamespace(**values)
        for rule in self._rules:
            if all(field in values for field in rule.fields) and not rule.test(whole):
                seen = ", ".join(
                    f"{field}={_shown(self._privacy.told(field, values[field]))}" for field in rule.fields
                )
                yield breach("contract.rule", ",".join(rule.fields), seen, rule.says)


def _freshness(name: str, stamp: Any, value: datetime, now: float) -> Iterator[Finding]:
    age = now - value.timestamp()
    if stamp.max_age_s is not None and age > stamp.max_age_s:
        yield breach("contract.stale", name, f"{age:.0f} s old", f"at most {stamp.max_age_s:g} s old")
    if stamp.max_future_s is not None and -age > stamp.max_future_s:
        yield breach(
            "contract.future", name, f"{-age:.0f} s ahead", f"at most {stamp.max_future_s:g} s ahead of now"
        )


def describe(prop: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Say in words what a JSON Schema property asks for.

    >>> describe({"type": "number", "minimum": 0, "maximum": 130, "unit": "year"}, {})
    'number, at least 0, at most 130, in year'
    """
    if "$ref" in prop:
        prop = {**defs.get(prop["$ref"].rsplit("/", 1)[-1], {}), **prop}
    if "anyOf" in prop:
        outer = {key: value for key, value in prop.items() if key not in ("anyOf", "title", "default")}
        return " or ".join(describe({**outer, **each}, defs) for each in prop["anyOf"])
    if "enum" in prop or "const" in prop:
        return "one of " + ", ".join(repr(value) for value in prop.get("enum", [prop.get("const")]))
    words = {
        "exclusiveMinimum": "above {}", "minimum": "at least {}", "exclusiveMaximum": "below {}",
        "maximum": "at most {}", "minLength": "at least {} characters", "maxLength": "at most {} characters",
        "pattern": "matching {}", "unit": "in {}",
    }  # fmt: skip
    kind = prop.get("type", "value")
    if prop.get("format") == "date-time":
        kind = "ISO 8601 time with its zone"
    return ", ".join([kind, *(says.format(prop[key]) for key, says in words.items() if key in prop)])


def native(value: Any, annotation: Any, zone: ZoneInfo | None) -> Any:
    """Turn a file's value into what JSON would have carried; see `Tabular.adopt`."""
    if isinstance(value, np.datetime64):
        value = None if np.isnat(value) else value.astype("datetime64[us]").item()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, datetime):
        return value.replace(tzinfo=zone) if value.tzinfo is None and zone is not None else value
    if isinstance(value, float):
        if math.isnan(value):
            return None
        wanted = _bare(annotation)
        if value.is_integer() and int in wanted and float not in wanted:
            return int(value)
    return value


def python_rows(columns: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Walk columns row by row in native types; numpy stamps are read as UTC."""
    lists = []
    for column in columns.values():
        if isinstance(column, np.ndarray) and column.dtype.kind == "M":
            stamps = column.astype("datetime64[us]").tolist()
            lists.append([None if stamp is None else stamp.replace(tzinfo=UTC) for stamp in stamps])
        else:
            lists.append(column.tolist() if isinstance(column, np.ndarray) else list(column))
    yield from zip(*lists, strict=True)


def _bare(annotation: Any) -> set[Any]:
    """The plain types inside an annotation; a Literal counts as the types of its values."""
    if typing.get_origin(annotation) is typing.Literal:
        return {type(value) for value in typing.get_args(annotation)}
    args = typing.get_args(annotation)
    return set().union(*(_bare(arg) for arg in args)) if args else {annotation}


def _plain(annotation: Any) -> bool:
    return _bare(annotation) <= _SIMPLE


def _annotated(annotation: Any, metadata: Sequence[Any]) -> Any:
    return typing.Annotated[annotation, *metadata] if metadata else annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _parse(payload: bytes) -> Mapping[str, Any]:
    parsed = pydantic_core.from_json(payload)
    return parsed if isinstance(parsed, dict) else {}


def _shown(told: object) -> str:
    return told if told == WITHHELD or str(told).startswith("hmac:") else _text(told)  # type: ignore[return-value]


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)
