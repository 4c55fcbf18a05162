"""Engines are given no byte of a log that was not looked at first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.log.samples import PATIENT, REGRESSION, ids, request
from tests.log.test_parquet import ABORTS, strip
from wardline.cli.engines import engine, parquet_of_log
from wardline.log import LogWriter

GOOD, BAD = [request(1, rows=3)], [request(2, rows=3)]


def seal(directory: Path, requests) -> Path:
    writer = LogWriter(directory, REGRESSION, PATIENT)
    for records in requests:
        writer.append(records)
    writer.close()
    return max(directory.glob("*.parquet"))


def counted(directory: Path) -> list[str]:
    with parquet_of_log(directory) as files, engine("duckdb") as opened:
        return sorted(
            opened.read([file.path for file in files], log=True)
            .select("request_id")
            .to_pyarrow()["request_id"]
            .to_pylist()
        )


@pytest.mark.parametrize("from_the_end", [6, 40, 2000, -100])
def test_a_damaged_sealed_file_is_named_and_the_others_are_counted(tmp_path, capsys, from_the_end):
    bad = seal(tmp_path, BAD)
    seal(tmp_path, GOOD)
    data = bytearray(bad.read_bytes())
    data[-from_the_end] ^= 0x10
    bad.write_bytes(data)
    assert counted(tmp_path) == ids(GOOD)
    assert f"{bad} is damaged and left out" in capsys.readouterr().err


def test_a_file_that_ends_arrow_is_named_and_the_others_are_counted(tmp_path, capsys):
    (tmp_path / "old.parquet").write_bytes(ABORTS.read_bytes())
    seal(tmp_path, GOOD)
    assert counted(tmp_path) == ids(GOOD)
    assert "old.parquet is damaged and left out" in capsys.readouterr().err


def test_a_file_of_an_older_wardline_is_counted_from_a_copy(tmp_path):
    path = seal(tmp_path, GOOD)
    strip(path, path)
    with parquet_of_log(tmp_path) as (file,):
        assert file.path.parent != tmp_path
        assert (tmp_path / f"{file.name}.parquet") == path
    assert counted(tmp_path) == ids(GOOD)
