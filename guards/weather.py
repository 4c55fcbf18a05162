"""Did it rain that day? Answered from a station's daily readings.

Strong season, little trend: a control for monitors that must not alarm every autumn.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from wardline import (
    Business,
    Category,
    Chain,
    Field,
    Gate,
    Launch,
    Onnx,
    Owner,
    Retrain,
    Risk,
    Row,
    Rule,
    Tabular,
    Unit,
    features,
    rule,
)
from wardline.guards import ConformalSet, Margin, Missing, NewCategory, OutOfDistribution, Range

STATION = 72554014949
"""Offutt Air Force Base, Bellevue: the only station the model knows."""

Fahrenheit = Annotated[float, Field(ge=-60, le=130), Unit("degree Fahrenheit")]


class Day(Row):
    """One day's readings; an instrument that did not report leaves its field null."""

    station: Literal[72554014949]
    temperature: Fahrenheit
    dew_point: Fahrenheit
    pressure: Annotated[float, Field(ge=900, le=1100), Unit("millibar")]  # at sea level
    visibility: Annotated[float, Field(ge=0, le=60), Unit("mile")] | None = None
    wind: Annotated[float, Field(ge=0, le=120), Unit("knot")] | None = None
    strongest_wind: Annotated[float, Field(ge=0, le=250), Unit("knot")]
    highest: Fahrenheit
    lowest: Fahrenheit

    @rule("lowest", "highest", says="the lowest temperature is not above the highest")
    def lowest_is_lowest(self) -> bool:
        """Two thermometers that changed places show here."""
        return self.lowest <= self.highest


class DayFeatures(NamedTuple):
    """What both models see, in this order."""

    station: Category
    temperature: float
    dew_point: float
    spread: float  # how far the air is from saturation
    pressure: float  # standard deviations from the training mean
    visibility: float
    visibility_known: bool
    wind: float
    wind_known: bool
    strongest_wind: float
    highest: float
    lowest: float


# Of the training days; a test holds them to the data.
MEDIAN_VISIBILITY, MEDIAN_WIND = 11.4, 6.4
PRESSURE_MEAN, PRESSURE_SCALE = 1016.3, 7.5


@features(version="1")
def day_features(day: Day) -> DayFeatures:
    """A reading that is missing is replaced by the training median, and said to be missing."""
    return DayFeatures(
        station=day.station,
        temperature=day.temperature,
        dew_point=day.dew_point,
        spread=day.temperature - day.dew_point,
        pressure=(day.pressure - PRESSURE_MEAN) / PRESSURE_SCALE,
        visibility=MEDIAN_VISIBILITY if day.visibility is None else day.visibility,
        visibility_known=day.visibility is not None,
        wind=MEDIAN_WIND if day.wind is None else day.wind,
        wind_known=day.wind is not None,
        strongest_wind=day.strongest_wind,
        highest=day.highest,
        lowest=day.lowest,
    )


def by_spread(day: Day) -> str:
    """Answer without a model: moist air under low pressure rains."""
    return "rain" if day.temperature - day.dew_point < 8 and day.pressure < 1016 else "dry"


gate = Gate(
    "weather",
    contract=Tabular(
        Day,
        examples=[
            {
                "station": STATION, "temperature": 53.0, "dew_point": 39.7, "pressure": 1015.9,
                "visibility": 11.4, "wind": 6.4, "strongest_wind": 13.0, "highest": 64.9, "lowest": 43.0,
            }
        ],
    ),
    features=day_features,
    chain=Chain(
        Onnx("models/weather/1", deadline_ms=50),  # gradient boosting
        Onnx("models/weather-linear/1", deadline_ms=20),  # logistic regression
        Rule(by_spread, answers_blocked=True),
    ),
    guards=[Missing(), Range(), NewCategory(), OutOfDistribution(), Margin(), ConformalSet(level=0.9)],
    reference="models/weather/1",
    owner=Owner(
        team="weather-ml",
        page="weather-oncall",
        escalate="ml-platform",
        runbook="docs/runbooks/weather.md",
    ),
    launch=Launch(
        training="weather-ml",
        serving="ml-platform",
        upstream="stations",
        performance="weather-ml",
        latency="ml-platform",
        business=Business("share of days named wrongly, of a year", baseline=0.19, degradation=0.03),
        retrain=Retrain("a station is added, or a year's share of wrong days above 0.24", every_days=365),
        fallback_rate=0.02,
        abstain_rate=0.001,
        rows_per_day=10_000,
        keep_days=90,
    ),
    slices=["visibility_known"],
    risk=Risk.CLOSED,
    classes=("dry", "rain"),
)  # fmt: skip
