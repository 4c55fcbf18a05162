"""`wardline labels`, on real answers to the survey."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench.coverage import held_back
from guards import employment
from tests.late import answered, columns
from wardline.cli.labels import joined, labels
from wardline.testing import MemorySink

DAY = 86_400.0
TABLE = held_back("employment").slice(0, 2000)
TRUTH = [employment.gate.classes[value] for value in TABLE["employed"].to_pylist()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def ids(home: Path) -> list[str]:
    import time

    gate = employment.gate
    return answered(gate, home, columns(gate, TABLE, 100), at=time.time() - 20 * DAY, every_s=DAY)


@pytest.fixture(autouse=True)
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDLINE_HOME", str(home))


def run(*args: str) -> Result:
    return CliRunner().invoke(labels, ["guards.employment", *args])


def told(*args: str) -> dict[str, Any]:
    return json.loads(run("--format", "json", *args).stdout)


def test_without_labels_the_answers_are_counted_and_nothing_is_matured(ids):
    found = told()
    assert (found["answered"], found["labelled"]) == (2000, 0)
    assert found["maturity"] == {"lag_s": None, "declared": False, "answered": 0, "labelled": 0}
    assert "too few labels" in run().stdout


def test_a_csv_a_parquet_and_json_lines_bring_the_same_labels(ids, home, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = slice(0, 600)
    observed = ["2023-11-01T00:00:00"] * 600
    table = pa.table({"request_id": ids[rows], "label": TRUTH[rows], "observed_at": observed})
    pq.write_table(table, tmp_path / "a.parquet")
    text = "".join(f"{a},{b},{c}\n" for a, b, c in zip(ids, TRUTH[rows], observed, strict=False))
    (tmp_path / "a.csv").write_text("request_id,label,observed_at\n" + text)
    lines = [json.dumps({**row, "observed_at": row["observed_at"] + "Z"}) for row in table.to_pylist()]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    for file in ("a.csv", "a.parquet", "a.jsonl"):
        result = run("--file", str(tmp_path / file), "--zone", "UTC")
        assert (result.exit_code, result.stdout) == (0, "600 labels kept, 0 entries broken\n")
    found = told()
    assert (found["labelled"], found["corrected"], found["unknown"]) == (600, 0, 0)
    known = joined(employment.gate)
    assert known.has[:600].all()
    assert not known.has[600:].any()
    right = np.array(TABLE["employed"].to_pylist()[:600])
    np.testing.assert_array_equal(known.label[:600], right)


def test_answers_and_sets_are_joined_row_by_row(ids):
    known = joined(employment.gate)
    assert known.ids.tolist() == ids
    employment.gate.open(sink=MemorySink())
    records = employment.gate.batch(columns(employment.gate, TABLE, 2000)[0]).records
    employment.gate.close()
    np.testing.assert_array_equal(known.value, records.values)
    truth = np.array(TABLE["employed"].to_pylist())
    inside = records.members[np.arange(2000), truth]
    stated = records.members.any(axis=1)
    np.testing.assert_array_equal(known.stated, stated)
    np.testing.assert_array_equal(known.covered[:600], inside[:600])
    assert not known.covered[600:].any()
    sex = known.slices["SEX"]
    assert [sex.names[code] for code in sex.codes[:50]] == [str(v) for v in TABLE["SEX"].to_pylist()[:50]]


def test_a_broken_entry_is_named_and_the_others_are_kept(ids, tmp_path):
    (tmp_path / "b.csv").write_text(
        "request_id,label,observed_at\n"
        f"{ids[700]},employed,2023-11-01T00:00:00Z\n{ids[701]},idle,2023-11-01T00:00:00Z\n"
        f"nobody,employed,2023-11-01T00:00:00Z\n{ids[0]},{TRUTH[0]},2023-11-01\n"
    )
    result = run("--file", str(tmp_path / "b.csv"))
    assert result.exit_code == 1
    assert "2 labels kept, 2 entries broken" in result.stdout
    assert "entry 2: label is 'idle', must be one of not employed, employed" in result.stderr
    assert "entry 4: observed_at" in result.stderr
    assert told()["unknown"] == 1


def test_a_file_that_is_no_table_of_labels_is_wrong_use(tmp_path):
    (tmp_path / "c.csv").write_text("id,truth\n1,2\n")
    result = run("--file", str(tmp_path / "c.csv"))
    assert result.exit_code == 2
    assert "no column 'request_id'" in result.stderr


def slices_of(*args: str) -> Result:
    from wardline.cli.slices import slices

    return CliRunner().invoke(slices, ["guards.employment", *args])


def test_an_audit_is_drawn_as_a_file_to_fill_in_and_read_back(ids, tmp_path):
    drawn = run("--next", "40", "--by", "SEX", "--seed", "7")
    assert drawn.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(drawn.stdout)))
    assert len(rows) == 40
    truth = dict(zip(ids, TRUTH, strict=True))
    assert all(0 < float(row["inclusion_probability"]) <= 1 for row in rows)
    assert {row["stratum"].partition(",")[0] for row in rows} >= {"SEX=1", "SEX=2"}
    assert told()["audits"][-1]["labelled"] == 0
    for row in rows:
        row["label"], row["observed_at"] = truth[row["request_id"]], "2023-11-01T00:00:00Z"
    with (tmp_path / "filled.csv").open("w") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert run("--file", str(tmp_path / "filled.csv")).exit_code == 0
    (audit,) = told()["audits"]
    assert (audit["drawn"], audit["labelled"], audit["rows"]) == (40, 40, 2000)
    right = joined(employment.gate)
    wrong = np.mean([employment.gate.classes[int(v)] != t for v, t in zip(right.value, TRUTH, strict=True)])
    assert audit["measure"]["low"] < wrong < audit["measure"]["high"]
    assert "mean loss of 2,000 answers" in run().stdout
    assert run("--next", "40", "--by", "age").exit_code == 2


def test_business_figures_come_by_file_and_are_judged(ids, tmp_path):
    days = "".join(
        f"share of people placed wrongly,0.2{i % 3},2023-10-{i + 1:02}T00:00:00Z\n" for i in range(9)
    )
    (tmp_path / "b.csv").write_text("metric,value,at\n" + days)
    result = run("--business", str(tmp_path / "b.csv"))
    assert (result.exit_code, result.stdout) == (0, "9 figures kept, 0 entries broken\n")
    (found,) = told()["business"]
    assert (found["standing"], found["bound"]) == ("alert", pytest.approx(0.183))
    assert slices_of().exit_code == 1


def test_slices_are_shown_to_people_and_programs(ids):
    table = slices_of("--find").stdout
    for part in ("performance", "SEX=1", "stated coverage", "not enough data", "business metric"):
        assert part in table
    tree = json.loads(slices_of("--format", "json", "--find").stdout)
    assert tree["verdict"] == "alert"
    assert tree["performance"][0]["slice"] == ""
    assert tree["labelled"] == 641
    page = slices_of("--format", "html").stdout
    assert page.lstrip().startswith("<!DOCTYPE html>")
    assert "http" not in page
