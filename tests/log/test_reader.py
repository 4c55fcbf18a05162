"""Everything written is read as one table, in order of time, whoever wrote it and whatever is going on."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tests.log.samples import CLASSIFICATION, FEATURES, PATIENT, REGRESSION, expected, ids, plain, request
from wardline.errors import LogError
from wardline.features import Feature, FeatureBlock, FeatureSchema, Kind
from wardline.log import LogWriter, batches, read
from wardline.log.files import sources
from wardline.log.seal import seal_all
from wardline.record import Records, RecordSchema
from wardline.settings import LogSettings

REQUESTS = [request(number, rows=1 + number % 4) for number in range(60)]


def _log(directory: Path, requests: list[Records], schema: RecordSchema = REGRESSION) -> Path:
    writer = LogWriter(directory, schema, PATIENT)
    for records in requests:
        assert writer.append(records)
    writer.close()
    return directory


def _at(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def test_records_of_several_writers_are_one_table_in_order_of_time(tmp_path: Path) -> None:
    writers = [LogWriter(tmp_path, REGRESSION, PATIENT) for _ in range(3)]
    for records in reversed(REQUESTS):
        writers[len(records) % 3].append(records)
    assert all(writer.flush() for writer in writers)
    wanted = [row for records in REQUESTS for row in expected(REGRESSION, records)]
    assert plain(read(tmp_path)) == wanted  # three open segments
    writers[0].close()
    assert plain(read(tmp_path)) == wanted  # one sealed
    for writer in writers[1:]:
        writer.close()
    assert plain(read(tmp_path)) == wanted
    assert len(list(tmp_path.glob("*.parquet"))) == 3


def test_batches_are_the_same_rows_a_few_at_a_time(tmp_path: Path) -> None:
    for part in (REQUESTS[::2], REQUESTS[1::2], []):
        _log(tmp_path, part)
    found = list(batches(tmp_path, rows=7))
    assert max(batch.num_rows for batch in found) == 7
    assert [name for batch in found for name in batch["request_id"].to_pylist()] == ids(REQUESTS)


def test_filters_choose_rows_and_columns_choose_columns(tmp_path: Path) -> None:
    _log(tmp_path, REQUESTS[:30])
    living = LogWriter(tmp_path, REGRESSION, PATIENT)
    for records in REQUESTS[30:]:
        living.append(records)
    living.flush()

    def found(**query) -> list[str]:
        return read(tmp_path, columns=["request_id"], **query)["request_id"].to_pylist()

    assert found(since=_at(10), until=_at(40)) == ids(REQUESTS[10:40])
    assert found(since=_at(10).astimezone(timezone(timedelta(hours=5)))) == ids(REQUESTS[10:])
    assert found(action="flag") == ids(REQUESTS[::3])
    assert found(action=["flag", "serve"]) == ids(REQUESTS)
    assert found(action="reject") == []
    assert found(request_id="r5-1") == ["r5-1"]
    assert found(request_id="r5") == ["r5-0", "r5-1"]  # the id of the batch
    assert found(request_id="r4", action="serve") == ["r4"]
    table = read(tmp_path, columns=["feature.children", "time"], since=_at(59))
    assert table.column_names == ["feature.children", "time"]
    assert table["feature.children"].to_pylist() == [0, 1, 2, 3]
    living.close()


def test_a_question_that_makes_no_sense_says_why(tmp_path: Path) -> None:
    _log(tmp_path, REQUESTS)
    with pytest.raises(
        LogError, match=r"no record has a column 'income'; there are: time, .*feature\.income"
    ):
        read(tmp_path, columns=["income"])
    with pytest.raises(LogError, match="has no time zone"):
        batches(tmp_path, since=datetime(2018, 3, 1))


def test_a_log_that_has_only_just_begun_has_no_rows_of_any_columns(tmp_path: Path) -> None:
    (tmp_path / "20180301T000000000000-1-1.arrow").touch()  # opened, and nothing written yet
    assert list(batches(tmp_path, columns=["action", "us.contract"])) == []
    table = read(tmp_path, columns=["action", "us.contract"])
    assert (table.num_rows, table.column_names) == (0, ["action", "us.contract"])


def test_no_log_yet_is_an_empty_table_with_the_columns_of_every_record(tmp_path: Path) -> None:
    table = read(tmp_path / "none", action="serve")
    assert table.num_rows == 0
    assert {"time", "request_id", "action", "prediction", "findings"} <= set(table.column_names)


def test_versions_of_a_gate_are_read_together(tmp_path: Path) -> None:
    """Columns come and go, change type, and a regression becomes a classification."""
    _log(tmp_path, [request(1)])
    features = FeatureSchema(
        (Feature("income", Kind.TEXT, "string"), Feature("age", Kind.CONTINUOUS, "int64"))
    )
    later = msgspec.structs.replace(CLASSIFICATION, features=features, constants={"model": "m", "new": "x"})
    second = request(2)
    second.block = FeatureBlock(features, np.array([[40.0]]), {"income": ["high"]})
    _log(tmp_path, [second], later)
    one, two = plain(read(tmp_path))
    assert (one["feature.income"], two["feature.income"]) == ("1.5", "high")
    assert (one["feature.age"], two["feature.age"]) == (None, 40)
    assert (one["feature.children"], two["feature.children"]) == (0, None)
    assert (one["libraries"], two["libraries"], one["new"], two["new"]) == ("cd34", None, None, "x")
    assert (one["prediction"], two["prediction"]) == ("1", "lost")


def test_numbers_of_different_width_meet_in_the_wider(tmp_path: Path) -> None:
    _log(tmp_path, [request(1)])
    columns = tuple(
        column._replace(dtype="float64") if column.name == "children" else column
        for column in FEATURES.columns
    )
    schema = msgspec.structs.replace(REGRESSION, features=FeatureSchema(columns))
    second = request(2)
    second.block.matrix[:, 1] = 2.5
    _log(tmp_path, [second], schema)
    assert read(tmp_path)["feature.children"].to_pylist() == [0.0, 2.5]


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5])
def test_a_damaged_sealed_file_is_named_and_the_others_are_read(tmp_path: Path, place: float) -> None:
    _log(tmp_path, REQUESTS[:30])
    (first,) = tmp_path.glob("*.parquet")
    _log(tmp_path, REQUESTS[30:])
    data = bytearray(first.read_bytes())
    pages = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    at = int(pages * place)
    data[at : at + 40] = bytes(byte ^ 0xFF for byte in data[at : at + 40])
    first.write_bytes(data)
    said: list[str] = []
    assert read(tmp_path, on_problem=said.append)["request_id"].to_pylist() == ids(REQUESTS[30:])
    assert str(first) in said[0]
    assert "is damaged and left out" in said[0]


def test_a_file_cut_short_or_of_something_else_is_named(tmp_path: Path) -> None:
    _log(tmp_path, REQUESTS)
    (tmp_path / "cut.parquet").write_bytes(next(tmp_path.glob("*.parquet")).read_bytes()[:-9])
    pa.parquet.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    said: list[str] = []
    assert read(tmp_path, on_problem=said.append)["request_id"].to_pylist() == ids(REQUESTS)
    assert [Path(sentence.split()[0]).name for sentence in said] == ["cut.parquet", "foreign.parquet"]


def test_damage_in_an_open_segment_is_named_and_a_write_under_way_is_not(tmp_path: Path) -> None:
    living = LogWriter(tmp_path, REGRESSION, PATIENT)
    for records in REQUESTS:
        living.append(records)
        living.flush()
    (path,) = tmp_path.glob("*.arrow")
    data = path.read_bytes()
    living.close()
    for sealed in tmp_path.glob("*.parquet"):
        sealed.unlink()
    said: list[str] = []
    path.write_bytes(data[:-50])
    assert read(tmp_path, on_problem=said.append)["request_id"].to_pylist() == ids(REQUESTS[:-1])
    assert not said
    path.write_bytes(data[:-50] + bytes(50))
    assert read(tmp_path, on_problem=said.append)["request_id"].to_pylist() == ids(REQUESTS[:-1])
    assert "bytes of it cannot be read, the rest is" in said[0]


def test_a_segment_sealed_or_removed_between_finding_and_reading_it_is_no_problem(tmp_path: Path) -> None:
    living = LogWriter(tmp_path, REGRESSION, PATIENT)
    for records in REQUESTS:
        living.append(records)
    living.flush()
    (found,) = sources(tmp_path, pytest.fail)
    living.close()
    seal_all(tmp_path, pytest.fail)
    assert found.path.suffix == ".arrow"
    assert not found.path.exists()
    assert found.load(["request_id"], None, None)["request_id"].to_pylist() == ids(REQUESTS)
    next(tmp_path.glob("*.parquet")).unlink()
    assert found.load(["request_id"], None, None) is None


def test_a_reader_beside_a_busy_writer_sees_every_row_once_in_order(tmp_path: Path) -> None:
    """Segments are begun, sealed and removed all the while."""
    settings = LogSettings(flush_s=0.002, flush_rows=16, segment_mb=0.05)
    many = [request(number, rows=1 + number % 4) for number in range(1500)]
    writer = LogWriter(tmp_path, REGRESSION, settings)

    def serve() -> None:
        for records in many:
            writer.append(records)
        writer.close()

    serving = threading.Thread(target=serve)
    serving.start()
    wanted = ids(many)
    looks = []
    while serving.is_alive():
        seen = read(tmp_path, columns=["request_id"], on_problem=pytest.fail)["request_id"].to_pylist()
        assert seen == wanted[: len(seen)]
        looks.append(len(seen))
    serving.join()
    assert looks == sorted(looks)
    assert read(tmp_path)["request_id"].to_pylist() == wanted
    assert len(list(tmp_path.glob("*.parquet"))) > 3
