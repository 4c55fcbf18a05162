"""What a row class is written with: `Row`, units, timestamps, and rules across fields.

class Loan(Row):
    income: Annotated[float, Field(ge=0), Unit("EUR")]
    housing: Literal["own", "rent", "free"]
    applied_at: Annotated[datetime, Timestamp(max_age_s=3600)]

    @rule("income", "housing", says="an owner has an income")
    def owner_has_income(self) -> bool:
        return self.housing != "own" or self.income > 0
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from wardline.privacy import Treatment

Unknown = Literal["forbid", "ignore", "record"]
RuleFunction = TypeVar("RuleFunction", bound=Callable[[Any], bool])


@dataclass(frozen=True)
class Unit:
    """The physical unit of a field, published in the schema: `Annotated[float, Unit("mile")]`."""

    name: str

    def __get_pydantic_json_schema__(
        self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(core), "unit": self.name}


@dataclass(frozen=True)
class Pii:
    """A field about a person: `Annotated[str, Pii("hash")]`.

    `drop` never leaves the path, `hash` leaves it as a keyed hash, `keep` says that it was thought about.
    The model's features are written as they are: a feature may not be a copy of such a field.
    """

    treatment: Treatment

    def __get_pydantic_json_schema__(
        self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(core), "x-pii": self.treatment}


@dataclass(frozen=True)
class Timestamp:
    """A point in time that must carry its zone, and may have to be fresh.

    `max_age_s` and `max_future_s` are seconds against the gate's clock. Naive stamps are refused on the
    wire; `zone` says only how naive stamps in training *files* are to be read.
    """

    max_age_s: float | None = None
    max_future_s: float | None = None
    zone: str | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        aware = core_schema.datetime_schema(tz_constraint="aware", strict=True)
        from_python = core_schema.no_info_before_validator_function(_parse_stamp, aware)
        return core_schema.json_or_python_schema(json_schema=aware, python_schema=from_python)

    def __get_pydantic_json_schema__(
        self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        limits = {"x-max-age-seconds": self.max_age_s, "x-max-future-seconds": self.max_future_s}
        return {
            "type": "string",
            "format": "date-time",
            **{key: value for key, value in limits.items() if value is not None},
        }


def _parse_stamp(value: object) -> object:
    """Read an ISO stamp given as text; everything else is left for the strict schema to judge."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return value
    return value


@dataclass(frozen=True)
class CrossRule:
    """A cross-field rule: which fields it reads, what it promises, and the test."""

    fields: tuple[str, ...]
    says: str
    test: Callable[[Any], Any]


def rule(*fields: str, says: str) -> Callable[[RuleFunction], RuleFunction]:
    """Declare a method of a Row as a cross-field rule: True means the promise in `says` is kept.

    It is judged whenever the fields it names are themselves valid, also when others are not.
    """

    def mark(test: RuleFunction) -> RuleFunction:
        test.__wardline_rule__ = (fields, says)  # type: ignore[attr-defined]
        return test

    return mark


class Row(BaseModel):
    """One row of a table, as a caller must send it: strict types, no NaN, no unknown fields.

    `class Loan(Row, unknown="ignore")` drops unknown fields, `"record"` drops them and writes their names
    into the record. A field that may be NaN or infinite says so: `Field(allow_inf_nan=True)`.
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)
    unknown_fields: ClassVar[Unknown] = "forbid"
    heavy: ClassVar[bool] = False
    """Whether a row holds so much (a picture) that nothing may keep it once it is answered."""

    def __init_subclass__(cls, *, unknown: Unknown = "forbid", **kwargs: Any) -> None:
        cls.unknown_fields = unknown
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, *, unknown: Unknown = "forbid", **kwargs: Any) -> None:
        extra: Literal["forbid", "ignore", "allow"] = {  # type: ignore[assignment]
            "forbid": "forbid", "ignore": "ignore", "record": "allow"
        }[unknown]  # fmt: skip
        if cls.model_config.get("extra") != extra:
            cls.model_config["extra"] = extra
            cls.model_rebuild(force=True)
