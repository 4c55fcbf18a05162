import math

import pytest

from wardline.errors import DeclarationError
from wardline.guards import Confidence, Margin
from wardline.testing import example_batch
from wardline.verdict import Measured

X = {"x": [1.0]}


@pytest.mark.parametrize(
    ("guard", "probabilities", "severity", "reason"),
    [
        (Confidence(), [0.6, 0.4], "ok", "confidence.low"),
        (Confidence(), [0.5, 0.3, 0.2], "warn", "confidence.low"),
        (Confidence(warn=0.9, block=0.6), [0.9, 0.1], "warn", "confidence.low"),
        (Confidence(warn=0.9, block=0.6), [0.6, 0.4], "block", "confidence.low"),
        (Confidence(warn=None, block=0.6), [0.7, 0.3], "ok", "confidence.low"),
        (Confidence(), [math.nan, 0.9], "warn", "confidence.not_probability"),
        (Confidence(), [0.9, math.nan], "warn", "confidence.not_probability"),
        (Confidence(block=0.1), [2.0, 0.0], "block", "confidence.not_probability"),
        (Margin(), [0.6, 0.4], "ok", "margin.narrow"),
        (Margin(), [0.51, 0.49], "warn", "margin.narrow"),
        (Margin(warn=0.5, block=0.25), [0.25, 0.5, 0.25], "block", "margin.narrow"),
        (Margin(), [0.45, 0.3, 0.25], "ok", "margin.narrow"),
        (Margin(), [math.nan, 0.9], "warn", "margin.not_probability"),
        (Margin(), [1.0], "ok", "margin.no_probabilities"),
    ],
)
def test_an_unsure_model_is_said(
    guard: Confidence | Margin, probabilities: list[float], severity: str, reason: str
) -> None:
    batch = example_batch(X, rung="model", probabilities=[probabilities])
    found = guard.check(batch.inference(0))
    assert (found.severity.value, found.reason) == (severity, reason)
    assert bool(guard.screen(batch).suspect[0]) == (severity != "ok")


@pytest.mark.parametrize("guard", [Confidence(block=0.5), Margin(block=0.05)])
def test_an_answer_without_probabilities_is_not_judged(guard: Confidence | Margin) -> None:
    batch = example_batch(X, rung="rule", values=[1.0])
    assert guard.check(batch.inference(0)).reason.endswith(".no_probabilities")
    assert not guard.screen(batch).suspect.any()


def test_confidence_is_measured_for_every_row_of_a_batch() -> None:
    batch = example_batch({"x": [1.0] * 2}, rung="model", probabilities=[[0.9, 0.1], [0.45, 0.55]])
    assert Confidence().screen(batch).measured["confidence"].tolist() == [0.9, 0.55]
    assert Confidence().check(batch.inference(1)).measured == Measured(confidence=0.55)


@pytest.mark.parametrize("guard", [Confidence, Margin])
@pytest.mark.parametrize(("warn", "block"), [(1.0, None), (0.4, 0.6)])
def test_thresholds_that_cannot_work_are_refused(
    guard: type[Confidence | Margin], warn: float, block: float | None
) -> None:
    with pytest.raises(DeclarationError):
        guard(warn=warn, block=block)
