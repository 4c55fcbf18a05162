import math
from typing import Any

import msgspec
import numpy as np
import pytest

from wardline.errors import DeclarationError, OpeningError
from wardline.guards import ConformalInterval
from wardline.reference import Calibration, Reference
from wardline.testing import example_batch, example_reference
from wardline.verdict import Coverage, Finding, Measured, Severity

X = {"x": [1.0]}


def banded(*scores: list[float], edges: list[float], coverage: Coverage = Coverage.VALID) -> Reference:
    """Return a reference whose rung is calibrated with these residuals, band by band."""
    reference = example_reference(X, rungs={"model": [1.0, 2.0]})
    calibration = Calibration(tuple(np.array(each) for each in scores), np.array(edges))
    rung = msgspec.structs.replace(reference.rungs["model"], calibration=calibration, coverage=coverage)
    return msgspec.structs.replace(reference, rungs={"model": rung})


NINE = [float(i) for i in range(1, 10)]
BANDS = banded(NINE, [10 * each for each in NINE], [1.0, 2.0], edges=[100.0, 1000.0])
GUARD = ConformalInterval(level=0.9, warn_width=50.0, block_width=200.0).prepare(BANDS)


def check(guard: ConformalInterval, value: float, rung: str = "model") -> Finding:
    return guard.check(example_batch(X, rung=rung, values=[value]).inference(0))


@pytest.mark.parametrize(
    ("value", "interval", "severity", "reason"),
    [
        (50.0, (41.0, 59.0), Severity.OK, "conformal.wide"),
        (100.0, (10.0, 190.0), Severity.WARN, "conformal.wide"),  # an edge belongs to the band above it
        (999.0, (909.0, 1089.0), Severity.WARN, "conformal.wide"),
        (1000.0, None, Severity.OK, "conformal.uncalibrated"),  # two rows cannot promise 0.9
        (math.nan, None, Severity.BLOCK, "conformal.not_finite"),
    ],
)
def test_the_interval_is_as_wide_as_the_errors_in_its_band(
    value: float, interval: tuple[float, float] | None, severity: Severity, reason: str
) -> None:
    found = check(GUARD, value)
    assert (found.severity, found.reason) == (severity, reason)
    assert (found.measured or Measured()).interval == interval
    column = GUARD.screen(example_batch(X, rung="model", values=[value])).measured["interval"]
    assert column.tolist()[0] == pytest.approx(interval or [math.nan] * 2, nan_ok=True)


def test_without_declared_widths_no_interval_is_too_wide() -> None:
    assert check(ConformalInterval().prepare(BANDS), 500.0).severity is Severity.OK


@pytest.mark.parametrize(
    ("guard", "rung"),
    [
        (GUARD, "another"),
        (ConformalInterval().prepare(banded(NINE, edges=[], coverage=Coverage.VOID)), "model"),
        (ConformalInterval(), "model"),
    ],
    ids=["another rung", "void", "no reference"],
)
def test_without_a_sound_calibration_there_is_no_interval(guard: ConformalInterval, rung: str) -> None:
    found = check(guard, 50.0, rung)
    assert (found.severity, found.reason) == (Severity.OK, "conformal.uncalibrated")
    assert not found.measured
    assert not guard.screen(example_batch(X, rung=rung, values=[50.0])).measured


def test_intervals_hold_the_truth_as_often_as_declared_in_every_band() -> None:
    rng = np.random.default_rng(11)
    answers = rng.gamma(2.0, 300.0, 30_000)
    truth = answers + rng.normal(0.0, 0.2 * answers)  # large answers err by more
    calibrating = {"rungs": {"model": answers[:5000].tolist()}, "targets": truth[:5000].tolist()}
    guard = ConformalInterval(level=0.9).prepare(example_reference(X, **calibrating))
    fresh = example_batch({"x": [1.0] * 25_000}, rung="model", values=answers[5000:].tolist())
    interval = guard.screen(fresh).measured["interval"]
    held = (interval[:, 0] <= truth[5000:]) & (truth[5000:] <= interval[:, 1])
    assert held.mean() == pytest.approx(0.9, abs=0.015)
    quarters = np.searchsorted(np.quantile(answers, [0.25, 0.5, 0.75]), answers[5000:])
    assert [held[quarters == i].mean() for i in range(4)] == pytest.approx([0.9] * 4, abs=0.04)


def test_a_gate_with_classes_takes_sets() -> None:
    with pytest.raises(OpeningError, match="use ConformalSet"):
        ConformalInterval().prepare(example_reference(X, rungs={"model": [[0.5, 0.5]]}))


@pytest.mark.parametrize(
    "given", [{"level": 0.0}, {"warn_width": -1.0}, {"warn_width": 5.0, "block_width": 1.0}]
)
def test_levels_and_widths_that_mean_nothing_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        ConformalInterval(**given)
