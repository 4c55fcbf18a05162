"""Every guard that wardline exports is held to every check, on rows that hypothesis makes up."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wardline import guards
from wardline.guard import judge
from wardline.guards import (
    Confidence,
    ConformalInterval,
    ConformalSet,
    DecodeHealth,
    Exposure,
    Fingerprint,
    Focus,
    Freshness,
    Hold,
    Margin,
    Missing,
    NewCategory,
    NightMode,
    Occlusion,
    OutOfDistribution,
    OutputRange,
    Processing,
    Range,
    Unfamiliar,
)
from wardline.inference import Batch, Inference, Screened
from wardline.reference import Reference
from wardline.testing import check_guard, example_batch, example_reference, example_schema, guard_checks
from wardline.verdict import Finding, Measured, Severity, Stage

SEEDED = settings(
    max_examples=4, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
NOW = 1_700_000_000.0
RNG = np.random.default_rng(7)
COLUMNS: dict[str, list[Any]] = {
    "age": RNG.normal(40.0, 10.0, 1200).tolist(),
    "zone": RNG.integers(0, 6, 1200).tolist(),
    "fuel": RNG.choice(["gas", "oil", "sun"], 1200).tolist(),
    "debt": [None if i % 50 == 0 else float(i % 97) for i in range(1200)],
    "member": (RNG.random(1200) < 0.3).tolist(),
}
SCHEMA = example_schema(COLUMNS)
P = RNG.dirichlet([2.0, 1.0, 1.0], 400)
CLASSES = [int(RNG.choice(3, p=row)) for row in P]
NUMBERS = RNG.gamma(2.0, 300.0, 400)
NAMES = example_reference(COLUMNS, schema=SCHEMA, rungs={"model": P.tolist()}, targets=CLASSES)
AMOUNTS = example_reference(
    COLUMNS,
    schema=SCHEMA,
    rungs={"model": NUMBERS.tolist()},
    targets=(NUMBERS + RNG.normal(0, 50, 400)).tolist(),
)

DECLARED = {
    "Confidence": [(Confidence(), NAMES), (Confidence(warn=0.6, block=0.4, name="sure"), NAMES)],
    "ConformalInterval": [
        (ConformalInterval(), AMOUNTS),
        (ConformalInterval(level=0.8, warn_width=60.0, block_width=1000.0), AMOUNTS),
    ],
    "ConformalSet": [(ConformalSet(), NAMES), (ConformalSet(level=0.7, max_size=1), NAMES)],
    "DecodeHealth": [(DecodeHealth(), AMOUNTS)],
    "Exposure": [(Exposure(), AMOUNTS), (Exposure(block=2.0), AMOUNTS)],
    "Fingerprint": [(Fingerprint(), AMOUNTS), (Fingerprint(block=()), AMOUNTS)],
    "Focus": [(Focus(), AMOUNTS)],
    "Hold": [(Hold(), AMOUNTS), (Hold(absent="warn"), AMOUNTS)],
    "Freshness": [(Freshness("read_at", warn_s=60.0, block_s=3600.0), AMOUNTS)],
    "Margin": [(Margin(), NAMES), (Margin(warn=0.3, block=0.1), NAMES)],
    "Missing": [(Missing(), AMOUNTS), (Missing(fields=("age", "debt"), warn=0.5, block=None), AMOUNTS)],
    "NewCategory": [(NewCategory(), AMOUNTS), (NewCategory(rare=0.2, block=True), AMOUNTS)],
    "NightMode": [(NightMode(), AMOUNTS), (NightMode(block=True), AMOUNTS)],
    "Occlusion": [(Occlusion(), AMOUNTS)],
    "OutOfDistribution": [
        (OutOfDistribution(), AMOUNTS),
        (OutOfDistribution(warn=0.05, block=0.01), AMOUNTS),
    ],
    "OutputRange": [(OutputRange(), AMOUNTS), (OutputRange(), NAMES)],
    "Processing": [(Processing(), AMOUNTS)],
    "Range": [(Range(), AMOUNTS), (Range(fields=("debt",), warn=0.5, block=2.0), AMOUNTS)],
    "Unfamiliar": [(Unfamiliar(), NAMES), (Unfamiliar(block=0.001), NAMES)],
}
GUARDS = [
    pytest.param(guard, reference, id=f"{name}-{place}")
    for name, pairs in DECLARED.items()
    for place, (guard, reference) in enumerate(pairs)
]

numbers = st.floats(-1e6, 1e6) | st.sampled_from([None, 0.0, 40.0, 1e300, -np.inf])
rows = st.tuples(
    numbers,
    st.none() | st.integers(-1, 8),
    st.none() | st.sampled_from(["gas", "oil", "sun", "", "coal"]),
    numbers,
    st.none() | st.booleans(),
)
ages = st.none() | st.floats(-1e5, 1e5)


@st.composite
def batches(draw: st.DrawFn, *, answered: bool, classes: int) -> Batch:
    """Draw a batch of a few rows, with answers where the stage has them."""
    drawn = draw(st.lists(rows, min_size=1, max_size=4))
    count = len(drawn)
    stamps = draw(st.lists(ages, min_size=count, max_size=count))
    times = [None if age is None else datetime.fromtimestamp(NOW - age, UTC) for age in stamps]
    made: dict[str, Any] = {"rows": [SimpleNamespace(read_at=time) for time in times], "now": NOW}
    if answered and classes:
        weights = st.lists(st.floats(0.01, 1.0), min_size=classes, max_size=classes)
        raw = np.array(draw(st.lists(weights, min_size=count, max_size=count)))
        made |= {"rung": "model", "probabilities": (raw / raw.sum(axis=1, keepdims=True)).tolist()}
    elif answered:
        values = st.floats(-1e4, 1e4)
        made |= {"rung": "model", "values": draw(st.lists(values, min_size=count, max_size=count))}
    columns = dict(zip(SCHEMA.names, map(list, zip(*drawn, strict=True)), strict=True))
    return example_batch(columns, schema=SCHEMA, **made)


def test_every_exported_guard_is_declared_here() -> None:
    assert sorted(DECLARED) == guards.__all__ == sorted(guards.__all__)


@pytest.mark.parametrize("check", guard_checks())
@pytest.mark.parametrize(("guard", "reference"), GUARDS)
def test_every_guard_holds_to_every_check(
    guard: Any, reference: Reference, check: Callable[[Any, Batch], None]
) -> None:
    prepared = guard.prepare(reference) if hasattr(guard, "prepare") else guard
    drawn = batches(answered=guard.stage is Stage.OUTPUT, classes=len(reference.classes))

    @SEEDED
    @given(drawn)
    def holds(batch: Batch) -> None:
        check(prepared, batch)
        check(guard, batch)

    holds()


BATCH = example_batch({"age": [20.0, 40.0, 90.0]})


@dataclasses.dataclass(frozen=True)
class Sound:
    """A guard with no fault; each class below takes one thing away."""

    name: str = "sound"
    stage: Stage = Stage.INPUT
    block: float = 50.0

    def check(self, inference: Inference) -> Finding:
        """Judge the age."""
        return self.judged(inference)

    def judged(self, inference: Inference, **given: Any) -> Finding:
        age = inference.feature("age") or 0.0
        score = float(np.clip(age, 0.0, 1e6))
        return judge(self, score, **{"warn": 30.0, "block": self.block, "reason": "age.high", **given})


class Forgetful(Sound):
    seen: list[float] = []  # noqa: RUF012 - the fault is the point

    def check(self, inference: Inference) -> Finding:
        self.seen.append(1.0)
        return self.judged(inference, observed=float(len(self.seen)))


class Tampering(Sound):
    def check(self, inference: Inference) -> Finding:
        inference.vector[:] = 0.0
        return self.judged(inference)


class Infinite(Sound):
    def check(self, inference: Inference) -> Finding:
        return judge(self, np.inf, warn=30.0, block=50.0, reason="age.high")


class Lenient(Sound):
    def check(self, inference: Inference) -> Finding:
        found = self.judged(inference)
        mild = Severity.OK if found.score > 60.0 else found.severity
        return Finding(self.name, self.stage, mild, "age.high", score=found.score, threshold=30.0)


class Fragile(Sound):
    def check(self, inference: Inference) -> Finding:
        return judge(self, inference.feature("age") + 0.0, warn=30.0, block=50.0, reason="age.high")


class Anonymous(Sound):
    def check(self, inference: Inference) -> Finding:
        return Finding("somebody", self.stage, Severity.OK, "age.high")


class Chatty(Sound):
    def check(self, inference: Inference) -> Finding:
        digits = str(abs(inference.feature("age") or 0.0))[:12]
        return self.judged(inference, reason="age." + "".join(chr(97 + ord(digit) % 26) for digit in digits))


class Slow(Sound):
    def check(self, inference: Inference) -> Finding:
        total = 0
        for i in range(1000):
            total += i
        return self.judged(inference)


class Growing(Sound):
    seen: list[float] = []  # noqa: RUF012 - the fault is the point

    def check(self, inference: Inference) -> Finding:
        self.seen.append(1.0)
        for _ in self.seen:
            pass
        return self.judged(inference)


class Mutable:
    def __init__(self) -> None:
        self.name, self.stage = "mutable", Stage.INPUT

    def check(self, inference: Inference) -> Finding:
        return Sound.check(self, inference)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Unhashable(Sound):
    fields: list[str] = dataclasses.field(default_factory=list)


class Unreadable(Sound):
    __repr__ = object.__repr__


class Blind(Sound):
    def screen(self, batch: Batch) -> Screened:
        return Screened(np.zeros(len(batch), dtype=np.bool_))


class Elsewhere(Sound):
    def check(self, inference: Inference) -> Finding:
        return self.judged(inference, measured=Measured(ood_p=0.5))

    def screen(self, batch: Batch) -> Screened:
        return Screened(np.ones(len(batch), dtype=np.bool_), {"ood_p": np.full(len(batch), 0.25)})


class Unforgiving(Sound):
    def prepare(self, reference: Reference) -> Sound:
        reference.features["age"]
        return self


FAULTS = {
    "says_the_same_every_time": [Forgetful],
    "leaves_no_trace": [Tampering],
    "gives_finite_scores": [Infinite],
    "is_sterner_for_higher_scores": [Lenient],
    "survives_anything": [Fragile],
    "signs_its_findings": [Anonymous],
    "keeps_reasons_few": [Chatty],
    "costs_a_bounded_amount": [Slow, Growing],
    "is_a_frozen_value": [Mutable, Unhashable],
    "reads_well": [Unreadable],
    "screens_as_it_checks": [Blind, Elsewhere],
    "opens_or_says_why_not": [Unforgiving],
}


def test_a_guard_without_fault_passes_the_suite() -> None:
    check_guard(Sound(), BATCH)


@pytest.mark.parametrize("check", guard_checks())
def test_every_check_catches_the_guard_with_its_fault(check: Callable[[Any, Batch], None]) -> None:
    for faulty in FAULTS[check.__name__]:
        batch = example_batch({"age": [20.0, 40.0, 90.0, *[float(i) / 7 for i in range(20)]]})
        with pytest.raises(AssertionError, match=r"\w"):
            check(faulty(), batch)
