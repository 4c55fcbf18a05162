"""The taxi service, on real trips."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bench.coverage import covered, held_back, line, taxi_months
from guards import taxi
from models.building import ROOT
from wardline import Action, Batch, Chain, Gate
from wardline.inference import Outputs
from wardline.testing import FakePredictor, MemorySink

TRIP = taxi.gate.contract.examples[0]


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    taxi.gate.open(sink=MemorySink())
    yield taxi.gate
    taxi.gate.close()


def reasons(verdict) -> set[str]:
    return {finding.reason for finding in verdict.findings}


def test_an_ordinary_trip_is_served_with_its_interval(gate):
    verdict = gate(TRIP)
    assert verdict.action is Action.SERVE
    assert verdict.served_by == "taxi"
    low, high = verdict.uncertainty.interval
    assert 0 < low < verdict.prediction < high < 60
    assert verdict.uncertainty.coverage_status == "valid"


def test_intervals_cover_the_declared_share_of_held_back_trips(gate):
    found = covered(gate, held_back("taxi"), "minutes")
    assert found.share == pytest.approx(0.9, abs=0.015)
    assert found.stated > 0.99 * found.rows


def test_coverage_of_the_later_months_is_measured_and_printed(gate, capsys):
    months = list(taxi_months())
    with capsys.disabled():
        for month, found in months:
            print(line(month, found, "minutes"))  # noqa: T201 - the figures are for the reader of the run
    assert len(months) == 6
    assert all(0.8 < found.share < 1.0 for _, found in months)


def test_the_rule_is_the_median_of_the_training_trips():
    from pyarrow import parquet

    from models.taxi.build import TARGET, band_medians, see

    fit = see(taxi.gate, parquet.read_table(ROOT / "models/taxi/data/split/fit.parquet"), TARGET)
    assert list(taxi.BAND_MINUTES) == band_medians(fit)


def test_the_rule_takes_the_upper_edge_into_its_band():
    at = [
        taxi.by_distance(taxi.Trip.model_construct(trip_distance=miles)) for miles in (0.1, 0.5, 0.51, 99.0)
    ]
    assert at == [taxi.BAND_MINUTES[0], taxi.BAND_MINUTES[0], taxi.BAND_MINUTES[1], taxi.BAND_MINUTES[-1]]


def test_held_back_trips_are_answered_better_by_each_earlier_rung(gate):
    opened = gate.open()
    table = held_back("taxi").slice(0, 3000)
    admitted = gate.contract.admit_rows([gate.contract.adopt(row) for row in table.to_pylist()])
    truth = table["minutes"].to_numpy()[admitted.positions]
    batch = Batch(admitted.rows, gate.features.of_rows(admitted.rows))
    errors = [np.abs(rung.opened.predict(batch, None).values - truth).mean() for rung in opened.chain.rungs]
    assert errors == sorted(errors)
    assert errors[0] < 3.3


def test_a_trip_of_a_length_never_seen_is_answered_by_the_rule_alone(gate):
    verdict = gate({**TRIP, "trip_distance": 190.0})
    assert verdict.action is Action.FALLBACK
    assert verdict.served_by == "rule"
    assert verdict.prediction == taxi.BAND_MINUTES[-1]
    assert verdict.uncertainty.coverage_status == "void"
    assert "range.outside" in reasons(verdict)


def test_a_new_vendor_is_flagged_and_not_rejected(gate):
    verdict = gate({**TRIP, "vendor_id": 4})
    assert verdict.action is Action.FLAG
    assert [finding.subject for finding in verdict.findings] == ["vendor"]


@pytest.mark.parametrize(
    ("change", "reason", "subject"),
    [
        ({"trip_distance": 0.0}, "contract.range", "trip_distance"),
        ({"trip_distance": math.nan}, "contract.not_finite", "trip_distance"),
        ({"rate_code_id": 7}, "contract.category", "rate_code_id"),
        ({"pickup_datetime": "2018-03-14T17:30:00"}, "contract.time_zone", "pickup_datetime"),
        ({"fare_amount": 12.5}, "contract.unknown_field", "fare_amount"),
        (
            {"dropoff_location_id": TRIP["pickup_location_id"], "trip_distance": 90.0},
            "contract.rule",
            "pickup_location_id,dropoff_location_id,trip_distance",
        ),
    ],
)
def test_a_broken_trip_is_rejected_by_name(gate, change, reason, subject):
    verdict = gate({**TRIP, **change})
    assert verdict.action is Action.REJECT
    assert [(finding.reason, finding.subject) for finding in verdict.findings] == [(reason, subject)]


def test_a_trip_in_the_future_is_rejected(gate):
    ahead = datetime.now(UTC).replace(year=datetime.now(UTC).year + 1, day=1)
    assert reasons(gate({**TRIP, "pickup_datetime": ahead.isoformat()})) == {"contract.future"}


def test_two_stamps_of_one_moment_have_the_same_features():
    moment = datetime(2018, 3, 14, 21, 30, tzinfo=UTC)
    rows = [
        gate_row(moment.astimezone(zone)) for zone in (UTC, ZoneInfo(taxi.NEW_YORK), ZoneInfo("Asia/Kolkata"))
    ]
    first, *others = (taxi.trip_features(row) for row in rows)
    assert first.hour == 17.5
    assert others == [first, first]


def gate_row(stamp: datetime):
    (row,) = taxi.gate.contract.admit({**TRIP, "pickup_datetime": stamp.isoformat()}).rows
    return row


def test_when_the_primary_breaks_the_linear_model_answers_with_its_own_interval():
    faults: list[Exception] = []

    def answer(batch: Batch) -> Outputs:
        for fault in faults:
            raise fault
        return Outputs(np.full(len(batch), 12.0))

    chain = Chain(FakePredictor("taxi", answers=answer), *taxi.gate.chain.predictors[1:])
    copy = Gate(
        "taxi",
        contract=taxi.gate.contract,
        features=taxi.trip_features,
        chain=chain,
        guards=taxi.gate.guards,
        reference="models/taxi/1",
        root=ROOT,
    )
    copy.open(sink=MemorySink())
    faults.append(RuntimeError("no memory"))
    verdict = copy(TRIP)
    copy.close()
    assert (verdict.action, verdict.served_by) == (Action.FALLBACK, "taxi-linear")
    assert verdict.uncertainty.interval is not None


def test_records_and_reference_are_split_by_vendor_and_rate_code(gate):
    from wardline.reference import load

    assert dict(gate.batch([TRIP, TRIP]).records.slices) == {"vendor_id": [2, 2], "rate_code_id": [1, 1]}
    slices = load(gate.reference_dir, gate="taxi").rungs["taxi"].slices
    assert {"vendor_id=1", "vendor_id=2", "rate_code_id=1", "rate_code_id=2"} <= set(slices)
