"""Gates that the command line's tests name as targets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from wardline import Category, Chain, Field, Gate, Python, Row, Rule, Tabular, Timestamp, features


class Ride(Row):
    miles: Annotated[float, Field(gt=0, le=200)]
    at: Annotated[datetime, Timestamp(zone="America/New_York", max_age_s=60)]
    depot: str
    seats: Annotated[int, Field(ge=1, le=9)] | None = None


class RideFeatures(NamedTuple):
    miles: float
    hour: int
    depot: str
    seats: Category | None


@features(version="3")
def ride_features(ride: Ride) -> RideFeatures:
    if ride.miles == 13:
        raise ValueError("unlucky")
    return RideFeatures(
        ride.miles, ride.at.astimezone(ZoneInfo("America/New_York")).hour, ride.depot, ride.seats
    )


EXAMPLE = {"miles": 2.0, "at": "2018-03-14T17:30:00-04:00", "depot": "01", "seats": 4}


def _minutes(block: Any) -> Any:
    if (block.matrix[:, 0] == 99).any():
        raise ValueError("poison")
    return 5 + 3 * block.matrix[:, 0]


def rides(**kwargs: Any) -> Gate:
    return Gate(
        "rides",
        contract=Tabular(Ride, examples=[EXAMPLE]),
        features=ride_features,
        chain=Chain(Python(lambda: _minutes, name="model"), Rule(lambda ride: 12.0, name="rule")),
        slices=["depot"],
        unit="minutes",
        **kwargs,
    )


gate = rides(reference="references/rides")
homeless = rides()


class Person(Row):
    age: Annotated[float, Field(ge=0)]
    sex: Literal[1, 2]


class PersonFeatures(NamedTuple):
    age: float
    sex: Category


@features(version="1")
def person_features(person: Person) -> PersonFeatures:
    return PersonFeatures(person.age, person.sex)


def _chances(matrix: Any) -> Any:
    p = 1 / (1 + np.exp((40 - matrix[:, 0]) / 10))
    return np.stack([1 - p, p], axis=1)


people = Gate(
    "people",
    contract=Tabular(Person, examples=[{"age": 30.0, "sex": 1}]),
    features=person_features,
    chain=Chain(
        Python(lambda: _chances, name="model"), Rule(lambda person: "yes" if person.age > 40 else "no")
    ),
    classes=["no", "yes"],
    slices=["sex"],
)
