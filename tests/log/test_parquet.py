"""Nothing of a sealed file is parsed that was not written as it stands: every byte is looked at first."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.log.samples import PATIENT, REGRESSION, ids, request
from wardline.errors import DamagedError
from wardline.log import LogWriter, parquet, read
from wardline.log.follow import Follower
from wardline.log.ship import Delivery, sealed
from wardline.log.store import Store
from wardline.settings import StoreSettings

ABORTS = Path(__file__).parents[1] / "fuzzing" / "cases" / "sealed" / "footer-abort.bin"
REQUESTS = [request(number, rows=2) for number in range(3)]


def seal(directory: Path, requests=REQUESTS) -> Path:
    writer = LogWriter(directory, REGRESSION, PATIENT)
    for records in requests:
        writer.append(records)
    writer.close()
    return max(directory.glob("*.parquet"))


def strip(path: Path, to: Path) -> Path:
    """Copy a file without its mark: as another program, or an older wardline, would have written it."""
    data = path.read_bytes()
    at = data.rindex(parquet.MARK)
    to.write_bytes(data[:at] + data[at + len(parquet.MARK) + 16 :])
    return to


def test_other_readers_take_the_file_as_it_is(tmp_path):
    path = seal(tmp_path)
    assert parquet.check(path)
    wanted = ids(REQUESTS)
    assert pq.read_table(path)["request_id"].to_pylist() == wanted
    assert [row[0] for row in duckdb.read_parquet(str(path)).select("request_id").fetchall()] == wanted


def test_a_flipped_byte_anywhere_is_found_before_anything_is_parsed(tmp_path):
    path = seal(tmp_path)
    whole = path.read_bytes()
    damaged = tmp_path / "damaged" / path.name
    damaged.parent.mkdir()
    mark = whole.rindex(parquet.MARK)
    digits = mark + len(parquet.MARK)
    for place in [*range(0, mark, 97), *range(digits, digits + 16), *range(digits + 16, len(whole), 7)]:
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        damaged.write_bytes(data)
        with pytest.raises(DamagedError):
            parquet.check(damaged)


@pytest.mark.parametrize("place", [0, 14])
def test_a_mark_that_was_damaged_alone_costs_a_look_from_outside_and_no_row(tmp_path, place):
    path = seal(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.rindex(parquet.MARK) + place] ^= 1
    path.write_bytes(data)
    assert not parquet.check(path)
    assert read(tmp_path)["request_id"].to_pylist() == ids(REQUESTS)


def test_a_file_without_checksums_is_read_once_a_process_of_its_own_lived(tmp_path):
    path = seal(tmp_path)
    strip(path, path)
    assert not parquet.check(path)
    assert read(tmp_path)["request_id"].to_pylist() == ids(REQUESTS)
    with parquet.outlined(path) as file:
        assert file.metadata.num_rows == len(ids(REQUESTS))


def test_a_footer_that_ends_the_process_in_arrow_ends_only_the_process_that_tries_it(tmp_path):
    (tmp_path / "old.parquet").write_bytes(ABORTS.read_bytes())
    seal(tmp_path)
    said: list[str] = []
    assert read(tmp_path, on_problem=said.append)["request_id"].to_pylist() == ids(REQUESTS)
    (sentence,) = said
    assert "old.parquet is damaged and left out" in sentence
    followed = [piece.table.num_rows for piece in Follower([tmp_path], on_problem=said.append).poll()]
    assert followed == [len(ids(REQUESTS))]
    assert "old.parquet cannot be read" in said[1]


def test_a_footer_larger_than_the_stretch_that_is_looked_at_first(tmp_path):
    table = pa.table({f"column_{number}": [number] for number in range(9000)})
    path = tmp_path / "wide.parquet"
    parquet.write(table, path)
    data = bytearray(path.read_bytes())
    assert int.from_bytes(data[-8:-4], "little") > 1 << 20
    assert parquet.check(path)
    data[-(1 << 20) - 100] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="footer"):
        parquet.check(path)


def test_a_damaged_file_is_not_delivered_and_holds_nobody_up(tmp_path):
    here, there = tmp_path / "records", tmp_path / "store"
    first = seal(here, REQUESTS[:1])
    second = seal(here, REQUESTS[1:])
    data = bytearray(first.read_bytes())
    data[100] ^= 1
    first.write_bytes(data)
    work = Delivery(here, [Store(str(there), "loan")], StoreSettings(), lambda: 0.0)
    assert work.work()
    assert work.work()
    assert [path.name for path in there.rglob("*.parquet")] == [second.name]
    assert (work.stats.delivered, work.stats.damaged, work.stats.failures) == (1, 1, 0)
    assert sealed(here) == [first, second]


def test_only_one_module_of_the_log_opens_sealed_files():
    import wardline.log

    folder = Path(wardline.log.__file__).parent
    opening = ("ParquetFile(", "read_table(", "read_metadata(", "read_parquet(")
    found = {path.name for path in folder.glob("*.py") if any(f"pq.{w}" in path.read_text() for w in opening)}
    assert found == {"parquet.py", "vetting.py"}  # the latter tries others' files, in a child
