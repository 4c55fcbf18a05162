"""`wardline labels`, on real answers to the survey."""

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
