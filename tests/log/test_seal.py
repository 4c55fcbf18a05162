"""Sealing happens once, whatever dies between two of its steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.log.samples import PATIENT, REGRESSION, ids, request
from wardline.log import LogWriter, read
from wardline.log.encoder import Encoder
from wardline.log.seal import PARQUET, publish, seal, seal_all, write
from wardline.log.segment import Contents, Segment

ROOT = Path(__file__).parents[2]
REQUESTS = [request(number, rows=1 + number % 3) for number in range(20)]


@pytest.fixture
def orphan(tmp_path: Path) -> Path:
    """A segment whose writer died."""
    encode = Encoder(REGRESSION)
    segment = Segment(tmp_path / "20180301T000000.000000-host-1-0.arrow", encode.arrow)
    for place in range(0, 20, 5):
        segment.write(encode(REQUESTS[place : place + 5]))
    segment._file.close()
    return segment.path


def _names(directory: Path) -> set[str]:
    return {path.suffix for path in directory.iterdir()}


def _read_ids(directory: Path) -> list[str]:
    return read(directory)["request_id"].to_pylist()


def _refuse(sentence: str) -> None:
    raise AssertionError(sentence)


def test_a_sealed_segment_reads_as_it_did_before(orphan: Path) -> None:
    before = read(orphan.parent)
    assert seal(orphan)
    assert _names(orphan.parent) == {".parquet"}
    assert read(orphan.parent).equals(before)
    assert before["request_id"].to_pylist() == ids(REQUESTS)


@pytest.mark.parametrize("step", ["nothing", "half a temporary file", "written", "published"])
def test_dying_after_any_step_loses_and_doubles_nothing(orphan: Path, step: str) -> None:
    if step == "half a temporary file":
        temporary = write(Contents.of(orphan.read_bytes()), orphan)
        temporary.write_bytes(temporary.read_bytes()[:1000])
    elif step != "nothing":
        temporary = write(Contents.of(orphan.read_bytes()), orphan)
        if step == "published":
            publish(temporary, orphan.with_suffix(PARQUET))
    assert _read_ids(orphan.parent) == ids(REQUESTS)
    seal_all(orphan.parent, _refuse)
    assert _names(orphan.parent) == {".parquet"}
    assert _read_ids(orphan.parent) == ids(REQUESTS)


def test_a_temporary_file_without_its_segment_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "x.parquet.tmp").write_bytes(b"PAR1")
    seal_all(tmp_path, _refuse)
    assert not list(tmp_path.iterdir())


def test_a_segment_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    encode = Encoder(REGRESSION)
    segment = Segment(tmp_path / "a.arrow", encode.arrow)
    segment.write(encode(REQUESTS))
    assert not seal(segment.path)
    segment.close()
    assert seal(segment.path)
    assert not seal(segment.path)


def test_an_empty_segment_vanishes(tmp_path: Path) -> None:
    Segment(tmp_path / "a.arrow", Encoder(REGRESSION).arrow)._file.close()
    seal_all(tmp_path, _refuse)
    assert not list(tmp_path.iterdir())


def test_a_torn_end_is_forgotten_but_a_damaged_segment_is_kept_beside_its_parquet(orphan: Path) -> None:
    whole = orphan.read_bytes()
    orphan.write_bytes(whole[:-500])
    assert seal(orphan)
    assert _names(orphan.parent) == {".parquet"}
    assert _read_ids(orphan.parent) == ids(REQUESTS[:15])

    other = orphan.with_name("b.arrow")
    other.write_bytes(whole[:-500] + bytes(500))
    assert seal(other)
    assert _names(orphan.parent) == {".parquet", ".damaged"}
    assert len(_read_ids(orphan.parent)) == 2 * len(ids(REQUESTS[:15]))


def test_what_cannot_be_sealed_is_named_and_stays_readable(orphan: Path) -> None:
    orphan.with_suffix(".parquet.tmp").mkdir()  # something stands where the temporary file should go
    said: list[str] = []
    with pytest.raises(OSError, match="directory"):
        seal(orphan)
    orphan.with_suffix(".parquet.tmp").rmdir()
    (orphan.parent / "z.arrow").mkdir()
    seal_all(orphan.parent, said.append)
    assert "z.arrow cannot be sealed and stays as it is" in said[0]
    (orphan.parent / "z.arrow").rmdir()
    assert _read_ids(orphan.parent) == ids(REQUESTS)


def test_a_new_writer_seals_what_dead_ones_left(orphan: Path) -> None:
    with_writer = LogWriter(orphan.parent, REGRESSION, PATIENT)
    with_writer.close()
    assert _names(orphan.parent) == {".parquet"}
    assert _read_ids(orphan.parent) == ids(REQUESTS)


_KILLED_AT_A_LINE = """
import os, shutil, signal, sys
import subprocess
import sys
from pathlib import Path
import pyarrow as pa
from wardline.log import read, seal
from wardline.log.follow import Follower

pa.set_cpu_count(1)  # so that a fork inherits no thread pool
orphan, ground = Path(sys.argv[1]), Path(sys.argv[2])
wanted = read(orphan.parent)["request_id"].to_pylist()

def dies_at(number, directory):
    def trace(frame, event, _):
        nonlocal number
        if frame.f_code.co_filename != seal.__file__:
            return None
        if event == "line":
            number -= 1
            if number == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    seal.seal_all(directory, lambda sentence: os._exit(3))
    os._exit(0)

for number in range(1, 1000):
    directory = ground / str(number)
    directory.mkdir()
    shutil.copy(orphan, directory)
    following = Follower([directory])
    followed = [i for piece in following.poll() for i in piece.table["request_id"].to_pylist()]
    child = os.fork()
    if child == 0:
        dies_at(number, directory)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert read(directory)["request_id"].to_pylist() == wanted, number
    followed += [i for piece in following.poll() for i in piece.table["request_id"].to_pylist()]
    seal.seal_all(directory, sys.exit)
    assert [path.suffix for path in directory.iterdir()] == [".parquet"], number
    assert read(directory)["request_id"].to_pylist() == wanted, number
    followed += [i for piece in following.poll() for i in piece.table["request_id"].to_pylist()]
    assert followed == wanted, number
    if status == 0:
        print(number)
        break
    assert status == -signal.SIGKILL, status
"""


def test_a_kill_at_any_line_of_sealing_loses_and_doubles_nothing(orphan: Path, tmp_path: Path) -> None:
    """A process is really killed before each line that sealing runs, then the next one tidies up."""
    ground = tmp_path / "ground"
    ground.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", _KILLED_AT_A_LINE, str(orphan), str(ground)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 20  # so many lines, so many kills
