"""Sealed files go on to a store: once each, whole, and again after whatever was cut off."""

from __future__ import annotations

import http.server
import json
import threading

import fsspec
import pyarrow.parquet as pq
import pytest

from tests.log.samples import PATIENT, REGRESSION, request
from wardline.errors import LogError
from wardline.log import LogWriter, read
from wardline.log.events import Events
from wardline.log.ship import Delivery, Shipper, sealed
from wardline.log.store import Store, files_at
from wardline.settings import StoreSettings

KEEP = StoreSettings()


def seal(directory, *numbers):
    """Write and seal one file of some requests."""
    writer = LogWriter(directory, REGRESSION, PATIENT)
    for number in numbers:
        writer.append(request(number, rows=3))
    writer.close()
    return sealed(directory)[-1]


def delivery(directory, *destinations, settings=KEEP, clock=lambda: 0.0):
    return Delivery(directory, destinations, settings, clock)


def rows_at(url):
    files, paths = files_at(url)
    return sorted(
        each for path in paths for each in pq.read_table(files.open(path))["request_id"].to_pylist()
    )


def test_a_file_goes_to_its_hour_once(tmp_path):
    here, there = tmp_path / "records", tmp_path / "store"
    path = seal(here, 1, 2)
    work = delivery(here, Store(f"file://{there}", "loan"))
    assert work.work()
    (arrived,) = there.rglob("*.*")
    hour = path.name[:8], path.name[9:11]
    assert arrived.parent.relative_to(there).as_posix() == (
        f"gate=loan/date={hour[0][:4]}-{hour[0][4:6]}-{hour[0][6:]}/hour={hour[1]}"
    )
    assert rows_at(str(there)) == sorted(read(here)["request_id"].to_pylist())
    assert work.work()
    assert work.stats.delivered == 1


def test_a_pass_cut_off_before_its_note_delivers_nothing_twice(tmp_path):
    here, there = tmp_path / "records", tmp_path / "store"
    path = seal(here, 1)
    store = Store(str(there), "loan")
    store.deliver(path)  # and then the process was killed
    stamp = next(there.rglob("*.parquet")).stat().st_mtime_ns
    work = delivery(here, store)
    assert work.work()
    (arrived,) = there.rglob("*.parquet")
    assert arrived.stat().st_mtime_ns == stamp


def test_half_a_file_is_never_seen_under_its_name(tmp_path):
    here, there = tmp_path / "records", tmp_path / "store"
    path = seal(here, 1)
    store = Store(str(there), "loan")
    part = there / f"{store.key(path)[len(str(there)) + 1 :]}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(path.read_bytes()[:100])  # what a killed delivery leaves
    assert rows_at(str(there)) == []
    assert delivery(here, store).work()
    assert rows_at(str(there)) == sorted(read(here)["request_id"].to_pylist())


def test_while_the_store_is_away_files_wait_and_then_go(tmp_path):
    here, there = tmp_path / "records", tmp_path / "store"
    seal(here, 1)
    there.write_text("a file stands where the store should be")
    work = delivery(here, Store(str(there), "loan"))
    assert not work.work()
    assert (work.stats.waiting, work.stats.failures) == (1, 1)
    assert str(there) in work.stats.last_error
    there.unlink()
    assert work.work()
    assert (work.stats.waiting, work.stats.last_error) == (0, "")
    assert rows_at(str(there)) == sorted(read(here)["request_id"].to_pylist())


def test_the_disks_share_is_kept_and_what_it_costs_is_counted(tmp_path):
    here, there = tmp_path / "records", tmp_path / "store"
    first, second = seal(here, 1), seal(here, 2)
    there.write_text("away")
    room = StoreSettings(keep_gb=(second.stat().st_size + 1) / 1e9)
    work = delivery(here, Store(str(there), "loan"), settings=room)
    assert not work.work()
    assert sealed(here) == [second]
    assert work.stats.lost_rows == 3
    assert not first.exists()


def test_what_was_delivered_leaves_by_age_and_is_forgotten(tmp_path):
    here, there = tmp_path / "records", tmp_path / "store"
    path = seal(here, 1)
    later = path.stat().st_mtime + 100 * 86_400
    work = delivery(here, Store(str(there), "loan"), clock=lambda: later)
    assert work.work()
    assert sealed(here) == []
    assert (here / ".store").read_text() == ""
    assert len(rows_at(str(there))) == 3


def test_the_writer_ships_what_it_seals(tmp_path):
    here, there = tmp_path / "records", tmp_path / "store"
    here.mkdir()
    work = Shipper(delivery(here, Store(str(there), "loan")))
    writer = LogWriter(here, REGRESSION, PATIENT, shipper=work)
    writer.append(request(1, rows=3))
    writer.close()
    assert rows_at(str(there)) == sorted(read(here)["request_id"].to_pylist())
    assert writer.shipping.delivered == 1


@pytest.mark.parametrize(
    ("url", "said"), [("nowhere://x", "nowhere"), ("ftps3://x/y", "ftps3")]
)  # fmt: skip
def test_a_place_that_is_none_is_said(url, said):
    with pytest.raises(LogError, match=said):
        Store(url, "loan")


def test_an_object_store_that_is_killed_in_the_middle_has_each_file_once_in_the_end(tmp_path, s3):
    start, kill = s3
    here = tmp_path / "records"
    seal(here, 1)
    work = delivery(here, Store("s3://bucket/fleet", "loan"))
    assert work.work()
    assert rows_at("s3://bucket/fleet") == sorted(read(here)["request_id"].to_pylist())
    kill()
    second = seal(here, 2)
    assert not work.work()
    assert (work.stats.waiting, work.stats.delivered) == (1, 1)
    start()  # it kept nothing of the first file, which had been delivered; the second goes now
    assert work.work()
    assert rows_at("s3://bucket/fleet") == sorted(pq.read_table(second)["request_id"].to_pylist())
    fsspec.filesystem("s3").clear_instance_cache()


class Broker(http.server.BaseHTTPRequestHandler):
    """Takes batches of events; refuses as many requests as its server says."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.refuse > 0:
            self.server.refuse -= 1
            self.send_response(503)
        else:
            assert self.headers["content-type"].startswith("application/cloudevents-batch+json")
            self.server.events += json.loads(body)
            self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def broker():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broker)
    server.events, server.refuse = [], 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_events_carry_the_records_and_are_told_apart_by_their_id(tmp_path, broker):
    here = tmp_path / "records"
    seal(here, *range(400))
    broker.refuse = 1
    work = delivery(here, Events(f"http://127.0.0.1:{broker.server_port}/", "loan"))
    assert not work.work()
    assert "503" in work.stats.last_error
    assert work.work()
    table = read(here)
    assert len({event["id"] for event in broker.events}) == len(table) == 1200
    assert {event["source"] for event in broker.events} == {"/wardline/loan"}
    sent = sorted((event["data"]["request_id"], event["data"]["feature.income"]) for event in broker.events)
    kept = zip(table["request_id"].to_pylist(), table["feature.income"].to_pylist(), strict=True)
    assert sent == sorted(kept)
