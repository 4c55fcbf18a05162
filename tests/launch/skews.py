"""Fourteen ways in which serving differs from training on day one, in each of the three services.

An entry is how the skewed gate is built, what `check` must name, and the kind it must suspect. A service that
has nothing a skew could touch has no entry for it: only taxi has a stamp.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from pyarrow import parquet
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from guards import employment, taxi, weather
from models.building import OPSET, ROOT, see
from tests.launch.variants import variant
from wardline import Chain, Field, Gate, Onnx, Row, Tabular, Unit
from wardline.inference import Batch, Outputs
from wardline.predictor import Opened, Site

Change = Callable[[Any], Any]
Build = Callable[[Path], Gate]
Skew = tuple[Build, str, str]


def computing(gate: Gate, **changes: Change) -> Build:
    """Serving code that computes some features in another way."""
    function = gate.features.function

    def skewed(row: Any) -> Any:
        return function(row)._replace(**{name: change(row) for name, change in changes.items()})

    return lambda _: variant(gate, function=skewed)


def taking(gate: Gate, row: type[Row], **changes: Change) -> Build:
    """A service that takes another row, and may compute some features in another way."""

    def skewed(given: Any) -> Any:
        told = gate.features.function(given)
        return told._replace(**{name: change(given) for name, change in changes.items()})

    contract = Tabular(row, examples=[{**gate.contract.examples[0], **_spelled(row)}])
    return lambda _: variant(gate, contract=contract, function=skewed)


def _spelled(row: type[Row]) -> dict[str, str]:
    """Example values of the fields that became strings."""
    return {name: "1" for name, field in row.model_fields.items() if field.annotation is str}


def renamed(gate: Gate, name: str, other: str) -> Build:
    """Upstream calls a field by another name, and the serving code follows."""
    whole = gate.contract.row
    hints = {other if n == name else n: f.rebuild_annotation() for n, f in whole.model_fields.items()}
    defaults = {n: f.default for n, f in whole.model_fields.items() if not f.is_required() and n != name}
    row = type("Renamed", (Row,), {"__annotations__": hints, "__module__": __name__, **defaults})
    example = {other if n == name else n: value for n, value in gate.contract.examples[0].items()}

    def features(given: Any) -> Any:
        told = {name if n == other else n: value for n, value in dict(given).items()}
        return gate.features.function(whole.model_construct(**told))

    return lambda _: variant(gate, contract=Tabular(row, examples=[example]), function=features)


def stale(gate: Gate, feature: str, field: str, first: float) -> Build:
    """A feature that is written to its store after the row was scored."""

    def build(_: Path) -> Gate:
        last = [first]

        def late(row: Any) -> Any:
            last.append(getattr(row, field))
            return last[-2]

        return computing(gate, **{feature: late})(_)

    return build


def older(gate: Gate, target: str) -> Build:
    """A model of last week: fewer rows, fewer trees, the same features."""

    def build(folder: Path) -> Gate:
        for part in (f"models/{gate.name}", f"models/{gate.name}-linear", "docs/runbooks"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("data"))
        table = parquet.read_table(ROOT / f"models/{gate.name}/data/split/fit.parquet").slice(0, 2000)
        fit = see(gate, table, target)
        kind = GradientBoostingClassifier if gate.classes else GradientBoostingRegressor
        model = kind(n_estimators=5, random_state=0).fit(fit.X, fit.y)
        options = {id(model): {"zipmap": False}} if gate.classes else None
        graph = to_onnx(model, fit.X[:1], target_opset=OPSET, options=options)
        (folder / f"models/{gate.name}/1/model.onnx").write_bytes(graph.SerializeToString())
        return variant(gate, root=folder)

    return build


@dataclass(frozen=True)
class Elsewhere(Onnx):
    """The same model file under a runtime that adds in another order."""

    def open(self, site: Site) -> Any:
        return OpenElsewhere(super().open(site))


_SUMS = np.array([2e-4, -2e-4])


@dataclass
class OpenElsewhere:
    opened: Opened

    def __getattr__(self, name: str) -> Any:
        return getattr(self.opened, name)

    def predict(self, batch: Batch, deadline: float | None) -> Outputs:
        outputs = self.opened.predict(batch, deadline)
        return msgspec.structs.replace(outputs, probabilities=outputs.probabilities + _SUMS)


def another_runtime(gate: Gate) -> Build:
    first, *others = gate.chain.predictors
    return lambda _: variant(gate, chain=Chain(Elsewhere(first.path, first.deadline_ms), *others))


class EnteredTrip(taxi.Trip):
    """Trips whose driver entered no passengers are dropped before they come here."""

    passenger_count: Annotated[int, Field(ge=1, le=9)]


class SpelledTrip(taxi.Trip):
    """The form's field went through as it was typed."""

    passenger_count: str


class Asked(employment.Person):
    """People who were not asked about service are dropped before they come here."""

    MIL: Literal[1, 2, 3, 4]


class SpelledPerson(employment.Person):
    ANC: str


class WholeDay(weather.Day):
    """Days without a reading are dropped before they come here."""

    visibility: Annotated[float, Field(ge=0, le=60), Unit("mile")]


class SpelledDay(weather.Day):
    strongest_wind: str


class ClearDay(weather.Day):
    """A day without a reading is a clear one."""

    visibility: Annotated[float, Field(ge=0, le=60), Unit("mile")] | None = 10.0


def as_utc(trip: Any) -> Any:
    """Read the stamp's instant on Greenwich's clock."""
    there = trip.pickup_datetime.astimezone(UTC).replace(tzinfo=None)
    here = datetime.combine(there.date(), there.time(), taxi._ZONE)
    return taxi.trip_features.function(trip.model_copy(update={"pickup_datetime": here}))


MONTH = (2.9, 3.6)  # mean and deviation of a July's distances
WARM_MONTH = (1014.6, 4.9)  # of the pressure in a July, not of fifty years
IN_ALPHABET = {1: 3, 2: 5, 3: 1, 4: 4, 5: 2}  # married ... never married, numbered by name
MILE = 1.609344

TAXI: Mapping[str, Skew] = {
    "filled with another value": (  # 0 stands for "not entered"
        computing(taxi.gate, passengers=lambda trip: trip.passenger_count or 1), "passengers", "feature code"
    ),
    "dropped nulls": (taking(taxi.gate, EnteredTrip), "passenger_count", "contract changed"),
    "the scaler of another month": (
        computing(taxi.gate, distance=lambda trip: (trip.trip_distance - MONTH[0]) / MONTH[1]),
        "distance", "scaling",
    ),
    "category codes in another order": (
        computing(taxi.gate, vendor=lambda trip: {1: 2, 2: 1}.get(trip.vendor_id, trip.vendor_id)),
        "vendor", "category code",
    ),
    "miles as kilometres": (
        computing(taxi.gate, distance=lambda trip: trip.trip_distance * MILE), "distance", "scaling"
    ),
    "local time as UTC": (lambda _: variant(taxi.gate, function=as_utc), "hour", "time zone"),
    "rounded to few bits": (
        computing(taxi.gate, distance=lambda trip: float(np.float32(trip.trip_distance))),
        "distance", "dtype",
    ),
    "swapped columns": (
        computing(taxi.gate, pickup_zone=lambda trip: trip.dropoff_location_id,
                  dropoff_zone=lambda trip: trip.pickup_location_id),
        "pickup_zone", "columns swapped",
    ),
    "one row stale": (stale(taxi.gate, "passengers", "passenger_count", 1.0), "passengers", "one row stale"),
    "a renamed field": (
        renamed(taxi.gate, "trip_distance", "trip_miles"), "trip_distance", "renamed field"
    ),
    "a string instead of a number": (
        taking(taxi.gate, SpelledTrip, passengers=lambda trip: int(trip.passenger_count)),
        "passenger_count", "dtype",
    ),
    "a changed default": (  # the list of airports lost Newark
        computing(taxi.gate, from_airport=lambda trip: trip.pickup_location_id in {132, 138}),
        "from_airport", "feature code",
    ),
    "an older model file": (older(taxi.gate, "minutes"), "taxi", "model file"),
    "one changed library answer": (
        computing(taxi.gate, log_distance=lambda trip: math.log1p(trip.trip_distance) * (1 + 1e-5)),
        "log_distance", "library version",
    ),
}  # fmt: skip

EMPLOYMENT: Mapping[str, Skew] = {
    "filled with another value": (  # 0 is the survey's blank
        computing(employment.gate, military=lambda person: person.MIL or 4), "military", "feature code"
    ),
    "dropped nulls": (taking(employment.gate, Asked), "MIL", "category code"),
    "the scaler of another month": (
        computing(employment.gate, years_from_45=lambda person: abs(person.AGEP - 44)),
        "years_from_45", "feature code",
    ),
    "category codes in another order": (
        computing(employment.gate, marital=lambda person: IN_ALPHABET[person.MAR]),
        "marital", "category code",
    ),
    "miles as kilometres": (  # here: years as months
        computing(employment.gate, age=lambda person: person.AGEP * 12), "age", "scaling"
    ),
    "rounded to few bits": (  # the difference of two ages in eight bits wraps
        computing(employment.gate, years_from_45=lambda person: abs((person.AGEP - 45) % 256)),
        "years_from_45", "feature code",
    ),
    "swapped columns": (
        computing(employment.gate, hearing=lambda person: person.DEYE == 1,
                  vision=lambda person: person.DEAR == 1),
        "hearing", "columns swapped",
    ),
    "one row stale": (stale(employment.gate, "schooling", "SCHL", 16.0), "schooling", "one row stale"),
    "a renamed field": (renamed(employment.gate, "RELP", "RELSHIPP"), "RELP", "renamed field"),
    "a string instead of a number": (
        taking(employment.gate, SpelledPerson, ancestry=lambda person: int(person.ANC)), "ANC", "dtype"
    ),
    "a changed default": (  # whoever is not asked has not moved
        computing(employment.gate, moved=lambda person: person.MIG or 1), "moved", "feature code"
    ),
    "an older model file": (older(employment.gate, "employed"), "employment", "model file"),
    "one changed library answer": (another_runtime(employment.gate), "employment", "library version"),
}  # fmt: skip

WEATHER: Mapping[str, Skew] = {
    "filled with another value": (
        computing(weather.gate, visibility=lambda day: day.visibility or 0.0), "visibility", "null handling"
    ),
    "dropped nulls": (taking(weather.gate, WholeDay), "visibility", "null handling"),
    "the scaler of another month": (
        computing(weather.gate, pressure=lambda day: (day.pressure - WARM_MONTH[0]) / WARM_MONTH[1]),
        "pressure", "scaling",
    ),
    "category codes in another order": (
        computing(weather.gate, wind_known=lambda day: day.wind is None), "wind_known", "category code"
    ),
    "miles as kilometres": (
        computing(weather.gate, visibility=lambda day: weather.day_features.function(day).visibility * MILE),
        "visibility", "scaling",
    ),
    "rounded to few bits": (
        computing(weather.gate, station=lambda day: int(np.float32(day.station))), "station", "dtype"
    ),
    "swapped columns": (
        computing(weather.gate, highest=lambda day: day.lowest, lowest=lambda day: day.highest),
        "highest", "columns swapped",
    ),
    "one row stale": (stale(weather.gate, "highest", "highest", 51.0), "highest", "one row stale"),
    "a renamed field": (renamed(weather.gate, "pressure", "sea_level_pressure"), "pressure", "renamed field"),
    "a string instead of a number": (
        taking(weather.gate, SpelledDay, strongest_wind=lambda day: float(day.strongest_wind)),
        "strongest_wind", "dtype",
    ),
    "a changed default": (taking(weather.gate, ClearDay), "visibility", "changed default"),
    "an older model file": (older(weather.gate, "rain"), "weather", "model file"),
    "one changed library answer": (
        computing(weather.gate, spread=lambda day: (day.temperature - day.dew_point) * (1 + 1e-6)),
        "spread", "library version",
    ),
}  # fmt: skip

SKEWS: Mapping[str, Mapping[str, Skew]] = {"taxi": TAXI, "employment": EMPLOYMENT, "weather": WEATHER}
