"""Lines about the reference: golden rows, the environment they judge, and the version of the features."""

from __future__ import annotations

import dataclasses

from guards import taxi
from tests.launch.variants import copied, line, rewritten, variant
from wardline.launch.lines import Status
from wardline.reference import load


def test_another_library_is_only_worth_what_the_golden_rows_say(tmp_path):
    gate = copied(tmp_path)
    rewritten(gate, libraries={**load(gate.reference_dir).libraries, "numpy": "1.26.4"})
    found = line(gate, "environment", tmp_path)
    assert found.status is Status.PASS
    assert "numpy 1.26.4 →" in found.says

    def off(trip):
        return taxi.trip_features.function(trip)._replace(log_distance=0.0)

    moved = variant(gate, function=off, root=tmp_path)
    found = line(moved, "environment", tmp_path)
    assert (found.status, found.subjects) == (Status.FAIL, ("numpy",))
    rewritten(gate, golden=None, libraries={"numpy": "1.26.4"})
    assert line(gate, "environment", tmp_path).status is Status.WARN
    assert line(gate, "golden rows", tmp_path).status is Status.FAIL


def test_a_reference_of_few_rows_is_red_and_of_not_many_a_warning(tmp_path):
    gate = copied(tmp_path)
    rewritten(gate, rows=150)
    assert line(gate, "reference", tmp_path).subjects == ("rows",)
    rewritten(gate, rows=900)
    assert line(gate, "reference", tmp_path).status is Status.WARN


def test_a_changed_function_under_its_old_version_shows_the_diff_of_its_outputs(tmp_path):
    def other(trip):
        return taxi.trip_features.function(trip)._replace(passengers=0)

    gate = variant(taxi.gate, function=other)
    gate.features = dataclasses.replace(gate.features, source_hash="f" * 64)
    found = line(gate, "features version", tmp_path)
    assert found.subjects == ("passengers",)
    assert "expected" in found.details[0]
