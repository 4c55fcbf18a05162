"""Golden rows: what training had is what serving computes, or the gate does not open."""

import dataclasses
import json

import pytest

from guards import taxi
from models.building import ROOT
from wardline import Gate, Settings
from wardline.errors import OpeningError
from wardline.golden import feature_differences, recompute
from wardline.launch.environment import environment, moved
from wardline.launch.sampling import GoldenSampler
from wardline.reference import load
from wardline.testing import MemorySink

GOLDEN = load(ROOT / "models/taxi/1").golden


def served(function=taxi.trip_features.function) -> Gate:
    """The taxi gate, with serving code of its own."""
    return Gate(
        "taxi",
        contract=taxi.gate.contract,
        features=dataclasses.replace(taxi.trip_features, function=function),
        chain=taxi.gate.chain,
        reference="models/taxi/1",
        slices=taxi.gate.slices,
        root=ROOT,
    )


def metric(trip):
    return taxi.trip_features.function(trip)._replace(distance=trip.trip_distance * 1.609344)


def test_the_clean_service_reproduces_every_golden_row():
    assert feature_differences(GOLDEN, taxi.gate.contract, taxi.gate.features) == []


def test_a_gate_whose_features_moved_does_not_open_and_names_row_feature_and_values():
    gate = served(metric)
    with pytest.raises(OpeningError, match=r"distance differs in \d+ of \d+ golden rows; row \d+: expected"):
        gate.open(sink=MemorySink())
    (found,) = feature_differences(GOLDEN, gate.contract, gate.features)
    assert (found.subject, found.kind) == ("distance", "scaling (got = 1.6093 × expected)")
    assert float(found.got) == pytest.approx(1.609344 * float(found.expected))
    assert found.row in GOLDEN.ids


def test_one_that_is_to_run_all_the_same_says_why_in_its_records():
    gate = served(metric)
    opened = gate.open(Settings(unchecked="the meter feed is being mended"), sink=MemorySink())
    assert opened.schema.constants["unchecked"] == "the meter feed is being mended"
    gate.close()
    clean = served().open(sink=MemorySink())
    assert "unchecked" not in clean.schema.constants
    clean.gate.close()


def test_a_feature_function_that_raises_is_one_difference_and_no_crash():
    def broken(trip):
        if trip.trip_distance > 20:
            raise ArithmeticError
        return taxi.trip_features.function(trip)

    (found,) = feature_differences(GOLDEN, taxi.gate.contract, served(broken).features)
    assert (found.subject, found.got) == ("features", "raises ArithmeticError")


def test_the_sample_has_extremes_categories_and_a_uniform_part():
    assert GOLDEN.typical == 120
    assert set(GOLDEN.strata[:120]) == {"typical"}
    assert {"largest distance", "smallest distance", "smallest hour"} <= set(GOLDEN.strata)
    assert GOLDEN.features.shape == (len(GOLDEN.ids), len(taxi.trip_features.schema.names))
    assert set(GOLDEN.answers) == set(taxi.gate.chain.names)


def test_the_same_rows_and_seed_keep_the_same_golden_rows():
    rows = [json.loads(text) for text in GOLDEN.inputs]
    seen = recompute(GOLDEN.inputs, taxi.gate.contract, taxi.gate.features)

    def kept(seed):
        sampler = GoldenSampler(seed=seed, typical=10, picked=20)
        for start in range(0, len(rows), 50):
            part = rows[start : start + 50]
            sampler.add(part, taxi.gate.features.of_rows(seen.rows[start : start + 50]))
        return sampler.finish(taxi.gate.contract, taxi.gate.features, {}).ids

    assert kept(1) == kept(1) != kept(2)
    assert len(kept(1)) <= 30


def test_the_environment_differs_only_where_both_sides_know_a_thing():
    here = environment()
    assert {"python", "numpy", "onnxruntime", "onnxruntime providers", "processor"} <= set(here)
    assert moved(here, here) == []
    assert moved({"numpy": "1.0", "cobol": "85"}, {"numpy": "2.0"}) == ["numpy 1.0 → 2.0"]
