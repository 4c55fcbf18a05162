"""What a store has is asked as the log of this disk is: the same rows, the same answer."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from guards import taxi
from wardline.cli import cli
from wardline.errors import LogError
from wardline.log.fetch import fetched
from wardline.log.ship import sealed
from wardline.log.store import Store

BUCKET = "s3://bucket/fleet"


def told(*arguments):
    result = CliRunner().invoke(cli, [*arguments, "--format", "json"])
    assert result.exit_code in {0, 1}, result.output
    return json.loads(result.stdout)


def test_a_store_answers_as_the_disk_did_though_the_disk_has_nothing_any_more(tmp_path, monkeypatch, s3):
    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path))
    rows = [{**taxi.gate.contract.examples[0], "trip_distance": 1.0 + place / 40} for place in range(400)]
    with taxi.gate as gate:
        for row in rows:
            gate(row)
    (file,) = sealed(gate.records_dir)
    here = told("drift", "guards.taxi"), told("records", "guards.taxi", "--limit", "0")
    Store(BUCKET, "taxi").deliver(file)
    Store(BUCKET, "loan").deliver(file)  # another gate's are no business of this one
    shutil.rmtree(gate.records_dir)
    there = (
        told("drift", "guards.taxi", "--from", BUCKET),
        told("records", "guards.taxi", "--limit", "0", "--from", BUCKET),
    )
    assert there == here
    assert len(here[1]) == 400
    assert {signal["rows"] for signal in here[0]["signals"]} == {400}
    fsspec.filesystem("s3").clear_instance_cache()


def test_only_files_that_may_hold_the_stretch_are_brought(tmp_path):
    store = Store(str(tmp_path / "store"), "loan")
    for day in (1, 2, 3):
        file = tmp_path / f"2018030{day}T000000.000000-edge-1-{day}.parquet"
        pq.write_table(pa.table({"day": [day]}), file)
        store.deliver(file)
    with fetched(store.url, "loan") as folder:
        assert len(list(folder.iterdir())) == 3
    assert not folder.exists()
    noon = datetime(2018, 3, 2, 12, tzinfo=UTC)
    for since, until, days in ((noon, None, {"02", "03"}), (None, noon, {"01", "02"}), (noon, noon, {"02"})):
        with fetched(store.url, "loan", since, until) as folder:
            assert {file.name[6:8] for file in folder.iterdir()} == days


def test_a_store_without_the_gate_and_one_that_is_none_are_said(tmp_path):
    (tmp_path / "gate=loan").mkdir()
    for url, said in ((str(tmp_path), "has no record of gate loan"), ("nowhere://x", "cannot be read")):
        with pytest.raises(LogError, match=said), fetched(url, "loan"):
            pass
    result = CliRunner().invoke(cli, ["records", "guards.taxi", "--from", str(tmp_path)])
    assert result.exit_code == 2
    assert "has no record of gate taxi" in result.output
