import math

import pytest

from wardline.guards import OutputRange
from wardline.testing import example_batch, example_reference

X = {"x": [1.0]}
AMOUNTS = OutputRange().prepare(
    example_reference(X, rungs={"model": [float(i) for i in range(101)], "small": [40.0, 60.0]})
)
NAMES = OutputRange().prepare(example_reference(X, rungs={"model": [[0.2, 0.8], [0.7, 0.3]]}))


@pytest.mark.parametrize(
    ("rung", "value", "severity", "reason"),
    [
        ("model", 100.0, "ok", "output.outside"),
        ("model", 120.0, "warn", "output.outside"),
        ("model", -300.0, "block", "output.outside"),
        ("small", 100.0, "block", "output.outside"),  # each rung has a range of its own
        ("model", math.nan, "block", "output.not_finite"),
        ("model", -math.inf, "block", "output.not_finite"),
        ("another", 1e9, "ok", "output.no_reference"),
        ("another", math.nan, "block", "output.not_finite"),
    ],
)
def test_a_number_is_compared_with_the_answers_of_its_rung(
    rung: str, value: float, severity: str, reason: str
) -> None:
    batch = example_batch(X, rung=rung, values=[value])
    found = AMOUNTS.check(batch.inference(0))
    assert (found.severity.value, found.reason) == (severity, reason)
    assert bool(AMOUNTS.screen(batch).suspect[0]) == (severity != "ok")


@pytest.mark.parametrize(
    ("probabilities", "severity"),
    [
        ([0.5, 0.5], "ok"),
        ([0.5004, 0.5004], "ok"),
        ([0.502, 0.5], "block"),
        ([1.5, -0.5], "block"),
        ([math.nan, 1.0], "block"),
        ([0.0, 0.0], "block"),
    ],
)
def test_probabilities_must_be_a_distribution(probabilities: list[float], severity: str) -> None:
    batch = example_batch(X, rung="model", probabilities=[probabilities])
    assert NAMES.check(batch.inference(0)).severity.value == severity
    assert bool(NAMES.screen(batch).suspect[0]) == (severity != "ok")


@pytest.mark.parametrize(
    ("value", "reason"),
    [(0.0, "output.outside"), (1.0, "output.outside"), (2.0, "output.no_class"), (0.5, "output.no_class")],
)
def test_a_rule_must_name_a_class_that_there_is(value: float, reason: str) -> None:
    batch = example_batch(X, rung="rule", values=[value])
    found = NAMES.check(batch.inference(0))
    assert found.reason == reason
    assert bool(NAMES.screen(batch).suspect[0]) == (reason != "output.outside")
