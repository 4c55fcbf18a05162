"""Audits that were killed: the same command goes on where they stopped, to the same whole numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from guards import taxi
from tests.waiting import until
from wardline.cli import cli
from wardline.cli.engines import LogFile
from wardline.cli.logged import parts_of
from wardline.cli.resuming import STALE_S, Kept

ROOT = Path(__file__).parents[2]
SLOWLY = """
import sys, threading
from wardline.cli import cli, counting, resuming
counting.AT_ONCE, resuming.PART_ROWS, resuming.AFTER_S = 1, 100, 0.0
PARTS, *asked = sys.argv[1:]
put, counted = resuming.Kept.put, []

def counting_them(self, part, rows):
    put(self, part, rows)
    counted.append(part)
    if len(counted) >= int(PARTS):
        threading.Event().wait()

resuming.Kept.put = counting_them
cli(asked)
"""
PARTS = 8  # counted before an audit that is to be killed stands still; there are many more


def slowly(home: Path, parts: int, *arguments: str, command: str) -> subprocess.Popen[str]:
    """A real audit, of parts so small that there are many of them; after `parts` of them it stands still."""
    return subprocess.Popen(
        [sys.executable, "-c", SLOWLY, str(parts), command, *arguments, "--format", "json"],
        cwd=ROOT, env={**os.environ, "WARDLINE_HOME": str(home)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def killed(home: Path, folder: Path, *arguments: str, command: str = "drift") -> Path:
    """Begin an audit, kill it once some of it is counted, and return what it left."""
    audit = slowly(home, PARTS, *arguments, command=command)
    try:
        left: Path = until(lambda: next(folder.glob("*.jsonl"), None))
        until(lambda: left.read_text().count("\n") > PARTS)
    finally:
        audit.kill()
        audit.communicate()
    assert audit.returncode == -9, "it was over before it was killed"
    return left


def finished(home: Path, *arguments: str) -> tuple[dict[str, object], str]:
    audit = slowly(home, 10**9, *arguments, command="drift")
    told, said = audit.communicate(timeout=300)
    return json.loads(told), said


@pytest.mark.parametrize("engine", ["arrow", "duckdb"])
def test_a_killed_audit_of_two_files_goes_on_to_the_same_answer(tmp_path: Path, engine: str) -> None:
    rng = np.random.default_rng(1)
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for file in files:
        rows = pa.table({**{f"x{i}": rng.normal(size=20_000) for i in range(30)}, "t": np.arange(20_000)})
        pq.write_table(rows, file, row_group_size=100 if engine == "arrow" else None)
    arguments = (*map(str, files), "--engine", engine, *(["--time", "t"] if engine == "arrow" else []))
    whole = CliRunner().invoke(cli, ["drift", *arguments, "--format", "json"])
    assert "going on" not in whole.stderr
    left = killed(tmp_path, tmp_path / "drift", *arguments)
    before = [json.loads(line) for line in left.read_text().splitlines() if line.endswith("}")]
    assert len(before) > 2
    told, said = finished(tmp_path, *arguments)
    assert "going on with the audit" in said
    assert told == json.loads(whole.stdout)
    assert not (tmp_path / "drift").exists()  # nothing is left of an audit that is answered


def test_what_was_counted_is_not_counted_again_and_what_came_later_is_not_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path))
    with taxi.gate as gate:
        for _ in range(80):
            gate.batch([gate.contract.examples[0]] * 5)
    left = killed(tmp_path, tmp_path / "taxi" / "drift", "guards.taxi")
    lines = [json.loads(line) for line in left.read_text().splitlines()]
    counted = next(line for line in lines if line.get("part", "").endswith("/0"))
    counted["rows"][0][4] += 1000  # recounting would lose these
    left.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with taxi.gate as gate:  # more traffic while the audit lies there
        gate.batch([gate.contract.examples[0]] * 100)
    told, _ = finished(tmp_path, "guards.taxi")
    rows = sorted({signal["rows"] for signal in told["signals"]})  # type: ignore[attr-defined] # a tree
    assert rows[0] == 400
    assert rows[1:] == [1400]


def test_another_question_and_one_of_yesterday_begin_anew(tmp_path: Path) -> None:
    first = Kept.of(tmp_path, {"by": None}, [["a"]], now=0.0)
    first._from -= 60.0
    first.put("window/a/0", [["", 0, "x", 1, 5]])
    again = Kept.of(tmp_path, {"by": None}, [["a"], ["b"]], now=10.0)
    assert (len(again), again.began, again.plan) == (1, 0.0, [["a"]])
    assert again.get("window/a/0") == [["", 0, "x", 1, 5]]
    assert len(Kept.of(tmp_path, {"by": "region"}, [["a"]], now=10.0)) == 0
    assert len(Kept.of(tmp_path, {"by": None}, [["a"]], now=STALE_S + 1)) == 0


def test_a_line_that_was_being_written_is_left_out(tmp_path: Path) -> None:
    kept = Kept.of(tmp_path, {}, None)
    kept._from -= 60.0
    for part in ("one", "two"):
        kept.put(part, [[1, 2.5]])
    kept.path.write_text(kept.path.read_text()[:-9])
    again = Kept.of(tmp_path, {}, None)
    assert (again.get("one"), again.get("two")) == ([[1, 2.5]], None)
    again._from -= 60.0
    again.put("two", [[3, 4.5]])
    assert Kept.of(tmp_path, {}, None).get("two") == [[3, 4.5]]


def test_files_that_are_written_to_are_a_part_of_their_own() -> None:
    files = [LogFile(str(i), Path(str(i)), rows, sealed) for i, (rows, sealed) in enumerate(
        [(3_000_000, True), (500, False), (2_000_000, True), (10, True)])]  # fmt: skip
    assert parts_of(files) == [["0", "2"], ["3"], ["1"]]
    assert parts_of(files, whole=True) == [["0", "1", "2", "3"]]
    assert parts_of([]) == []
