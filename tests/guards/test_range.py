import math
from typing import Any

import numpy as np
import pytest

from wardline.errors import DeclarationError, OpeningError
from wardline.guards import Range
from wardline.testing import example_batch, example_reference

REFERENCE = example_reference(
    {"age": [float(age) for age in range(101)], "flat": [5.0] * 101, "zone": [1, 2] * 50 + [1]}
)
GUARD = Range().prepare(REFERENCE)  # width of age: P99 - P1 = 98


@pytest.mark.parametrize(
    ("age", "flat", "severity", "subject", "score"),
    [
        (0.0, 5.0, "ok", "", 0.0),
        (100.0, 5.0, "ok", "", 0.0),
        (105.0, 5.0, "ok", "age", 5 / 98),
        (-9.8, 5.0, "warn", "age", 0.1),
        (198.0, 5.0, "block", "age", 1.0),
        (50.0, 5.5, "warn", "flat", 0.5),
        (1000.0, 5.5, "block", "age", 900 / 98),
        (math.inf, 5.0, "block", "age", 1e9),
        (-math.inf, 5.0, "block", "age", 1e9),
        (None, 5.0, "ok", "", 0.0),
    ],
)
def test_the_worst_feature_is_named_with_its_distance_in_widths(
    age: float | None, flat: float, severity: str, subject: str, score: float
) -> None:
    batch = example_batch({"age": [age], "flat": [flat], "zone": [9]})
    found = GUARD.check(batch.inference(0))
    assert (found.severity.value, found.subject) == (severity, subject)
    assert found.score == pytest.approx(score)
    assert bool(GUARD.screen(batch).suspect[0]) == (severity != "ok")


def test_a_finding_shows_what_was_seen_and_what_was_expected() -> None:
    found = GUARD.check(example_batch({"age": [math.inf], "flat": [5.0], "zone": [1]}).inference(0))
    assert (found.reason, found.observed, found.expected) == ("range.outside", "inf", "0..100")


def test_features_are_found_by_name_where_their_order_is_another() -> None:
    found = GUARD.check(example_batch({"zone": [1], "flat": [5.0], "age": [300.0]}).inference(0))
    assert (found.subject, found.observed) == ("age", 300.0)


def test_a_batch_of_other_features_is_not_cleared_at_once() -> None:
    assert GUARD.screen(example_batch({"age": [50.0, 50.0]})).suspect.tolist() == [True, True]


def test_only_declared_fields_are_judged() -> None:
    guard = Range(fields=("flat",)).prepare(REFERENCE)
    assert guard.check(example_batch({"age": [9e9], "flat": [5.0], "zone": [1]}).inference(0)).score == 0.0


def test_a_column_without_a_finite_value_has_no_range() -> None:
    guard = Range().prepare(example_reference({"age": [None, None]}))
    assert guard.check(example_batch({"age": [9e9]}).inference(0)).score == 0.0


@pytest.mark.parametrize("fields", [("income",), ("zone",), ("age", "zone")])
def test_a_field_without_a_range_in_the_reference_is_an_opening_error(fields: tuple[str, ...]) -> None:
    with pytest.raises(OpeningError, match="range: the reference has no"):
        Range(fields=fields).prepare(REFERENCE)


@pytest.mark.parametrize("given", [{"warn": 0.0}, {"block": -1.0}, {"warn": 2.0}, {"block": math.nan}])
def test_thresholds_that_cannot_work_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match="range: "):
        Range(**given)


def test_screening_clears_what_check_calls_ok() -> None:
    rng = np.random.default_rng(3)
    ages = rng.normal(50.0, 60.0, 500).tolist()
    batch = example_batch({"age": ages, "flat": [5.0] * 500, "zone": [1] * 500})
    ok = [GUARD.check(batch.inference(i)).severity.value == "ok" for i in range(500)]
    assert (~GUARD.screen(batch).suspect).tolist() == ok
