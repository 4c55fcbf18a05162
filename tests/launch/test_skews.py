"""Fourteen ways in which serving differs from training on day one: `check` names each, in every service."""

from __future__ import annotations

import re

import pytest

from guards import employment, taxi, weather
from tests.launch.skews import SKEWS
from wardline import Settings
from wardline.errors import OpeningError
from wardline.launch.checklist import check
from wardline.launch.inspection import inspect
from wardline.launch.lines import Status
from wardline.testing import MemorySink

GATES = {gate.name: gate for gate in (taxi.gate, employment.gate, weather.gate)}
CASES = [(service, skew) for service, table in SKEWS.items() for skew in table]
RUNS = 20

ALSO_BLAMED = {
    ("taxi", "local time as UTC"): {"hour_sin", "hour_cos", "weekday", "weekend"},
    ("taxi", "swapped columns"): {"dropoff_zone"},
    ("taxi", "a renamed field"): {"trip_miles"},
    ("employment", "swapped columns"): {"vision"},
    ("employment", "a renamed field"): {"RELSHIPP"},
    ("weather", "swapped columns"): {"lowest"},
    ("weather", "a renamed field"): {"sea_level_pressure"},
    ("weather", "a changed default"): {"visibility_known"},
}
"""What else a skew moves, so that blaming it is right."""


def test_every_service_has_at_least_thirteen_of_the_fourteen():
    names = set().union(*SKEWS.values())
    assert len(names) == 14
    absent = {service: names - set(table) for service, table in SKEWS.items()}
    assert absent == {
        "taxi": set(),
        "employment": {"local time as UTC"},  # neither has a stamp
        "weather": {"local time as UTC"},
    }


@pytest.mark.parametrize(("service", "skew"), CASES)
def test_check_fails_and_names_the_feature_the_kind_and_nothing_else(service, skew, tmp_path):
    build, feature, kind = SKEWS[service][skew]
    checked = check(build(tmp_path), Settings(home=tmp_path / "home"))
    golden = next(line for line in checked.lines if line.name == "golden rows")
    assert (checked.verdict, golden.status) == (Status.FAIL, Status.FAIL)
    assert set(golden.subjects) == {feature} | ALSO_BLAMED.get((service, skew), set())
    said = golden.details[golden.subjects.index(feature)]
    assert re.search(rf"; row .+: expected .+, got .+; likely {kind}", said), said


@pytest.mark.parametrize("service", SKEWS)
def test_the_clean_services_pass_twenty_times_of_twenty(service, tmp_path):
    gate, settings = GATES[service], Settings(home=tmp_path)
    passes = sum(check(gate, settings).verdict is Status.PASS for _ in range(RUNS))
    assert passes == RUNS


def test_a_gate_whose_model_answers_otherwise_does_not_open(tmp_path):
    build, *_ = SKEWS["employment"]["one changed library answer"]
    with pytest.raises(OpeningError, match=r"employment differs in \d+ of 156 golden rows.*library version"):
        build(tmp_path).open(sink=MemorySink())


def test_what_is_printed_for_a_person_is_a_sentence(tmp_path):
    build, *_ = SKEWS["taxi"]["miles as kilometres"]
    with inspect(build(tmp_path), Settings(home=tmp_path)) as found:
        (said,) = map(str, found.differences)
    assert said.startswith("distance differs in 154 of 154 golden rows; row ")
    assert said.endswith("likely scaling (got = 1.6093 × expected)")
