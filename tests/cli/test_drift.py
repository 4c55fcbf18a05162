"""`wardline drift` between two files and over a log, on DuckDB; on Spark it counts the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tests.monitor import traffic
from wardline.cli import cli
from wardline.cli.comparing import REFERENCE, WINDOW, Comparison, contrast
from wardline.cli.counting import count
from wardline.cli.engines import SECONDS, engine, parquet_of_log
from wardline.cli.freezing import freeze
from wardline.cli.logged import answers, chosen
from wardline.cli.scanning import scan
from wardline.cli.sides import Counted, Side
from wardline.features import Kind
from wardline.monitor.judge import Limits
from wardline.reference import Profile
from wardline.stats.psi import psi

LIMITS = Limits(0.1, 0.25, 200)


def table(rng: np.random.Generator, rows: int, shift: float = 0.0) -> pa.Table:
    amount = rng.normal(shift, 1.0, rows)
    amount[rng.random(rows) < 0.05] = np.nan
    return pa.table(
        {
            "amount": amount, "visits": rng.poisson(20, rows), "open": rng.random(rows) < 0.5,
            "city": pa.array(rng.choice(["oslo", "rome", "lima"], rows, p=[0.6, 0.3, 0.1])),
            "whole": pa.array(rng.integers(0, 4, rows)), "blank": pa.array([None] * rows, pa.float64()),
            "at": np.datetime64("2024-01-01", "us") + np.arange(rows) * np.timedelta64(60_000_000, "us"),
        }
    )  # fmt: skip


def judged(sides: list[Side], columns: list[Counted]) -> Comparison:
    return contrast(sides, count(sides, columns), columns, LIMITS, 0.05)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(1)
    one, other = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(table(rng, 8000), one)
    pq.write_table(table(rng, 5000, shift=1.0), other)
    return one, other


def told(*arguments: str | Path) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["drift", *map(str, arguments), "--format", "json"])
    assert result.exit_code in (0, 1), result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (answer["verdict"] == "alert")
    return answer


def test_two_files_are_compared_and_what_moved_is_named(pair: tuple[Path, Path]) -> None:
    answer = told(*pair)
    (event,) = answer["events"]
    assert event["subjects"] == ["amount"]
    assert event["effect"] > 0.8
    assert {each["subject"]: each["standing"] for each in answer["signals"]} == {
        "amount": "alert", "visits": "ok", "open": "ok", "city": "ok", "whole": "ok", "blank": "ok",
    }  # fmt: skip
    assert any("independent" in note for note in answer["notes"])
    assert told(pair[0], pair[0])["verdict"] == "ok"


def test_the_index_is_that_of_the_rows_themselves(pair: tuple[Path, Path]) -> None:
    """Counted once more by hand, from the same frozen bins: NaN, atoms, categories and all."""
    from wardline.monitor.plan import Binner

    signals = {each["subject"]: each["psi"] for each in told(*pair)["signals"]}
    one, other = (pq.read_table(file) for file in pair)
    profiles = freeze([pair[0]], ["amount", "visits", "city"])
    for name in ("amount", "visits"):
        binner = Binner(profiles[name])
        both = [
            np.bincount(binner.codes(side[name].to_numpy().astype(float)), minlength=binner.size)
            for side in (one, other)
        ]
        assert signals[name] == pytest.approx(psi(*both).value, abs=1e-12)
    assert "nan" not in str(profiles["city"].categories)


def test_files_that_are_split_are_compared_part_by_part(pair: tuple[Path, Path]) -> None:
    answer = told(*pair, "--by", "city", "--columns", "amount,visits", "--time", "at")
    assert {(each["slice"], each["subject"]) for each in answer["signals"]} == {
        (city, name) for city in ("oslo", "rome", "lima") for name in ("amount", "visits")
    }
    assert {event["slice"] for event in answer["events"]} == {"oslo", "rome", "lima"}
    assert answer["notes"] == []
    only = told(*pair, "--slice", "city=lima", "--columns", "visits")
    assert 350 < only["signals"][0]["rows"] < 650


def test_a_csv_is_as_good_as_parquet(pair: tuple[Path, Path], tmp_path: Path) -> None:
    import pyarrow.csv

    loose = tmp_path / "b.csv"
    pyarrow.csv.write_csv(pq.read_table(pair[1]).select(["visits", "city", "whole"]), loose)
    answer = told(pair[0], loose)
    same = {each["subject"]: each["psi"] for each in told(*pair)["signals"]}
    assert {each["subject"]: each["psi"] for each in answer["signals"]} == pytest.approx(
        {name: same[name] for name in ("visits", "city", "whole")}
    )


def test_too_few_rows_are_no_drift(pair: tuple[Path, Path], tmp_path: Path) -> None:
    pq.write_table(pq.read_table(pair[1]).slice(0, 150), tmp_path / "few.parquet")
    answer = told(pair[0], tmp_path / "few.parquet")
    assert answer["verdict"] == "insufficient"
    assert answer["events"] == []


def test_rows_that_depend_on_each_other_are_worth_fewer(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    walk = np.zeros(18_000)
    for row in range(1, len(walk)):
        walk[row] = 0.99 * walk[row - 1] + rng.normal()
    at = np.datetime64("2024-01-01", "us") + np.arange(len(walk)) * np.timedelta64(1_000_000, "us")
    pq.write_table(pa.table({"x": walk[:16_000], "at": at[:16_000]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": walk[16_000:], "at": at[16_000:]}), tmp_path / "b.parquet")
    (naive,) = told(tmp_path / "a.parquet", tmp_path / "b.parquet", "--columns", "x")["signals"]
    (timed,) = told(tmp_path / "a.parquet", tmp_path / "b.parquet", "--time", "at")["signals"]
    assert naive["effective_rows"] == 2000
    assert timed["psi"] == naive["psi"]
    # A row in two hundred is worth one: of what is left nobody can tell.
    assert timed["effective_rows"] < 40
    assert (timed["p_value"], timed["standing"]) == (None, "insufficient")
    assert naive["standing"] == "warn"


def test_with_times_the_trend_shows_since_when(pair: tuple[Path, Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    late = table(rng, 6000)
    amount = late["amount"].to_numpy().copy()
    amount[3000:] += 1.0
    pq.write_table(late.set_column(0, "amount", pa.array(amount)), tmp_path / "late.parquet")
    for engine_ in ("arrow", "duckdb"):
        answer = told(pair[0], tmp_path / "late.parquet", "--time", "at", "--engine", engine_)
        trends = {each["subject"]: each["trend"] for each in answer["signals"]}
        assert len(trends["amount"]) == 12
        assert all(point["psi"] < 0.1 for point in trends["amount"][:6] + trends["visits"])
        assert all(point["psi"] > 0.5 for point in trends["amount"][6:])
        assert sum(point["rows"] for point in trends["amount"]) == 6000
        begin = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
        assert trends["amount"][0]["begin"] == pytest.approx(begin)
        assert trends["amount"][6]["begin"] == pytest.approx(begin + 3000 * 60, abs=6000)
    asked = ["drift", str(pair[0]), str(tmp_path / "late.parquet"), "--time", "at"]
    assert "██████" in CliRunner().invoke(cli, asked).stdout
    page = CliRunner().invoke(cli, [*asked, "--format", "html"]).stdout
    assert page.count("PSI over windows") == 6
    assert all(each["trend"] == [] for each in told(*pair)["signals"])


def test_one_page_holds_everything(pair: tuple[Path, Path]) -> None:
    result = CliRunner().invoke(cli, ["drift", *map(str, pair), "--format", "html"])
    assert result.exit_code == 1
    assert result.stdout.startswith("<!doctype html>")
    assert result.stdout.count("<svg") == result.stdout.count("</svg>") == 6
    assert "http" not in result.stdout
    assert result.stdout.index(">amount<") < result.stdout.index(">visits<")


def test_a_log_is_compared_with_its_reference_and_with_itself(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    known = traffic.watched(rng)
    quiet = traffic.requests(rng, 4000)
    later = traffic.requests(rng, 3000, at=traffic.START + 3600, age=rng.normal(60, 12, 3000).tolist())
    open_ = traffic.segment(known, tmp_path, "a-1-0")
    for made in (quiet, later):
        open_.write(traffic.batch(known, made))
    open_.close()
    noon = datetime.fromtimestamp(traffic.START, UTC)
    one = noon + timedelta(minutes=30)
    with parquet_of_log(tmp_path) as files, engine("duckdb") as opened:
        rows = opened.read([file.path for file in files], log=True)
        window = Side(WINDOW, chosen(rows, when=(one, None), log=True), None, SECONDS)
        before = Side(REFERENCE, chosen(rows, when=(None, one), log=True), None, SECONDS)
        columns = answers(known, None)
        alone = judged([window], columns)
        both = judged([window, before], columns)
        calm = judged([Side(WINDOW, before.rows, None, SECONDS)], columns)
        by = judged([Side(WINDOW, window.rows, "slice.channel", SECONDS)], columns)
        with pytest.raises(Exception, match="no COL=VALUE"):
            chosen(rows, slices=["nope=1"])
    for made in (alone, both):
        assert {each.subject for each in made.signals if each.standing.value == "alert"} == {"age"}
    assert calm.verdict.value == "ok"
    assert {"prediction of model"} < {each.subject for each in calm.signals}
    assert {each.slice for each in by.signals} == {"web", "app"}
    assert sum(each.rows for each in by.signals if each.subject == "age") == 3000


def test_the_command_reads_a_gates_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from guards import taxi

    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path))
    with taxi.gate as gate:
        for _ in range(80):
            gate.batch([gate.contract.examples[0]] * 5)
    answer = told("guards.taxi", "--since", "1h")
    assert answer["verdict"] == "alert"  # the same trip four hundred times
    assert answer["gate"] == "guards.taxi"
    assert all(each["rows"] == 400 for each in answer["signals"])
    assert told("guards.taxi", "--action", "abstain")["verdict"] == "insufficient"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a.parquet"], "two files are compared"),
        (["a.parquet", "nope.parquet"], "does not exist"),
        (["guards.taxi", "guards.leaf"], "one TARGET at a time"),
        (["a.parquet", "b.parquet", "--since", "1h"], "--since is about a log"),
        (["a.parquet", "b.parquet", "--by", "nope"], "has no column 'nope'"),
        (["guards.taxi", "--engine", "abacus"], "is none of arrow"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(
    pair: tuple[Path, Path], arguments: list[str], sentence: str
) -> None:
    here = [str(pair[0].parent / each) if each.endswith(".parquet") else each for each in arguments]
    result = CliRunner().invoke(cli, ["drift", *here])
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())


@pytest.mark.parametrize(
    "split", [(None, None), ("city", None), (None, "at"), ("city", "at"), ("open", "day")]
)
def test_arrow_counts_what_duckdb_counts(
    pair: tuple[Path, Path], split: tuple[str | None, str | None], tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    files = []
    for place, file in enumerate(pair):
        rows = pq.read_table(file)
        amount = rows["amount"].to_numpy().copy()
        amount[rng.integers(0, len(amount), 30)] = np.inf
        amount[rng.integers(0, len(amount), 30)] = -np.inf
        amount[rng.integers(0, len(amount), 900)] = 0.0  # a heavy value has a bin of its own
        rows = rows.append_column("single", pa.array(amount.astype(np.float32)))
        rows = rows.append_column("gaps", pa.array(amount, mask=rng.random(len(amount)) < 0.1))
        rows = rows.append_column("coded", rows["city"].dictionary_encode())
        rows = rows.append_column(
            "holes", pa.array(rng.integers(0, 3, len(amount)), mask=rng.random(len(amount)) < 0.1)
        )
        rows = rows.append_column("day", pc.cast(rows["at"], pa.date32()))
        files.append(tmp_path / f"{place}.parquet")
        pq.write_table(rows, files[-1], row_group_size=1700)
    names = ["amount", "single", "gaps", "visits", "open", "city", "coded", "whole", "holes", "blank"]
    profiles = freeze(files[:1], names)
    assert profiles["single"].atoms
    columns = [Counted(name, name, profiles[name]) for name in names]
    by, time = split
    mine = scan([Side(n, f, by, time) for n, f in zip((REFERENCE, WINDOW), files, strict=True)], columns)
    with engine("duckdb") as opened:
        sides = [Side(n, opened.read([f]), by, time) for n, f in zip((REFERENCE, WINDOW), files, strict=True)]
        theirs = count(sides, columns)
    assert mine.keys() == theirs.keys()
    for key, counts in mine.items():
        assert (counts == theirs[key]).all(), key


def test_edges_of_double_precision_split_values_of_single_precision_exactly(tmp_path: Path) -> None:
    values = np.array([0.1, 0.3, np.nextafter(np.float32(0.1), np.float32(1)), 7e-46, -0.0], np.float32)
    edges = np.array([0.0, 1e-45, 0.1, float(np.float32(0.1)), 0.3])
    profile = Profile("x", Kind.CONTINUOUS, 5, edges=edges, counts=np.zeros(8, np.int64))
    pq.write_table(pa.table({"x": values}), tmp_path / "x.parquet")
    (counts,) = scan([Side(WINDOW, tmp_path / "x.parquet")], [Counted("x", "x", profile)]).values()
    wanted = np.bincount(np.searchsorted(edges, values.astype(np.float64), side="right"), minlength=8)
    assert counts[0].tolist() == wanted.tolist()


@pytest.mark.fleet
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_spark_counts_the_same(pair: tuple[Path, Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    known = traffic.watched(rng)
    open_ = traffic.segment(known, tmp_path / "log", "a-1-0")
    open_.write(traffic.batch(known, traffic.requests(rng, 2000)))
    open_.close()
    names = ["amount", "visits", "open", "city", "whole", "blank"]
    profiles = freeze([pair[0]], names)
    columns = [Counted(name, name, profiles[name]) for name in names]
    found: list[Any] = []
    noon = datetime.fromtimestamp(traffic.START, UTC)
    for name in ("duckdb", "spark"):
        with parquet_of_log(tmp_path / "log") as files, engine(name) as opened:
            sides = [
                Side(side, opened.read([file]), "city", "at")
                for side, file in zip((REFERENCE, WINDOW), pair, strict=True)
            ]
            counts = count(sides, columns)
            made = judged(sides, columns)
            log = Side(
                WINDOW,
                chosen(opened.read([file.path for file in files], log=True), when=(noon, None), log=True),
                None,
                "time",
            )
            found.append((counts, made.signals, count([log], answers(known, None))))
    for mine, theirs in zip(found[0][1], found[1][1], strict=True):
        assert mine.effect == pytest.approx(theirs.effect, abs=1e-12)
        assert mine.p_value == pytest.approx(theirs.p_value, abs=1e-12, nan_ok=True)
    for mine, theirs in ((found[0][0], found[1][0]), (found[0][2], found[1][2])):
        assert mine.keys() == theirs.keys()
        assert all((mine[key] == theirs[key]).all() for key in mine)
