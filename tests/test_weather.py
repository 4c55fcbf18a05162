"""The weather service, on real days."""

from collections.abc import Iterator

import pytest
from pyarrow import parquet

from guards import weather
from models.building import ROOT, see
from wardline import Action, Gate
from wardline.testing import MemorySink

DAY = weather.gate.contract.examples[0]


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    weather.gate.open(sink=MemorySink())
    yield weather.gate
    weather.gate.close()


def test_an_ordinary_day_is_served_with_its_set(gate):
    verdict = gate(DAY)
    assert (verdict.action, verdict.prediction) == (Action.SERVE, "dry")
    assert verdict.uncertainty.coverage_status == "valid"


def test_a_reading_that_is_missing_is_replaced_and_said_to_be(gate):
    left_out = {name: value for name, value in DAY.items() if name != "visibility"}
    assert gate(left_out).action is Action.SERVE
    row = gate.contract.admit(left_out).rows[0]
    features = weather.day_features(row)
    assert (features.visibility, features.visibility_known) == (weather.MEDIAN_VISIBILITY, False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"station": 72550014942}, "contract.category"),
        ({"pressure": 5503.8}, "contract.range"),
        ({"lowest": 70.0}, "contract.rule"),
    ],
)
def test_a_broken_day_is_rejected(gate, change, reason):
    verdict = gate({**DAY, **change})
    assert verdict.action is Action.REJECT
    assert verdict.findings[0].reason == reason


def test_what_fills_and_scales_is_the_training_days():
    from models.weather.build import TARGET, constants

    fit = see(weather.gate, parquet.read_table(ROOT / "models/weather/data/split/fit.parquet"), TARGET)
    assert constants(fit) == {
        "median visibility": weather.MEDIAN_VISIBILITY,
        "median wind": weather.MEDIAN_WIND,
        "pressure mean": weather.PRESSURE_MEAN,
        "pressure scale": weather.PRESSURE_SCALE,
    }
