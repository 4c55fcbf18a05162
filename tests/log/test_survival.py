"""What the log survives: disks that fill, directories that vanish, processes that are killed or forked."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.log.disk import Disk
from tests.log.samples import PATIENT, REGRESSION, ids, request
from tests.waiting import until
from wardline.errors import LogError
from wardline.log import LogWriter, read

ROOT = Path(__file__).parents[2]


def _ids(directory: Path) -> list[str]:
    return read(directory, columns=["request_id"])["request_id"].to_pylist()


def test_a_full_disk_fails_no_request_and_what_waited_is_written_once_when_it_has_room(
    tmp_path: Path,
) -> None:
    disk = Disk()
    config = replace(PATIENT, queue_rows=30, flush_rows=4)
    writer = LogWriter(tmp_path, REGRESSION, config, opener=disk.open)
    many = [request(number) for number in range(40)]
    for records in many[:10]:
        assert writer.append(records)
    assert writer.flush()
    disk.broken = True
    assert [writer.append(records) for records in many[10:]] == [True] * 30
    assert not writer.flush(timeout=0.2)
    until(lambda: not writer.stats().healthy)
    assert not writer.append(request(99, rows=2))
    sick = writer.stats()
    assert (sick.healthy, sick.queued, sick.dropped, sick.written) == (False, 30, 2, 10)
    assert sick.errors > 0
    assert "No space left on device" in sick.last_error
    disk.broken = False
    assert writer.flush()
    assert writer.stats().healthy
    assert _ids(tmp_path) == ids(many)
    writer.close()
    assert _ids(tmp_path) == ids(many)
    assert list(tmp_path.glob("*.arrow")) == []


def test_a_disk_that_never_recovers_costs_what_waited_and_says_so(tmp_path: Path) -> None:
    disk = Disk()
    writer = LogWriter(tmp_path, REGRESSION, PATIENT, opener=disk.open)
    disk.broken = True
    for number in range(5):
        assert writer.append(request(number))
    writer.close()
    stats = writer.stats()
    assert (stats.healthy, stats.written, stats.dropped, stats.queued) == (False, 0, 5, 0)
    assert not writer.append(request(9))
    assert writer.stats().dropped == 6
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_little_at_a_time_gets_everything(tmp_path: Path) -> None:
    disk = Disk()
    disk.short = 1000
    writer = LogWriter(tmp_path, REGRESSION, PATIENT, opener=disk.open)
    many = [request(number) for number in range(50)]
    assert all(writer.append(records) for records in many)
    writer.close()
    assert _ids(tmp_path) == ids(many)


def test_a_removed_directory_is_made_again(tmp_path: Path) -> None:
    place = tmp_path / "records"
    writer = LogWriter(place, REGRESSION, PATIENT)
    writer.append(request(1))
    assert writer.flush()
    shutil.rmtree(place)
    writer.append(request(2))
    assert writer.flush()
    stats = writer.stats()
    assert (stats.errors, stats.healthy) == (1, True)
    assert "was removed, with 1 rows that were in it" in stats.last_error
    writer.close()
    assert _ids(place) == ["r2"]


def test_a_place_that_cannot_be_written_is_said_at_opening(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        LogError, match=r"records cannot be written to .*: make it writable, or set WARDLINE_HOME"
    ):
        LogWriter(tmp_path / "file" / "records", REGRESSION, PATIENT)


_PROGRAM = """
import os, resource, sys
from pathlib import Path
from tests.log.samples import PATIENT, REGRESSION, request
from tests.waiting import until
from wardline.log import LogWriter
directory = Path(sys.argv[1])
writer = LogWriter(directory, REGRESSION, PATIENT)
def send(first, last):
    for number in range(first, last):
        writer.append(request(number))
"""


def _start(directory: Path, body: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM + body, str(directory)],
        cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_killed_process_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    body = (
        "for n in range(10**6):\n    send(n * 3, n * 3 + 3)\n    writer.flush(); print(n * 3 + 3, flush=True)"
    )
    with _start(tmp_path, body) as process:
        for _ in range(100):
            flushed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        flushed = max([flushed, *map(int, process.stdout.read().split("\n")[:-1])])
    found = _ids(tmp_path)
    assert found[:flushed] == [f"r{number}" for number in range(flushed)]
    assert found == [f"r{number}" for number in range(len(found))]
    LogWriter(tmp_path, REGRESSION, PATIENT).close()  # the next one to open seals it
    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"]
    assert _ids(tmp_path) == found


def test_the_operating_system_refusing_to_write_more_is_survived(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes the kernel cut a write short, then refuse: as a full disk does."""
    body = """
send(0, 10); assert writer.flush()
limit = (directory / writer.stats().segment).stat().st_size + 500
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
send(10, 400); assert not writer.flush(timeout=0.3)
until(lambda: not writer.stats().healthy)
assert "File too large" in writer.stats().last_error
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert writer.flush() and writer.stats().healthy
writer.close(); print(writer.stats().written, writer.stats().dropped)
"""
    with _start(tmp_path, body) as process:
        assert process.stdout.read().split() == ["400", "0"]
    assert _ids(tmp_path) == [f"r{number}" for number in range(400)]


def test_a_program_that_just_ends_has_written_everything(tmp_path: Path) -> None:
    with _start(tmp_path, "send(0, 50)"):
        pass
    assert _ids(tmp_path) == [f"r{number}" for number in range(50)]


def test_a_forked_child_neither_writes_nor_hangs_and_its_parent_goes_on(tmp_path: Path) -> None:
    body = """
send(0, 5)
child = os.fork()
if child == 0:
    assert not writer.append(request(99)) and writer.stats().dropped == 1
    writer.close(); os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
send(5, 10); writer.close()
"""
    with _start(tmp_path, body) as process:
        assert process.stdout.read().split() == ["7"]
    assert _ids(tmp_path) == [f"r{number}" for number in range(10)]
    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"]
