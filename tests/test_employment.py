"""The employment service, on real answers to the survey."""

from collections.abc import Iterator

import numpy as np
import pytest

from bench.coverage import covered, held_back
from guards import employment
from wardline import Action, Gate
from wardline.testing import MemorySink

PERSON = employment.gate.contract.examples[0]


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    employment.gate.open(sink=MemorySink())
    yield employment.gate
    employment.gate.close()


def columns(count: int) -> dict[str, np.ndarray]:
    table = held_back("employment").slice(0, count)
    return {name: table[name].to_numpy() for name in employment.gate.contract.fields}


def test_an_ordinary_person_is_served_with_a_set_of_classes(gate):
    verdict = gate(PERSON)
    assert (verdict.action, verdict.served_by, verdict.prediction) == (Action.SERVE, "employment", "employed")
    assert verdict.uncertainty.set == ("employed",)
    assert verdict.uncertainty.coverage_status == "valid"


def test_sets_cover_the_declared_share_of_held_back_people(gate):
    found = covered(gate, held_back("employment"), "employed")
    assert found.share == pytest.approx(0.9, abs=0.015)
    assert found.stated > 0.99 * found.rows


def test_accuracy_is_that_of_the_ready_model_in_the_data(gate):
    table = held_back("employment").slice(0, 13_757)
    right = 0
    for start in range(0, table.num_rows, 1000):
        part = table.slice(start, 1000)
        records = gate.batch({name: part[name].to_numpy() for name in gate.contract.fields}).records
        right += int((records.values == part["employed"].to_numpy()).sum())
    ready = (table["prediction"].to_numpy() == table["employed"].to_numpy()).mean()
    assert right / table.num_rows == pytest.approx(ready, abs=0.005)
    assert right / table.num_rows >= 0.825


def test_columns_are_answered_as_rows_are(gate):
    given = columns(200)
    rows = [{name: int(column[i]) for name, column in given.items()} for i in range(200)]
    by_column, by_row = gate.batch(given).records, gate.batch(rows).records
    np.testing.assert_array_equal(by_column.block.matrix, by_row.block.matrix)
    np.testing.assert_array_equal(by_column.values, by_row.values)
    np.testing.assert_array_equal(by_column.members, by_row.members)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"SCHL": 0}, "AGEP,SCHL"),
        ({"AGEP": 2, "MIL": 0}, "AGEP,SCHL"),
        ({"AGEP": 12}, "AGEP,MIL"),
        ({"NATIVITY": 2}, "CIT,NATIVITY"),
    ],
)
def test_answers_that_contradict_each_other_are_rejected(gate, change, fields):
    verdict = gate({**PERSON, **change})
    assert verdict.action is Action.REJECT
    assert [(each.reason, each.subject) for each in verdict.findings] == [("contract.rule", fields)]


def test_every_row_of_the_survey_keeps_the_contract():
    admitted = employment.gate.contract.admit_columns(columns(13_757))
    assert not admitted.rejects


def test_the_rule_names_a_class_of_the_gate(gate):
    rule = gate.chain.predictors[-1].function
    for age, expected in ((10, "not employed"), (40, "employed"), (80, "not employed")):
        assert rule(employment.Person.model_construct(**{**PERSON, "AGEP": age})) == expected
    assert expected in gate.classes


def test_the_chain_falls_from_boosting_to_regression_to_the_rule(gate):
    assert gate.chain.names == ("employment", "employment-linear", "rule")


def test_records_and_reference_are_split_by_the_demographic_columns(gate):
    from wardline.reference import load

    records = gate.batch([PERSON]).records
    assert {name: list(column) for name, column in records.slices.items()} == {
        "SEX": [2], "RAC1P": [1], "DIS": [2], "age_band": ["4"],
    }  # fmt: skip
    slices = load(gate.reference_dir, gate="employment").rungs["employment"].slices
    assert {"SEX=1", "SEX=2", "RAC1P=1", "DIS=1", "age_band=4"} <= {key.replace(".0", "") for key in slices}
