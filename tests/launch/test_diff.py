"""What a caller will notice between two references, or two contracts."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import msgspec
import pytest
from click.testing import CliRunner

from guards import taxi
from models.building import ROOT
from wardline import Field, Row, Tabular, Unit, rule
from wardline.cli import cli
from wardline.launch.differing import of_contracts, of_references
from wardline.reference import load, save

TAXI = load(ROOT / "models/taxi/1")


class Loan(Row):
    income: Annotated[float, Field(ge=0, le=1e6), Unit("EUR")]
    housing: Literal["own", "rent", "free"]
    age: Annotated[int, Field(ge=18)] | None = None


def schema(row, **example):
    known = {"income": 10.0, "housing": "own", **example}
    return Tabular(row, examples=[{k: v for k, v in known.items() if k in row.model_fields}]).schema()


class Narrower(Row):
    income: Annotated[float, Field(ge=0, le=1e5), Unit("EUR")]
    housing: Literal["own", "rent"]
    age: Annotated[int, Field(ge=18)] | None = None


class Wider(Row):
    income: Annotated[float, Field(ge=-10, le=1e7), Unit("EUR")]
    housing: Literal["own", "rent", "free", "other"]
    age: Annotated[int, Field(ge=18)] | None = None
    note: str | None = None


class Cents(Row):
    income: Annotated[float, Field(ge=0, le=1e6), Unit("cent")]
    housing: Literal["own", "rent", "free"]
    age: Annotated[int, Field(ge=18)]


class Ruled(Row):
    income: Annotated[float, Field(ge=0, le=1e6), Unit("EUR")]
    housing: Literal["own", "rent", "free"]
    years: Annotated[int, Field(ge=18)]

    @rule("income", "housing", says="an owner has an income")
    def owners_earn(self) -> bool:
        return self.housing != "own" or self.income > 0


class Defaulted(Row):
    income: Annotated[float, Field(ge=0, le=1e6), Unit("EUR")]
    housing: Literal["own", "rent", "free"]
    age: Annotated[int, Field(ge=18)] | None = 40


@pytest.mark.parametrize(
    ("row", "noticed"),
    [
        (Loan, {}),
        (Narrower, {"income": "refused from now on: above 100000",
                    "housing": "refused from now on: the values 'free'"}),
        (Cents, {"income": "the same number means something else", "age": "calls without it are refused"}),
        (Defaulted, {"age": "calls without it are read otherwise"}),
        (Ruled, {"age": "calls that send it are refused", "years": "calls without it are refused",
                 "rule": "rows that break it are refused"}),
    ],
)  # fmt: skip
def test_what_breaks_a_call_is_said(row, noticed):
    changes = list(of_contracts(schema(Loan), schema(row, age=30, years=30)))
    assert {change.subject: change.notice for change in changes if change.breaks} == noticed


def test_what_takes_more_breaks_nothing():
    changes = {change.subject: change for change in of_contracts(schema(Loan), schema(Wider))}
    assert set(changes) == {"income", "housing", "note"}
    assert not any(change.breaks for change in changes.values())
    assert [change.notice for change in of_contracts(schema(Wider), schema(Loan)) if change.breaks] == [
        "refused from now on: below 0",
        "refused from now on: the values 'other'",
        "calls that send it are refused",
    ]


def other():
    """The taxi reference, as built on other months by another model."""
    features = dict(TAXI.features)
    distance, vendor = features["distance"], features["vendor"]
    features["distance"] = msgspec.structs.replace(distance, maximum=30.0, mean=distance.mean * 2)
    features["vendor"] = msgspec.structs.replace(vendor, known=frozenset({"2", "4"}))
    rung = TAXI.rungs["taxi"]
    mae = msgspec.structs.replace(rung.performance["mae"], value=4.0, low=3.9, high=4.1)
    scores = tuple(part * 1.5 for part in rung.calibration.scores)
    calibration = msgspec.structs.replace(rung.calibration, scores=scores)
    rung = msgspec.structs.replace(
        rung, sha256="f" * 64, performance={**rung.performance, "mae": mae}, calibration=calibration
    )
    return msgspec.structs.replace(TAXI, id="other", features=features, rungs={**TAXI.rungs, "taxi": rung})


def test_two_references_differ_in_ranges_categories_models_and_intervals():
    assert list(of_references(TAXI, TAXI)) == []
    noticed = {(change.subject, change.notice) for change in of_references(TAXI, other())}
    assert noticed == {
        ("distance", "`range` speaks up earlier"),
        ("distance", "drift is measured from elsewhere"),
        ("vendor", "`new_category` speaks up for them"),
        ("vendor", "`new_category` lets them pass"),
        ("taxi", "another model answers"),
        ("taxi", "answers are worse"),
        ("taxi", "intervals are 50 % wider"),
    }


def test_the_command_compares_directories_gates_and_published_contracts(tmp_path):
    run = CliRunner().invoke
    same = run(cli, ["diff", "guards.taxi", "guards.taxi"])
    assert (same.exit_code, "A caller will notice nothing." in same.output) == (0, True)
    save(other(), tmp_path / "taxi")
    moved = run(cli, ["diff", str(ROOT / "models/taxi/1"), str(tmp_path / "taxi")])
    assert moved.exit_code == 0
    assert "intervals are 50 % wider" in moved.output
    published = taxi.gate.contract.schema()
    published["properties"]["trip_distance"]["unit"] = "kilometre"
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(published))
    broken = run(cli, ["diff", str(file), "guards.taxi", "--format", "json"])
    assert broken.exit_code == 1
    told = json.loads(broken.stdout)
    assert told["breaks"]
    assert [change["subject"] for change in told["changes"]] == ["trip_distance"]
    wrong = run(cli, ["diff", str(file), str(tmp_path / "taxi")])
    assert wrong.exit_code == 2
    assert "two references, or two contracts" in " ".join(wrong.output.replace("│", " ").split())
