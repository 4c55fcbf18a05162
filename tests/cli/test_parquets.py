"""A damaged file that somebody names is a clear error, whatever the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tests.log.test_parquet import ABORTS
from wardline.cli import cli

CASES = sorted(ABORTS.parent.glob("*.bin"))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.parquet"
    pq.write_table(
        pa.table({"x": np.random.default_rng(0).normal(size=5000)}), path, write_page_checksum=True
    )
    return path


def refused(*arguments: str | Path) -> str:
    told = CliRunner().invoke(cli, list(map(str, arguments)))
    assert told.exit_code == 2, told.output
    return str(told.stderr)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
@pytest.mark.parametrize("engine", ["arrow", "duckdb"])
def test_drift_names_the_damaged_one_of_two_files(
    good: Path, tmp_path: Path, case: Path, engine: str
) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(case.read_bytes())
    for files in ((good, bad), (bad, good)):
        assert f"{bad} cannot be read as Parquet" in refused("drift", *files, "--engine", engine)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_detect_names_it_too(tmp_path: Path, case: Path) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(case.read_bytes())
    assert f"{bad} cannot be read as Parquet" in refused("detect", bad)


def test_a_damaged_page_is_named(good: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.parquet"
    data = bytearray(good.read_bytes())
    data[len(data) // 2] ^= 1
    bad.write_bytes(data)
    assert f"{bad} is damaged" in refused("drift", good, bad)
    assert f"{bad} is damaged" in refused("drift", bad, good)
