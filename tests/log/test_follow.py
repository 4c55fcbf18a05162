"""Following a log: every record once, whatever is written, sealed, copied, killed or damaged meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.monitor import traffic
from tests.monitor.traffic import batch, requests, watched
from wardline.log.follow import Follower
from wardline.log.seal import seal
from wardline.log.segment import Segment

KNOWN = watched(np.random.default_rng(7), rows=2000)
RNG = np.random.default_rng(0)


def flush(number: int, rows: int = 20):
    return batch(KNOWN, requests(RNG, rows, at=1e9 + number))


@pytest.fixture
def segment() -> Iterator[Callable[..., Segment]]:
    """Begins segments, and lets go of their files at the end."""
    begun: list[Segment] = []

    def begin(*args: object) -> Segment:
        begun.append(traffic.segment(*args))  # type: ignore[arg-type]
        return begun[-1]

    yield begin
    for each in begun:
        each.forget()


def ids(follower: Follower, most: int = 65_536) -> list[str]:
    return [name for piece in follower.poll(most) for name in piece.table["request_id"].to_pylist()]


def test_records_are_given_once_as_they_are_flushed(segment, tmp_path: Path) -> None:
    follower = Follower([tmp_path])
    one = segment(KNOWN, tmp_path, "a-1-0")
    assert ids(follower) == []
    seen: list[str] = []
    for number in range(5):
        one.write(flush(number))
        seen += ids(follower)
    assert len(seen) == len(set(seen)) == 100
    assert ids(follower) == []


def test_sealing_gives_nothing_twice_and_loses_nothing(segment, tmp_path: Path) -> None:
    follower = Follower([tmp_path])
    one = segment(KNOWN, tmp_path, "a-1-0")
    one.write(flush(1))
    first = ids(follower)
    one.write(flush(2))
    one.close()
    assert seal(one.path)
    second = ids(follower)
    assert (len(first), len(second)) == (20, 20)
    assert not set(first) & set(second)
    assert ids(follower) == []


@pytest.mark.parametrize("sealed", [False, True])
def test_a_restart_goes_on_where_it_was(segment, tmp_path: Path, sealed: bool) -> None:
    one = segment(KNOWN, tmp_path, "a-1-0")
    one.write(flush(1))
    one.write(flush(2))
    follower = Follower([tmp_path])
    first = ids(follower)
    one.write(flush(3))
    if sealed:
        one.close()
        seal(one.path)
    again = Follower([tmp_path], follower.positions)
    assert set(ids(again)).isdisjoint(first)
    assert sum(again.positions.values()) == 60


def test_a_piece_that_was_not_worked_off_is_given_again_after_a_restart(segment, tmp_path: Path) -> None:
    one = segment(KNOWN, tmp_path, "a-1-0")
    one.write(flush(1))
    follower = Follower([tmp_path])
    killed = follower.poll()
    next(killed)
    assert follower.positions == {}
    assert len(ids(Follower([tmp_path], follower.positions))) == 20


def test_several_workers_and_hosts_are_read_and_a_copy_is_not_read_twice(segment, tmp_path: Path) -> None:
    here, there = tmp_path / "records", tmp_path / "share" / "edge-7"
    for name, folder in (("a-1-0", here), ("a-2-0", here), ("edge_7-9-0", there)):
        one = segment(KNOWN, folder, name)
        one.write(flush(1))
        one.close()
    shutil.copytree(here, tmp_path / "share" / "a")
    follower = Follower([here, tmp_path / "share"])
    pieces = list(follower.poll())
    assert sorted(piece.source for piece in pieces) == ["a", "a", "edge_7"]
    assert sum(piece.table.num_rows for piece in pieces) == 60


def test_pieces_are_no_larger_than_asked_for(segment, tmp_path: Path) -> None:
    one = segment(KNOWN, tmp_path, "a-1-0")
    for number in range(10):
        one.write(flush(number))
    one.close()
    seal(one.path)
    assert [piece.table.num_rows for piece in Follower([tmp_path]).poll(50)] == [50, 50, 50, 50]


def test_a_write_cut_short_is_read_once_it_is_whole(segment, tmp_path: Path) -> None:
    one = segment(KNOWN, tmp_path, "a-1-0")
    one.write(flush(1))
    before = one.path.stat().st_size
    one.write(flush(2))
    data = one.path.read_bytes()
    other = tmp_path / "copy" / one.path.name
    other.parent.mkdir()
    other.write_bytes(data[: before + 700])
    follower = Follower([other.parent])
    assert len(ids(follower)) == 20
    other.write_bytes(data)
    assert len(ids(follower)) == 20


def test_damage_costs_the_batch_it_lies_in(segment, tmp_path: Path) -> None:
    one = segment(KNOWN, tmp_path, "a-1-0")
    one.write(flush(1))
    before = one.path.stat().st_size
    one.write(flush(2))
    one.write(flush(3))
    data = bytearray(one.path.read_bytes())
    data[before + 1500] ^= 0xFF
    one.path.write_bytes(data)
    assert len(ids(Follower([tmp_path]))) == 40


def test_what_cannot_be_read_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "20180701T120000.000000-a-1-0.parquet").write_bytes(b"no parquet")
    said: list[str] = []
    follower = Follower([tmp_path], on_problem=said.append)
    assert ids(follower) == []
    assert ids(follower) == []
    assert len(said) == 1


def test_what_was_deleted_is_forgotten(segment, tmp_path: Path) -> None:
    one = segment(KNOWN, tmp_path, "a-1-0")
    one.write(flush(1))
    follower = Follower([tmp_path])
    ids(follower)
    one.path.unlink()
    ids(follower)
    assert follower.positions == {}
