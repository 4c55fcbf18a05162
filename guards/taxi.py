"""How long will this taxi trip take? Asked at pickup, answered in minutes, for New York's yellow cabs."""

from __future__ import annotations

import math
from bisect import bisect_left
from datetime import datetime
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo

from wardline import (
    Business,
    Category,
    Chain,
    Field,
    Gate,
    Launch,
    Monitoring,
    Onnx,
    Owner,
    Retrain,
    Risk,
    Row,
    Rule,
    Tabular,
    Timestamp,
    Unit,
    Upstream,
    features,
    rule,
)
from wardline.guards import (
    ConformalInterval,
    Hold,
    Missing,
    NewCategory,
    OutOfDistribution,
    OutputRange,
    Range,
)

NEW_YORK = "America/New_York"
AIRPORTS = frozenset({1, 132, 138})  # Newark, JFK and LaGuardia in the city's zone numbers
UNKNOWN_ZONE = 264  # 264 and 265 stand for "unknown" and "outside the city"


class Trip(Row):
    """What a meter knows when the passenger has named a destination, and nothing that comes later."""

    # Wide on purpose: a new vendor is not a broken message. `NewCategory` says when one appears.
    vendor_id: Annotated[int, Field(ge=1, le=9)]
    # Old trips may be asked about again, trips of the future may not: a clock is wrong somewhere.
    pickup_datetime: Annotated[datetime, Timestamp(zone=NEW_YORK, max_future_s=600)]
    passenger_count: Annotated[int, Field(ge=0, le=9)]  # 0: the driver did not enter it
    # The monthly files have zeros: meters that never moved. There is no trip to time.
    trip_distance: Annotated[float, Field(gt=0, le=200), Unit("mile")]
    rate_code_id: Literal[1, 2, 3, 4, 5, 6, 99]  # standard, JFK, Newark, Nassau, negotiated, group, unknown
    pickup_location_id: Annotated[int, Field(ge=1, le=265)]
    dropoff_location_id: Annotated[int, Field(ge=1, le=265)]

    @rule(
        "pickup_location_id",
        "dropoff_location_id",
        "trip_distance",
        says="a trip that ends in the zone it began in is at most 40 miles",
    )
    def stays_plausible(self) -> bool:
        """A zone is a few miles across: a meter may be left to wander, but not that far."""
        there_and_back = self.pickup_location_id == self.dropoff_location_id < UNKNOWN_ZONE
        return not there_and_back or self.trip_distance <= 40


class TripFeatures(NamedTuple):
    """What both models see, in this order."""

    distance: float
    log_distance: float
    hour: float  # New York's clock, 17.5 is half past five in the afternoon
    hour_sin: float  # the same as a place on the dial, so that midnight has no edge
    hour_cos: float
    weekday: Category  # 0 is Monday
    weekend: bool
    passengers: int
    vendor: Category
    rate_code: Category
    pickup_zone: Category
    dropoff_zone: Category
    from_airport: bool
    to_airport: bool
    same_zone: bool


@features(version="1")
def trip_features(trip: Trip) -> TripFeatures:
    """Traffic follows New York's clock, whatever zone the caller's stamp was in."""
    start = trip.pickup_datetime.astimezone(_ZONE)
    hour = start.hour + start.minute / 60
    dial = hour * _DIAL
    weekday = start.weekday()
    pickup, dropoff = trip.pickup_location_id, trip.dropoff_location_id
    return TripFeatures(
        distance=trip.trip_distance,
        log_distance=math.log1p(trip.trip_distance),
        hour=hour,
        hour_sin=math.sin(dial),
        hour_cos=math.cos(dial),
        weekday=weekday,
        weekend=weekday >= 5,
        passengers=trip.passenger_count,
        vendor=trip.vendor_id,
        rate_code=trip.rate_code_id,
        pickup_zone=pickup,
        dropoff_zone=dropoff,
        from_airport=pickup in AIRPORTS,
        to_airport=dropoff in AIRPORTS,
        same_zone=pickup == dropoff,
    )


_ZONE = ZoneInfo(NEW_YORK)
_DIAL = 2 * math.pi / 24

# Median minutes of the training trips up to each distance in miles; a test holds them to the data.
BAND_MILES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 18.0)
BAND_MINUTES = (3.2, 5.6, 8.6, 11.1, 14.4, 17.9, 21.4, 24.3, 29.8, 40.2, 46.9)


def by_distance(trip: Trip) -> float:
    """Answer as a dispatcher would without a model: trips of this length usually take so long."""
    return BAND_MINUTES[bisect_left(BAND_MILES, trip.trip_distance)]


gate = Gate(
    "taxi",
    contract=Tabular(
        Trip,
        examples=[
            {
                "vendor_id": 2,
                "pickup_datetime": "2018-03-14T17:30:00-04:00",
                "passenger_count": 1,
                "trip_distance": 2.4,
                "rate_code_id": 1,
                "pickup_location_id": 161,
                "dropoff_location_id": 236,
            }
        ],
        upstream=Upstream(
            Owner("meters", page="meters-oncall", escalate="trip-time", runbook="docs/runbooks/taxi.md"),
            fresh_s=600,
            complete=0.99,
        ),
    ),
    features=trip_features,
    chain=Chain(
        Onnx("models/taxi/1", deadline_ms=50),  # gradient boosting
        Onnx("models/taxi-linear/1", deadline_ms=20),  # ridge regression: too simple to surprise anyone
        # The rule reads nothing but the distance, so it may answer what the input guards blocked.
        Rule(by_distance, answers_blocked=True),
    ),
    guards=[
        Hold(),
        Missing(),
        Range(),
        NewCategory(),
        OutOfDistribution(),
        OutputRange(),
        ConformalInterval(level=0.9),
    ],
    reference="models/taxi/1",
    owner=Owner(
        team="trip-time",
        page="trip-time-oncall",
        escalate="ml-platform",
        runbook="docs/runbooks/taxi.md",
    ),
    launch=Launch(
        training="trip-time-modelling",
        serving="ml-platform",
        upstream="meters",
        performance="trip-time",
        latency="ml-platform",
        business=Business("minutes a planned trip is off, mean of a day", baseline=3.1, degradation=0.5),
        retrain=Retrain("a day's mean error above 3.6 minutes, or drift of two features", every_days=180),
        fallback_rate=0.03,
        abstain_rate=0.001,
        rows_per_day=300_000,  # the city's yellow cabs in 2018
        keep_days=14,
    ),
    slices=["vendor_id", "rate_code_id"],
    # What follows the clock is compared over whole days and weeks: a night differs from a year at any hour.
    # Distances do not (PSI at most 0.18 in any hour of the training months), nor does the number of riders.
    monitoring=Monitoring(
        cycles={
            **dict.fromkeys(("hour", "hour_sin", "hour_cos", "pickup_zone", "dropoff_zone"), 86_400.0),
            **dict.fromkeys(("weekday", "weekend"), 7 * 86_400.0),
        },
        # A vendor nobody trained on came in late 2018 with one trip in a hundred: half of that is told.
        new_rate=0.005,
    ),
    risk=Risk.CLOSED,
    unit="minutes",
)
