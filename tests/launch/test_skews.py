"""Fourteen ways in which serving differs from training on day one: `check` names each."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

from guards import employment, taxi, weather
from models.building import ROOT, see
from tests.launch.variants import variant
from wardline import Field, Gate, Row, Settings, Tabular, Unit
from wardline.launch.checklist import Checked, check
from wardline.launch.inspection import inspect

SERVICES = [taxi.gate, employment.gate, weather.gate]


def trip(**changes: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Features of a trip, some of them computed in another way."""
    return _with(taxi.trip_features.function, changes)


def day(**changes: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return _with(weather.day_features.function, changes)


def person(**changes: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return _with(employment.person_features.function, changes)


def _with(function: Any, changes: Any) -> Callable[[Any], Any]:
    return lambda row: function(row)._replace(**{name: change(row) for name, change in changes.items()})


def declared(row: type[Row], gate: Gate, **example: Any) -> Tabular:
    """The gate's contract over another row class."""
    known = {**gate.contract.examples[0], **example}
    return Tabular(row, examples=[{name: known[name] for name in row.model_fields if name in known}])


class WholeDay(weather.Day):
    """Nulls are dropped before they come here."""

    visibility: Annotated[float, Field(ge=0, le=60), Unit("mile")]


class ClearDay(weather.Day):
    """A day without a reading is a clear one."""

    visibility: Annotated[float, Field(ge=0, le=60), Unit("mile")] | None = 10.0


class SpelledTrip(taxi.Trip):
    """The form's field went through as it was typed."""

    passenger_count: str


def renamed() -> Gate:
    """Upstream calls the distance by another name, and the serving code follows."""
    hints = {name: field.rebuild_annotation() for name, field in taxi.Trip.model_fields.items()}
    hints["trip_miles"] = hints.pop("trip_distance")
    row = type("MilesTrip", (Row,), {"__annotations__": hints, "__module__": __name__})
    contract = declared(row, taxi.gate, trip_miles=2.4)

    def features(given: Any) -> Any:
        told = given.model_dump()
        told["trip_distance"] = told.pop("trip_miles")
        return taxi.trip_features.function(taxi.Trip.model_construct(**told))

    return variant(taxi.gate, contract=contract, function=features)


def utc_hour(ride: Any) -> float:
    start = ride.pickup_datetime.astimezone(UTC)
    return start.hour + start.minute / 60


def stale() -> Gate:
    """A feature that is written to a store after the row was scored."""
    last = [51.0]

    def temperature(row: Any) -> float:
        last.append(row.temperature)
        return last[-2]

    return variant(weather.gate, function=day(temperature=temperature))


def older_model(folder: Path) -> Gate:
    """A model of last week: fewer trees, the same features."""
    from pyarrow import parquet
    from skl2onnx import to_onnx
    from sklearn.ensemble import GradientBoostingClassifier

    for part in ("models/weather", "models/weather-linear", "docs/runbooks"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("data"))
    fit = see(
        weather.gate,
        parquet.read_table(ROOT / "models/weather/data/split/fit.parquet").slice(0, 2000),
        "rain",
    )
    model = GradientBoostingClassifier(n_estimators=5, random_state=0).fit(fit.X, fit.y)
    graph = to_onnx(
        model, fit.X[:1], target_opset={"": 17, "ai.onnx.ml": 3}, options={id(model): {"zipmap": False}}
    )
    (folder / "models/weather/1/model.onnx").write_bytes(graph.SerializeToString())
    return variant(weather.gate, root=folder)


WARM_MONTH = (1014.6, 4.9)  # mean and deviation of pressure in a July, not of fifty years
IN_ALPHABET = {1: 3, 2: 5, 3: 1, 4: 4, 5: 2}  # married ... never married, numbered by name

SKEWS: dict[str, tuple[Callable[[Path], Gate], str, str]] = {
    "fill with zero instead of the median": (
        lambda _: variant(weather.gate, function=day(visibility=lambda row: row.visibility or 0.0)),
        "visibility", "null handling",
    ),
    "dropped nulls": (
        lambda _: variant(weather.gate, contract=declared(WholeDay, weather.gate), function=day()),
        "visibility", "null handling",
    ),
    "the scaler of another month": (
        lambda _: variant(
            weather.gate, function=day(pressure=lambda row: (row.pressure - WARM_MONTH[0]) / WARM_MONTH[1])
        ),
        "pressure", "scaling",
    ),
    "category codes in another order": (
        lambda _: variant(employment.gate, function=person(marital=lambda row: IN_ALPHABET[row.MAR])),
        "marital", "category code",
    ),
    "miles as kilometres": (
        lambda _: variant(taxi.gate, function=trip(distance=lambda ride: ride.trip_distance * 1.609344)),
        "distance", "scaling",
    ),
    "local time as UTC": (lambda _: variant(taxi.gate, function=trip(hour=utc_hour)), "hour", "time zone"),
    "a large id rounded to float32": (
        lambda _: variant(weather.gate, function=day(station=lambda row: int(np.float32(row.station)))),
        "station", "dtype",
    ),
    "swapped columns": (
        lambda _: variant(
            weather.gate, function=day(highest=lambda row: row.lowest, lowest=lambda row: row.highest)
        ),
        "highest", "columns swapped",
    ),
    "a feature one row stale": (lambda _: stale(), "temperature", "one row stale"),
    "a renamed field": (lambda _: renamed(), "trip_distance", "renamed field"),
    "a string instead of a number": (
        lambda _: variant(
            taxi.gate,
            contract=declared(SpelledTrip, taxi.gate, passenger_count="1"),
            function=trip(passengers=lambda ride: int(ride.passenger_count)),
        ),
        "passenger_count", "dtype",
    ),
    "a changed default": (
        lambda _: variant(weather.gate, contract=declared(ClearDay, weather.gate), function=day()),
        "visibility", "changed default",
    ),
    "an older model file": (older_model, "weather", "model file"),
    "one changed library answer": (
        lambda _: variant(
            taxi.gate,
            function=trip(log_distance=lambda ride: math.log1p(ride.trip_distance) * (1 + 1e-5)),
        ),
        "log_distance", "library version",
    ),
}  # fmt: skip


def failing(checked: Checked) -> set[str]:
    return {subject for line in checked.failures for subject in line.subjects}


@pytest.mark.parametrize(("build", "feature", "kind"), SKEWS.values(), ids=SKEWS)
def test_check_fails_and_names_the_feature_and_the_kind(build, feature, kind, tmp_path):
    gate = build(tmp_path)
    with inspect(gate, Settings(home=tmp_path / "home")) as found:
        named = {each.subject: each.kind for each in found.differences}
    assert feature in named
    assert named[feature].startswith(kind)
    checked = check(build(tmp_path / "again"), Settings(home=tmp_path / "home"))
    assert feature in failing(checked)
    golden = next(line for line in checked.lines if line.name == "golden rows")
    assert "row " in golden.says
    assert "expected" in golden.says


def test_nothing_else_is_blamed(tmp_path):
    blamed = {}
    for number, (name, (build, feature, _)) in enumerate(SKEWS.items()):
        with inspect(build(tmp_path / str(number)), Settings(home=tmp_path / "home")) as found:
            blamed[name] = {each.subject for each in found.differences} - {feature}
    assert {name: others for name, others in blamed.items() if others} == {
        "swapped columns": {"lowest"},
        "a renamed field": {"trip_miles"},
        "a changed default": {"visibility_known"},
    }


def test_the_clean_services_pass_twenty_times_of_twenty(tmp_path):
    for run in range(20):
        gate = SERVICES[run % 3]
        checked = check(gate, Settings(home=tmp_path))
        assert checked.verdict == "pass", (run, gate.name, [line.says for line in checked.failures])


def test_what_is_printed_for_a_person_is_a_sentence(tmp_path):
    build, _, _ = SKEWS["miles as kilometres"]
    golden = next(
        line for line in check(build(tmp_path), Settings(home=tmp_path)).lines if line.name == "golden rows"
    )
    assert "distance differs in" in golden.says
    assert "likely scaling (got = 1.6093 × expected)" in golden.says
    assert json.dumps(golden.details)
