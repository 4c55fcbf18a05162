"""Parity with training: a file of its features, or its function, row by row by id."""

from __future__ import annotations

import json

import duckdb
import pytest
from click.testing import CliRunner

from guards import taxi
from models.building import ROOT
from wardline.cli import cli

RAW = ROOT / "models/taxi/data/split/held_back.parquet"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A hundred trips with an id, and the features that training had for them, in another order."""
    folder = tmp_path_factory.mktemp("parity")
    raw, features = folder / "raw.parquet", folder / "features.parquet"
    duckdb.sql(
        f"COPY (SELECT row_number() OVER () + 1000 AS trip, * FROM '{RAW}' LIMIT 100) TO '{raw}'"  # noqa: S608
    )
    rows = duckdb.sql(f"SELECT * FROM '{raw}'").fetchall()  # noqa: S608
    names = duckdb.sql(f"SELECT * FROM '{raw}'").columns  # noqa: S608
    told = [dict(zip(names, row, strict=True)) for row in rows]
    admitted = taxi.gate.contract.admit_rows([taxi.gate.contract.adopt(row) for row in told])
    block = taxi.gate.features.of_rows(admitted.rows)
    lines = [
        {"trip": row["trip"], **dict(zip(block.schema.names, values, strict=True))}
        for row, values in zip(told, block.matrix.tolist(), strict=True)
    ]
    (folder / "f.json").write_text("\n".join(json.dumps(line) for line in reversed(lines)))
    duckdb.sql(f"COPY (SELECT * FROM '{folder / 'f.json'}') TO '{features}'")  # noqa: S608
    return raw, features


def parity(tmp_path, *options, status=0):
    command = ["check", "guards.taxi", "--home", str(tmp_path), "--format", "json", *map(str, options)]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == status, result.output
    return next(line for line in json.loads(result.stdout)["lines"] if line["name"] == "parity")


def test_training_features_in_another_order_agree_by_id(files, tmp_path):
    raw, features = files
    line = parity(tmp_path, "--against", features, "--rows", raw, "--id", "trip")
    assert (line["status"], line["says"]) == ("pass", f"100 rows of {features} agree in 15 of 15 features")


def test_a_feature_that_training_had_otherwise_is_named_with_its_row(files, tmp_path):
    raw, features = files
    other = tmp_path / "other.parquet"
    duckdb.sql(
        f"COPY (SELECT * REPLACE (distance / 1.609344 AS distance, "  # noqa: S608
        f"CASE WHEN trip = 1042 THEN 99 ELSE passengers END AS passengers) FROM '{features}') TO '{other}'"
    )
    line = parity(tmp_path, "--against", other, "--rows", raw, "--id", "trip", status=1)
    assert line["subjects"] == ["distance", "passengers"]
    assert "scaling" in line["details"][0]
    assert "row 1042: expected 99" in line["details"][1]


def test_training_side_functions_are_asked_about_the_golden_rows(tmp_path):
    assert parity(tmp_path, "--against", "tests.launch.training:agrees")["status"] == "pass"
    line = parity(tmp_path, "--against", "tests.launch.training:by_columns", status=1)
    assert line["subjects"] == ["same_zone"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--against", "nowhere"], "is neither a file nor a function"),
        (["--against", "tests.launch.training:none"], "no attribute 'none'"),
        (["--against", RAW], "has none of the features"),
        (["--against", "tests.launch.training:under_other_names"], "has none of the features"),
        (["--against", "tests.launch.training:in_words"], "gives 'one' for passengers"),
    ],
)
def test_what_cannot_be_compared_is_wrong_use(options, sentence, tmp_path):
    result = CliRunner().invoke(cli, ["check", "guards.taxi", "--home", str(tmp_path), *map(str, options)])
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())


def test_rows_without_an_id_are_wrong_use(files, tmp_path):
    raw, features = files
    command = ["check", "guards.taxi", "--against", str(features), "--rows", str(raw)]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 2
    assert "needs --id" in result.output


def test_ids_may_be_spelt_otherwise_but_not_twice(files, tmp_path):
    raw, features = files
    other = tmp_path / "features.csv"
    duckdb.sql(f"COPY (SELECT * REPLACE (trip::DOUBLE AS trip) FROM '{features}') TO '{other}'")  # noqa: S608
    assert parity(tmp_path, "--against", other, "--rows", raw, "--id", "trip")["status"] == "pass"
    duckdb.sql(f"COPY (SELECT * REPLACE (trip // 2 AS trip) FROM '{features}') TO '{other}'")  # noqa: S608
    command = ["check", "guards.taxi", "--against", str(other), "--rows", str(raw), "--id", "trip"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 2
    assert "ids more than once" in " ".join(result.output.split())
