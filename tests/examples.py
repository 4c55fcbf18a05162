"""Small real parts that many tests use: a row, its features, a chain without files, a sink in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from wardline import (
    Chain,
    Field,
    Finding,
    Gate,
    Inference,
    Python,
    Risk,
    Row,
    Rule,
    Settings,
    Stage,
    Tabular,
    Timestamp,
    Unit,
    features,
    judge,
    rule,
)
from wardline.record import Records

NOON = 1_530_446_400.0  # 2018-07-01 12:00 UTC


class Trip(Row):
    miles: Annotated[float, Field(gt=0, le=200), Unit("mile")]
    at: Annotated[datetime, Timestamp(max_age_s=3600, max_future_s=60, zone="America/New_York")]
    seats: Annotated[int, Field(ge=1, le=9)] = 1
    flag: Literal["Y", "N"] | None = None

    @rule("miles", "seats", says="a full car does not go 100 miles")
    def full_cars_stay_near(self) -> bool:
        return self.seats < 9 or self.miles < 100


TRIP = {"miles": 2.5, "at": "2018-07-01T12:00:00Z"}


class Pair(Row):
    a: Annotated[float, Field(ge=-100, le=100)]
    b: Annotated[float, Field(ge=-100, le=100)]


class PairFeatures(NamedTuple):
    a: float
    total: float


@features(version="1", columnar=True)
def pair_features(row: Pair) -> PairFeatures:
    return PairFeatures(row.a, row.a + row.b)


class MemorySink:
    def __init__(self) -> None:
        self.records: list[Records] = []

    def append(self, records: Records) -> bool:
        self.records.append(records)
        return True


def doubling(matrix: Any) -> Any:
    """The model of these tests: twice the total; it raises where a is above 50 and gives NaN above 40."""
    if (matrix[:, 0] > 50).any():
        raise ValueError("poison")
    return np.where(matrix[:, 0] > 40, np.nan, matrix[:, 1] * 2)


@dataclass(frozen=True)
class Limit:
    """A guard of these tests: warns and blocks by the size of one feature, or of the answer."""

    warn: float
    block: float
    name: str = "limit"
    stage: Stage = Stage.INPUT

    def check(self, inference: Inference) -> Finding:
        size = (
            abs(inference.feature("a") or 0.0) if self.stage is Stage.INPUT else abs(inference.value or 0.0)
        )
        return judge(self, size, warn=self.warn, block=self.block, reason="limit.over", subject="a")


@dataclass(frozen=True)
class Crashing:
    name: str = "crashing"
    stage: Stage = Stage.INPUT

    def check(self, inference: Inference) -> Finding:
        raise RuntimeError("a guard of ours broke")


@dataclass
class Opened:
    gate: Gate
    sink: MemorySink
    calls: list[int] = field(default_factory=list)


EXAMPLE_PAIR = {"a": 1.0, "b": 2.0}


def declared_pair(chain: Chain, guards: Sequence[Any] = (), risk: Risk = Risk.CLOSED) -> Gate:
    """Declare a gate over `Pair` without opening it."""
    return Gate(
        "pair",
        contract=Tabular(Pair, examples=[EXAMPLE_PAIR]),
        features=pair_features,
        chain=chain,
        guards=guards,
        slices=["a"],
        risk=risk,
    )


def pair_gate(
    guards: Sequence[Any] = (),
    *,
    risk: Risk = Risk.CLOSED,
    model: Callable[[Any], Any] = doubling,
    rule_answers_blocked: bool = False,
    chain: Chain | None = None,
) -> Opened:
    """Open a gate over `Pair`: the doubling model, then a rule that answers -1."""
    sink = MemorySink()
    usual = Chain(
        Python(lambda: model, name="model"),
        Rule(lambda row: -1.0, answers_blocked=rule_answers_blocked),
        failures=3,
    )
    gate = declared_pair(chain or usual, guards, risk)
    gate.open(Settings(), sink=sink, clock=lambda: NOON)
    return Opened(gate, sink)
