"""`wardline detect` on streams whose changes are known, on streams without any, and on files as they come."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from wardline.cli import cli

DATA = Path(__file__).parent / "data"
WEATHER = Path("models/weather/data/weather.csv.gz")


def told(*arguments: str | Path) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["detect", *map(str, arguments), "--format", "json"])
    assert result.exit_code in (0, 1), result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (answer["verdict"] == "alert")
    return answer


def at(answer: dict[str, Any], moment: Any) -> dict[str, Any]:
    (found,) = [event for event in answer["events"] if event["at"] == moment]
    event: dict[str, Any] = found
    return event


def written(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_constant_columns_that_begin_to_vary_are_named_to_the_row() -> None:
    answer = told(DATA / "electricity.csv.gz", "--columns", "vicprice,vicdemand,transfer", "--step", "30m")
    event = at(answer, 3000)
    assert sorted(event["subjects"]) == ["transfer", "vicdemand", "vicprice"]
    assert event["kind"] == "new_value"
    assert answer["events"][0] == event


def test_the_congestion_surcharge_is_found_on_its_day() -> None:
    answer = told(DATA / "taxi.parquet", "--time", "pickup_datetime", "--reference-until", "2018-12-01")
    (event,) = [event for event in answer["events"] if "extra" in event["subjects"]]
    assert event["at"].startswith("2019-02-02")
    assert "congestion_surcharge" in event["subjects"]
    assert "vendor_id" not in {subject for event in answer["events"] for subject in event["subjects"]}


def test_a_new_satellite_is_found_on_the_day_of_its_first_picture() -> None:
    answer = told(DATA / "landsat.parquet", "--time", "date", "--reference-until", "1999-06-01")
    assert at(answer, "1999-06-30")["subjects"] == ["satellite"]
    assert {"satellite", "SR_B6"} <= set(at(answer, "2013-06-03")["subjects"])
    corrector = at(answer, "2003-07-15")
    assert corrector["kind"] == "missing"
    assert {"SR_B1", "SR_B4", "SR_B5", "SR_B7"} == set(corrector["subjects"])


def test_the_fall_of_oil_is_found_with_its_direction() -> None:
    answer = told(DATA / "brent.csv.gz", "--time", "Date")
    (fall,) = [event for event in answer["events"] if event["kind"] == "level"]
    low, high = fall["interval"]
    assert "2014-06" <= low <= fall["at"] <= high <= "2014-12"
    assert fall["columns"][0]["direction"] == "down"


def test_seasons_alarm_nobody_and_a_hole_in_the_file_does() -> None:
    """34 years of temperatures are quiet; then two months of days are missing, and the season jumps."""
    answer = told(
        WEATHER, "--step", "1d", "--season", "year", "--columns", "feat_1,feat_2,feat_3,feat_7,feat_8"
    )
    assert answer["seasons"] == ["year"]
    assert {"feat_1", "feat_2", "feat_7", "feat_8"} <= set(answer["events"][0]["subjects"])
    assert 12_600 <= answer["events"][0]["row"] <= 12_700


def test_a_season_is_found_by_itself_where_there_are_times(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    hours = np.datetime64("2024-01-01T00", "s") + np.arange(24 * 120) * np.timedelta64(3600, "s")
    daily = 3.0 * np.sin(np.arange(len(hours)) * 2 * np.pi / 24)
    file = written(tmp_path / "load.parquet", at=hours, load=daily + rng.normal(size=len(hours)))
    assert told(file, "--time", "at")["verdict"] == "ok"
    moved = daily + rng.normal(size=len(hours)) + 1.5 * (np.arange(len(hours)) >= 2000)
    answer = told(written(tmp_path / "moved.parquet", at=hours, load=moved), "--time", "at")
    (event,) = answer["events"]
    assert 1985 <= event["row"] <= 2015


def test_quiet_files_stay_quiet_as_often_as_promised(tmp_path: Path) -> None:
    """Twenty files with ten columns of every kind: one false alarm is what 5 % lets happen."""
    rng = np.random.default_rng(2)
    alarmed = 0
    for _ in range(20):
        n = 2000
        walk = np.zeros(n)
        for row in range(1, n):
            walk[row] = 0.9 * walk[row - 1] + rng.normal()
        columns: dict[str, Any] = {
            "noise": rng.normal(size=n), "heavy": rng.standard_t(2, size=n), "memory": walk,
            "count": rng.poisson(3, n), "skewed": rng.lognormal(size=n), "steady": np.full(n, 7.0),
            "city": rng.choice(["oslo", "rome", "lima"], n, p=[0.7, 0.2, 0.1]),
            "rare": np.where(rng.random(n) < 0.01, "yes", "no"),
            "holes": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)), "flag": rng.random(n) < 0.3,
        }  # fmt: skip
        alarmed += told(written(tmp_path / "quiet.parquet", **columns))["verdict"] == "alert"
    assert alarmed <= 2


def test_a_return_ends_the_change_and_is_none_itself(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=4000)
    values[1500:2500] += 2.0
    (event,) = told(written(tmp_path / "there-and-back.parquet", x=values))["events"]
    assert abs(event["row"] - 1500) < 10
    assert abs(event["until"] - 2500) < 10
    assert event["effect"] == pytest.approx(2.0, abs=0.3)


def test_gaps_repeated_and_unordered_stamps_and_rows_without_one_are_normal_input(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    days = np.sort(rng.choice(2000, 3000)).astype("datetime64[D]")
    values = np.where(days >= np.datetime64("1973-06-01"), "b", "a").astype(object)
    values[rng.choice(3000, 200)] = "b"
    order = rng.permutation(3000)
    text = [str(day) for day in days[order]]
    text[5] = ""
    file = tmp_path / "days.csv.gz"
    rows = "\n".join(f"{day},{value}" for day, value in zip(text, values[order], strict=True))
    file.write_bytes(gzip.compress(f"day,grade\n{rows}\n".encode()))
    answer = told(file, "--time", "day")
    (event,) = answer["events"]
    assert "1973-05-25" <= event["at"] <= "1973-06-05"
    assert answer["notes"] == ["1 rows have no day and were left out"]


def test_rows_that_share_a_stamp_have_no_order_among_themselves(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    x = np.concatenate([np.sort(rng.normal(size=1500)) for _ in range(4)])
    file = written(tmp_path / "years.parquet", year=np.repeat([2015, 2016, 2017, 2018], 1500), x=x)
    answer = told(file, "--time", "year", "--reference-until", "2016")
    assert answer["verdict"] == "ok"
    assert "drawn at random" in answer["notes"][0]


def test_ids_clocks_and_free_text_are_left_out_with_their_reason(tmp_path: Path) -> None:
    n = 6000
    rng = np.random.default_rng(6)
    file = written(
        tmp_path / "ids.parquet", counter=np.arange(n), id=rng.permutation(n),
        text=[f"t{i}" for i in range(n)], x=rng.normal(size=n),
    )  # fmt: skip
    answer = told(file)
    assert answer["verdict"] == "ok"
    assert [note.split()[0] for note in answer["notes"]] == ["counter", "id", "text"]


def test_too_little_is_a_verdict(tmp_path: Path) -> None:
    answer = told(written(tmp_path / "few.parquet", x=np.arange(60.0)))
    assert answer["verdict"] == "insufficient"
    assert answer["events"] == []
    assert "too few" in answer["notes"][0]


def test_the_table_says_it_in_sentences(tmp_path: Path) -> None:
    values = np.random.default_rng(7).normal(size=2000)
    values[1200:] -= 3.0
    result = CliRunner().invoke(cli, ["detect", str(written(tmp_path / "x.parquet", x=values))])
    assert result.exit_code == 1
    assert "1 change in 1,600 rows after 400 of reference" in result.output
    assert "x fell from" in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--columns", "nope"], "there is no column 'nope'"),
        (["--time", "nope"], "there is no column 'nope'"),
        (["--season", "year"], "a season needs times"),
        (["--reference-until", "2018"], "--reference-until needs --time"),
        (["--step", "soon"], "is no length of time"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    file = written(tmp_path / "x.parquet", x=np.arange(600.0) % 17)
    result = CliRunner().invoke(cli, ["detect", str(file), *arguments])
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())
