"""`wardline records` shows what was recorded, to people and to programs."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from tests.log.samples import CLASSIFICATION, PATIENT, REGRESSION, ids, request
from wardline.cli.records import find, moment, records, show
from wardline.log import LogWriter
from wardline.record import RecordSchema

NOON = 1_519_905_600_000  # milliseconds: 2018-03-01 12:00 UTC
REQUESTS = [request(NOON + number, rows=1 + number % 3) for number in range(20)]


def _log(directory: Path, schema: RecordSchema = REGRESSION) -> Path:
    writer = LogWriter(directory, schema, PATIENT)
    for some in REQUESTS:
        writer.append(some)
    writer.close()
    return directory


def _shown(capsys: pytest.CaptureFixture[str], directory: Path, form: str, **asked) -> str:
    chosen = asked.get("columns")
    show(find(directory, **asked), form, whole="request_id" in asked, chosen=chosen)
    return capsys.readouterr().out


def test_people_see_the_answer_and_how_far_to_trust_it(tmp_path: Path, capsys) -> None:
    text = _shown(capsys, _log(tmp_path), "table", limit=3)
    assert "2018-03-01 12:00:00.018" in text
    assert "range:range.outside income" in text
    assert "gbm" in text
    assert ids(REQUESTS)[-1] in text
    assert ids(REQUESTS)[-4] not in text


def test_uncertainty_is_readable_at_a_glance(tmp_path: Path, capsys) -> None:
    some = request(NOON)
    some.values[:] = 1.0
    some.members = np.array([[True, True, False]])
    some.rungs[:] = 1  # whose coverage is only to be watched
    some.level, some.ood_p = 0.9, np.array([0.03])
    writer = LogWriter(tmp_path, CLASSIFICATION, PATIENT)
    writer.append(some)
    writer.close()
    text = _shown(capsys, tmp_path, "table")
    for part in ("late", "{paid, late}", "at 90%, coverage watch", "ood_p 0.03"):
        assert part in text


def test_one_record_is_shown_whole_down_the_page(tmp_path: Path, capsys) -> None:
    some = ids(REQUESTS)[-2]
    lines = _shown(capsys, _log(tmp_path), "table", request_id=some).splitlines()
    told = dict(line.strip().split(maxsplit=1) for line in lines if line.strip())
    assert told["request_id"] == some
    assert told["time"] == "2018-03-01T12:00:00.019000000Z"
    assert told["feature.debt"] == "inf"
    assert told["libraries"] == "cd34"
    assert "confidence" not in told  # there was none


def test_the_id_of_a_batch_shows_all_its_rows(tmp_path: Path) -> None:
    batch = REQUESTS[17]
    assert find(_log(tmp_path), request_id=batch.request_id)["request_id"].to_pylist() == ids([batch])


def test_programs_get_one_object_a_record(tmp_path: Path, capsys) -> None:
    _log(tmp_path)
    rows = json.loads(_shown(capsys, tmp_path, "json", limit=4))
    lines = [json.loads(line) for line in _shown(capsys, tmp_path, "jsonl", limit=4).splitlines()]
    assert rows == lines
    assert [row["request_id"] for row in rows] == ids(REQUESTS)[-4:]
    assert rows[-1]["time"] == "2018-03-01T12:00:00.019000000Z"
    assert rows[-1]["feature.debt"] == str(math.inf)  # JSON has no number for it
    table = list(csv.DictReader(io.StringIO(_shown(capsys, tmp_path, "csv", limit=4))))
    assert [row["request_id"] for row in table] == ids(REQUESTS)[-4:]
    assert json.loads(table[1]["findings"])[0]["reason"] == "range.outside"


def test_columns_time_and_actions_choose(tmp_path: Path, capsys) -> None:
    _log(tmp_path)
    begin = datetime(2018, 3, 1, 12, tzinfo=UTC) + timedelta(milliseconds=10)
    rows = json.loads(
        _shown(capsys, tmp_path, "json", columns=["row", "action"], actions=["flag"], since=begin)
    )
    flagged = [some for some in REQUESTS[10:] if some.findings]
    assert rows == [{"row": place, "action": "flag"} for some in flagged for place in range(len(some))]
    text = _shown(capsys, tmp_path, "table", columns=["feature.region", "set"], limit=1)
    assert text.split()[:2] == ["feature.region", "set"]


def test_text_that_looks_like_markup_is_shown_as_it_is(tmp_path: Path, capsys) -> None:
    some = request(NOON)
    some.request_id = "[bold]x[/bold]"
    writer = LogWriter(tmp_path, REGRESSION, PATIENT)
    writer.append(some)
    writer.close()
    assert "[bold]x[/bold]" in _shown(capsys, tmp_path, "table")


def test_no_records_is_nothing_to_show(tmp_path: Path, capsys) -> None:
    assert _shown(capsys, tmp_path / "none", "table") == ""
    assert json.loads(_shown(capsys, tmp_path / "none", "json")) == []


def test_a_damaged_file_is_a_warning_beside_the_others_records(tmp_path: Path, capsys) -> None:
    _log(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    assert find(tmp_path).num_rows == len(ids(REQUESTS))
    assert "warning: " in capsys.readouterr().err


@pytest.mark.parametrize("text", ["yesterday", "15", "2018-13-01", "99999999999999d"])
def test_a_time_that_is_none_is_wrong_use(text: str) -> None:
    with pytest.raises(click.BadParameter, match="neither a stretch such as 30s"):
        moment(text, datetime.now(UTC))


def test_wrong_use_exits_with_two() -> None:
    runner = CliRunner()
    assert runner.invoke(records, []).exit_code == 2
    assert runner.invoke(records, ["no_such_module"]).exit_code == 2
    assert runner.invoke(records, ["guards.loan", "--action", "shrug"]).exit_code == 2
    assert runner.invoke(records, ["guards.loan", "--format", "xml"]).exit_code == 2


def test_the_command_reads_the_log_of_the_gate_it_is_given(tmp_path: Path) -> None:
    _log(tmp_path / "taxi" / "records")
    asked = [
        "guards.taxi",
        "--action",
        "flag",
        "--columns",
        "request_id,action",
        "--limit",
        "2",
        "--format",
        "json",
    ]
    result = CliRunner().invoke(records, asked, env={"WARDLINE_HOME": str(tmp_path)})
    flagged = [some for some in REQUESTS if some.findings]
    assert json.loads(result.stdout) == [{"request_id": name, "action": "flag"} for name in ids(flagged)[-2:]]
    assert result.exit_code == 0
    nothing = CliRunner().invoke(records, ["guards.taxi"], env={"WARDLINE_HOME": str(tmp_path / "new")})
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "no such record" in nothing.stderr
