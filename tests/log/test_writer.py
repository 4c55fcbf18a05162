"""The writer never fails a request, counts every row it could not keep, and loses none that it flushed."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log.disk import Disk
from tests.log.samples import CLASSIFICATION, PATIENT, REGRESSION, expected, ids, plain, request
from tests.log.strategies import requests
from wardline.log import LogWriter, read
from wardline.record import RecordSchema
from wardline.settings import LogSettings

ROOT = Path(__file__).parents[2]


def _ids(directory: Path) -> list[str]:
    return read(directory, columns=["request_id"])["request_id"].to_pylist()


@pytest.mark.parametrize("schema", [REGRESSION, CLASSIFICATION], ids=["regression", "classification"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_is_written_is_what_is_read(schema: RecordSchema, data: st.DataObject) -> None:
    some = data.draw(st.lists(requests(schema), max_size=6, unique_by=lambda records: records.time))
    wanted = [row for records in sorted(some, key=lambda r: r.time) for row in expected(schema, records)]
    with tempfile.TemporaryDirectory() as place:
        writer = LogWriter(Path(place), schema, PATIENT)
        assert all(writer.append(records) for records in some)
        assert writer.flush()
        while_open = read(Path(place))
        writer.close()
        sealed = read(Path(place))
    for table in (while_open, sealed) if some else ():
        assert repr(plain(table)) == repr(wanted)


def test_flushed_rows_are_in_the_file_and_counted(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, REGRESSION, replace(PATIENT, fsync="flush"), clock=lambda: 1_519_905_600.0)
    many = [request(number, rows=1 + number % 3) for number in range(50)]
    for records in many:
        assert writer.append(records)
    assert writer.flush()
    assert _ids(tmp_path) == ids(many)
    stats = writer.stats()
    assert (stats.written, stats.dropped, stats.queued, stats.errors) == (len(ids(many)), 0, 0, 0)
    assert (stats.healthy, stats.last_error, stats.last_flush) == (True, "", 1_519_905_600.0)
    assert stats.segment.startswith("20180301T120000.000000-")
    writer.close()
    assert writer.stats().segment == ""


def test_a_clock_alone_makes_the_writer_write(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, REGRESSION, LogSettings(flush_s=0.005))
    writer.append(request(1))
    with writer._changed:  # nobody asks for a flush
        assert writer._changed.wait_for(lambda: writer._written == 1, timeout=120)
    writer.close()


def test_enough_waiting_rows_make_the_writer_write(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, REGRESSION, replace(PATIENT, flush_rows=8))
    for number in range(8):
        writer.append(request(number))
    with writer._changed:
        assert writer._changed.wait_for(lambda: writer._written == 8, timeout=120)
    writer.close()


@pytest.mark.parametrize("overflow", ["drop", "block"])
def test_a_full_queue_drops_and_counts_every_row_exactly(tmp_path: Path, overflow: str) -> None:
    disk = Disk()
    config = replace(PATIENT, queue_rows=100, flush_rows=10, overflow=overflow, block_ms=1.0)
    writer = LogWriter(tmp_path, REGRESSION, config, opener=disk.open)
    disk.running.clear()
    kept, dropped = [], 0
    for number in range(80):
        records = request(number, rows=1 + number % 5)
        if writer.append(records):
            kept.append(records)
        else:
            dropped += len(records)
    assert writer.stats().queued == len(ids(kept)) <= 100
    assert writer.stats().dropped == dropped > 0
    disk.running.set()
    assert writer.flush()
    assert _ids(tmp_path) == ids(kept)
    writer.append(request(99))
    writer.close()
    assert writer.stats() == replace(writer.stats(), written=len(ids(kept)) + 1, dropped=dropped, queued=0)


def test_a_request_waits_for_room_when_so_declared(tmp_path: Path) -> None:
    disk = Disk()
    config = replace(PATIENT, queue_rows=4, flush_rows=2, overflow="block", block_ms=300_000.0)
    writer = LogWriter(tmp_path, REGRESSION, config, opener=disk.open)
    disk.running.clear()
    assert all(writer.append(request(number)) for number in range(4))
    assert disk.asked.wait(120)
    taken: list[bool] = []
    late = threading.Thread(target=lambda: taken.append(writer.append(request(4))))
    late.start()
    disk.running.set()
    late.join(120)
    assert taken == [True]
    writer.close()
    assert _ids(tmp_path) == ["r0", "r1", "r2", "r3", "r4"]


def test_a_request_larger_than_the_queue_is_dropped_without_waiting(tmp_path: Path) -> None:
    config = replace(PATIENT, queue_rows=4, overflow="block", block_ms=1e9)
    writer = LogWriter(tmp_path, REGRESSION, config)
    assert not writer.append(request(1, rows=5))
    assert writer.append(request(2, rows=4))
    writer.close()
    assert (writer.stats().written, writer.stats().dropped) == (4, 5)


def test_one_malformed_record_costs_only_itself(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, REGRESSION, PATIENT)
    broken = request(2)
    broken.doubted = {0: "nonsense"}  # type: ignore[dict-item]
    for records in (request(1), broken, request(3)):
        assert writer.append(records)
    assert writer.flush()
    stats = writer.stats()
    assert (stats.written, stats.dropped, stats.errors, stats.healthy) == (2, 1, 1, True)
    assert "the record of request r2 is malformed" in stats.last_error
    writer.close()
    assert _ids(tmp_path) == ["r1", "r3"]


@pytest.mark.parametrize("config", [replace(PATIENT, segment_mb=0.03), replace(PATIENT, segment_s=100.0)])
def test_segments_turn_by_size_or_age_and_are_sealed(tmp_path: Path, config: LogSettings) -> None:
    now = 0.0
    writer = LogWriter(tmp_path, REGRESSION, config, clock=lambda: now)
    many = [request(number) for number in range(30)]
    for records in many:
        writer.append(records)
        assert writer.flush()
        now += 20.0
    writer.close()
    sealed = list(tmp_path.glob("*.parquet"))
    assert list(tmp_path.glob("*.arrow")) == []
    assert 2 <= len(sealed) <= 10
    assert _ids(tmp_path) == ids(many)


def test_two_writers_in_one_directory_at_one_instant_keep_apart(tmp_path: Path) -> None:
    writers = [LogWriter(tmp_path, REGRESSION, PATIENT, clock=lambda: 0.0) for _ in range(2)]
    many = [request(number) for number in range(40)]
    for place, records in enumerate(many):
        writers[place % 2].append(records)
    assert all(writer.flush() for writer in writers)
    assert len({writer.stats().segment for writer in writers}) == 2
    for writer in writers:
        writer.close()
    assert _ids(tmp_path) == ids(many)


def test_many_threads_append_without_losing_a_row(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, REGRESSION, LogSettings(flush_rows=64, block_ms=300_000.0, queue_rows=200))

    def serve(first: int) -> None:
        for number in range(first, first + 250):
            assert writer.append(request(number))

    threads = [threading.Thread(target=serve, args=(first,)) for first in range(0, 1000, 250)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert (writer.stats().written, writer.stats().dropped) == (1000, 0)
    assert _ids(tmp_path) == [f"r{number}" for number in range(1000)]


def test_closing_twice_and_flushing_after_it_is_harmless(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, REGRESSION, PATIENT)
    writer.append(request(1))
    writer.close()
    writer.close()
    assert writer.flush()
    assert not writer.append(request(2))
