"""`wardline reference` from files to bundle, as a person runs it."""

# ruff: noqa: S608 - the SQL here makes the rows of a test

import gzip
import json

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner

from wardline.cli import cli
from wardline.errors import WardlineError
from wardline.reference import load
from wardline.verdict import Coverage

RIDES = """
    SELECT 0.5 + (i * 37 % 1000) / 100.0 AS miles,
           TIMESTAMP '2018-03-01 00:00:00' + INTERVAL (i) MINUTE AS "at",
           CASE WHEN i % 3 = 0 THEN '01' ELSE '2' END AS depot,
           CASE WHEN i % 5 = 0 THEN NULL ELSE i % 4 + 1 END AS seats,
           6 + 3 * miles + (i * 7919 % 100) / 50.0 AS minutes,
           i AS id
    FROM range({start}, {stop}) rows(i)
"""
ENDS = {
    "parquet": "FORMAT parquet",
    "csv": "FORMAT csv, HEADER",
    "csv.gz": "FORMAT csv, HEADER, COMPRESSION gzip",
}


def _write(sql, path, form="parquet"):
    file = path.with_name(f"{path.name}.{form}")
    duckdb.sql(f"COPY ({sql}) TO '{file}' ({ENDS[form]})")
    return file


@pytest.fixture
def training(tmp_path):
    return _write(RIDES.format(start=0, stop=3000), tmp_path / "training")


@pytest.fixture
def held_out(tmp_path):
    return _write(RIDES.format(start=3000, stop=4000), tmp_path / "held_out")


@pytest.fixture
def run(tmp_path):
    def run(*args, target="tests.cli.gates", truth="minutes", out=tmp_path / "out", status=0):
        options = ["reference", target, "--target", truth, *(["--out", out] if out else []), *args]
        result = CliRunner().invoke(cli, list(map(str, options)))
        if isinstance(result.exception, WardlineError):  # `main` prints it as one sentence, with status 2
            assert status == 2
            return str(result.exception)
        assert result.exit_code == status, result.output
        return result.stdout if status == 0 else result.stderr

    return run


def test_training_and_held_out_rows_become_a_bundle_that_opens(run, training, held_out, tmp_path):
    said = run("--data", training, "--calibration", held_out, "--time", "at")
    reference = load(tmp_path / "out", gate="rides")
    assert reference.id in said
    assert "3,000, 1,000 held out" in said
    assert (reference.rows, reference.rejected, reference.notes) == (3000, 0, ())
    assert reference.period == ("2018-03-01T00:00:00-05:00", "2018-03-03T01:59:00-05:00")
    assert reference.rungs["model"].coverage is Coverage.VALID
    assert reference.rungs["model"].performance["mae"].value == pytest.approx(2.0, abs=0.1)
    assert set(reference.rungs["rule"].slices) == {"depot=01", "depot=2"}
    assert set(reference.rungs["rule"].latency_ms) == {"p50", "p95", "p99"}
    assert set(reference.data) == {"training.parquet", "calibration:held_out.parquet"}
    from tests.cli.gates import gate

    assert tuple(reference.features) == gate.features.schema.names
    assert reference.rungs["model"].sha256
    assert (reference.features_hash, reference.contract_hash) == (
        gate.features.source_hash,
        gate.contract.hash,
    )


def test_parquet_csv_and_gzipped_csv_say_the_same(run, tmp_path):
    found = []
    for form in ENDS:
        file = _write(RIDES.format(start=0, stop=500), tmp_path / "rows", form)
        run("--data", file)
        reference = load(tmp_path / "out")
        found.append({name: profile.counts.tolist() for name, profile in reference.features.items()})
        assert reference.features["depot"].categories == {"2": 333, "01": 167}
        assert reference.features["seats"].nulls == 100
    assert found[0] == found[1] == found[2]


def test_several_files_are_one_table_in_their_order(run, tmp_path):
    files = [
        _write(RIDES.format(start=start, stop=start + 100), tmp_path / f"part{start}", form)
        for start, form in ((0, "parquet"), (100, "csv"), (200, "parquet"))
    ]
    run(*(word for file in files for word in ("--data", file)), "--time", "id")
    assert load(tmp_path / "out").rows == 300
    assert load(tmp_path / "out").period == ("0", "299")


def test_a_shells_glob_is_taken_whole_and_a_file_named_twice_once(run, tmp_path):
    for start in (0, 100):
        _write(RIDES.format(start=start, stop=start + 100), tmp_path / f"part{start}")
    held = _write(RIDES.format(start=200, stop=250), tmp_path / "held")
    run("--data", *sorted(tmp_path.glob("part*")), "--seed", 3, f"--calibration={held}", held)
    assert load(tmp_path / "out").rows == 200
    assert load(tmp_path / "out").rungs["model"].performance["mae"].rows == 50


def test_naive_times_are_read_in_the_zone_of_the_field(run, tmp_path):
    row = "SELECT 2.0 AS miles, {} AS \"at\", '1' AS depot, 1 AS seats, 9.0 AS minutes"
    naive = _write(row.format("TIMESTAMP '2018-07-01 08:00:00'"), tmp_path / "naive")
    aware = _write(row.format("TIMESTAMPTZ '2018-07-01 12:00:00+00'"), tmp_path / "aware")
    text = _write(row.format("'2018-07-01 08:00:00'"), tmp_path / "text")
    for file in (naive, aware, text):
        run("--data", file)
        hour = load(tmp_path / "out").features["hour"]
        assert (hour.minimum, hour.maximum) == (8.0, 8.0)


def test_broken_rows_are_counted_by_reason_and_not_profiled(run, tmp_path):
    sql = f"""SELECT * REPLACE (CASE WHEN id < 40 THEN -1 WHEN id = 50 THEN 13 ELSE miles END AS miles,
                                CASE WHEN id BETWEEN 30 AND 49 THEN 10 ELSE seats END AS seats,
                                CASE WHEN id = 60 THEN NULL ELSE minutes END AS minutes)
              FROM ({RIDES.format(start=0, stop=500)})"""
    told = json.loads(run("--data", _write(sql, tmp_path / "rows"), "--format", "json"))
    assert told["reject_reasons"] == {
        "contract.range miles": 40, "contract.range seats": 20, "target.null": 1,
        "features.error ValueError": 1,
    }  # fmt: skip
    assert (told["rows"], told["rejected"]) == (448, 52)
    assert load(tmp_path / "out").features["miles"].minimum > 0
    assert any("10.4 % of the rows of --data" in note for note in told["notes"])


def test_without_held_out_rows_nothing_is_called_valid(run, training, tmp_path):
    said = run("--data", training)
    assert "valid" not in said
    assert "no held-out rows were given" in said
    assert "in-sample" in said
    assert {rung.coverage for rung in load(tmp_path / "out").rungs.values()} == {Coverage.VOID}


def test_target_and_filters_are_sql_over_the_columns(run, training, tmp_path):
    run(
        "--data", training, "--where", "id % 5 <> 0", "--time", "id",
        "--calibration", training, "--calibration-where", "id % 5 = 0", truth="minutes * 60",
    )  # fmt: skip
    reference = load(tmp_path / "out")
    assert (reference.rows, reference.period, reference.target) == (2400, ("1", "2999"), "minutes * 60")
    assert reference.targets.minimum > 7.5 * 60


def test_a_word_among_numbers_refuses_its_row_alone(run, tmp_path):
    file = tmp_path / "rows.csv"
    lines = [
        f"{'N/A' if i == 7 else i % 50 + 1},2018-03-01 0{i % 9}:00:00,0{i % 3},{i % 4 + 1}.0,9"
        for i in range(60)
    ]
    file.write_text("\n".join(["miles,at,depot,seats,minutes", *lines]))
    told = json.loads(run("--data", file, "--format", "json"))
    assert (told["rows"], told["reject_reasons"]) == (
        58,
        {"contract.type miles": 1, "features.error ValueError": 1},
    )
    assert load(tmp_path / "out").features["depot"].known == {"00", "01", "02"}


@pytest.mark.parametrize("truth", ["job", "job = 'yes'", "CASE job WHEN 'yes' THEN 1 ELSE 0 END"])
def test_classes_may_be_names_booleans_or_numbers(run, tmp_path, truth):
    sql = "SELECT i * 1.0 AS age, i % 2 + 1 AS sex, CASE WHEN i * 7 % 80 > 40 THEN 'yes' ELSE 'no' END AS job"
    file = _write(f"{sql} FROM range(80) rows(i)", tmp_path / "people")
    run("--data", file, target="tests.cli.gates:people", truth=truth)
    reference = load(tmp_path / "out")
    assert reference.targets.categories == {"no": 41, "yes": 39}
    assert set(reference.rungs["model"].performance) == {"accuracy", "log_loss", "brier"}
    assert set(reference.rungs["rule"].performance) == {"accuracy"}
    assert set(reference.rungs["model"].slices) == {"sex=1", "sex=2"}


def test_a_class_that_is_none_is_refused(run, tmp_path):
    sql = "SELECT i * 1.0 AS age, 1 AS sex, i % 3 AS job FROM range(90) rows(i)"
    file = _write(sql, tmp_path / "people")
    told = json.loads(run("--data", file, "--format", "json", target="tests.cli.gates:people", truth="job"))
    assert told["reject_reasons"] == {"target.unknown_class": 30}


def test_a_row_that_makes_a_model_raise_is_found_and_counted(run, tmp_path):
    sql = f"SELECT * REPLACE (CASE WHEN id IN (3, 77) THEN 99 ELSE miles END AS miles) FROM ({RIDES})"
    file = _write(sql.format(start=0, stop=400), tmp_path / "rows")
    told = json.loads(run("--data", file, "--format", "json"))
    assert "model: 2 rows made it raise; they count as answers that are no number" in told["notes"]
    assert told["rungs"]["model"]["performance"]["mae"]["rows"] == 398
    assert told["rungs"]["rule"]["performance"]["mae"]["rows"] == 400


def test_rows_that_were_packed_by_hand_read_the_same(run, tmp_path):
    plain = _write(RIDES.format(start=0, stop=100), tmp_path / "rows", "csv")
    packed = tmp_path / "packed.CSV.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    run("--data", packed)
    assert load(tmp_path / "out").rows == 100


def test_the_gates_own_reference_is_the_default_place(run, training, tmp_path, monkeypatch):
    from tests.cli import gates

    monkeypatch.setattr(gates.gate, "reference_dir", tmp_path / "models" / "rides")
    run("--data", training, out=None)
    assert load(tmp_path / "models" / "rides", gate="rides").rows == 3000


def test_wrong_use_is_one_sentence_and_status_two(run, training, tmp_path):
    nameless = training.rename(tmp_path / "rows.bin")
    assert "neither Parquet nor CSV by its name" in run("--data", nameless, status=2)
    training = nameless.rename(training)
    assert 'column "minuets" not found' in run("--data", training, truth="minuets", status=2)
    assert "syntax error" in run("--data", training, "--where", "id <", status=2)
    both = run("--data", training, "--calibration", training, status=2)
    assert "is both --data and --calibration" in both
    assert "say where with --out" in run(
        "--data", training, target="tests.cli.gates:homeless", out=None, status=2
    )
    assert "does not exist" in run("--data", tmp_path / "none.csv", status=2)
    wrong = _write("SELECT 1 AS a", tmp_path / "wrong")
    assert "no column miles, at, depot, which the contract requires" in run(
        "--data", wrong, truth="a", status=2
    )


def test_rows_that_all_break_the_contract_are_told_with_their_reasons(run, training, tmp_path):
    said = run("--data", training, truth="NULL", status=2)
    assert "not one row of --data could be used: target.null (3000)" in said
    held = run("--data", training, "--calibration", training, "--calibration-where", "id < 0", status=2)
    assert "not one row of --calibration could be used: there are none" in held
    assert not (tmp_path / "out").exists()


def test_a_file_cut_off_is_a_sentence(run, training):
    training.write_bytes(training.read_bytes()[:-50])
    assert "training.parquet" in run("--data", training, status=2)


def test_the_promise_of_the_bundle_holds_on_rows_nobody_has_seen(run, training, held_out, tmp_path):
    from wardline.stats import conformal

    run("--data", training, "--calibration", held_out)
    calibration = load(tmp_path / "out").rungs["model"].calibration
    fresh = duckdb.sql(RIDES.format(start=4000, stop=8000)).fetchnumpy()
    predicted = 5 + 3 * fresh["miles"].astype(float)
    limits = conformal.thresholds(calibration.scores, 0.9)
    low, high = conformal.intervals(predicted, limits, calibration.band_edges).T
    minutes = fresh["minutes"].astype(float)
    assert np.mean((low <= minutes) & (minutes <= high)) == pytest.approx(0.9, abs=0.02)
