"""A segment gives back what was written, whatever happened to the file, and nothing that was not."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.log.samples import REGRESSION, request
from wardline.errors import LogError
from wardline.log.encoder import Encoder
from wardline.log.segment import Contents, Segment

BATCHES = 6


@pytest.fixture
def written(tmp_path: Path) -> tuple[bytes, list[pa.RecordBatch], list[int]]:
    """A segment's bytes, its batches, and where each ends."""
    encode = Encoder(REGRESSION)
    segment = Segment(tmp_path / "a.arrow", encode.arrow)
    batches = [encode([request(10 * i + j, rows=1 + j) for j in range(4)]) for i in range(BATCHES)]
    ends = []
    for batch in batches:
        segment.write(batch)
        ends.append(segment.size)
    segment.close()
    return segment.path.read_bytes(), batches, ends


def test_a_segment_is_a_plain_arrow_stream(written) -> None:
    data, batches, _ = written
    assert pa.ipc.open_stream(data).read_all() == pa.Table.from_batches(batches)
    assert Contents.of(data)[1:] == (batches, 0, 0)


def test_a_segment_can_be_read_after_every_write(tmp_path: Path) -> None:
    encode = Encoder(REGRESSION)
    segment = Segment(tmp_path / "a.arrow", encode.arrow)
    assert Contents.of(segment.path.read_bytes()) == (None, [], 0, 0)
    for count in range(1, 4):
        segment.write(encode([request(count)]))
        contents = Contents.of(segment.path.read_bytes())
        assert (len(contents.batches), contents.lost) == (count, 0)
    segment.close()


def _torn(data: bytearray, chance: random.Random) -> int:
    at = chance.randrange(len(data))
    del data[at:]
    return at


def _zeroed(data: bytearray, chance: random.Random) -> int:
    at = chance.randrange(len(data))
    data[at:] = bytes(len(data) - at)
    return at


def _flipped(data: bytearray, chance: random.Random) -> int:
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    return at


def _scrambled(data: bytearray, chance: random.Random) -> int:
    places = [chance.randrange(len(data)) for _ in range(20)]
    for place in places:
        data[place] ^= chance.randrange(1, 256)
    return min(places)


def _overgrown(data: bytearray, chance: random.Random) -> int:
    at = chance.randrange(len(data))
    data[at:] = chance.randbytes(len(data))
    return at


@pytest.mark.parametrize("damage", [_torn, _zeroed, _flipped, _scrambled, _overgrown])
def test_damage_costs_at_most_what_lies_behind_it_and_never_gives_garbage(
    written, damage: Callable[[bytearray, random.Random], int]
) -> None:
    data, batches, ends = written
    for seed in range(100):
        hurt = bytearray(data)
        at = damage(hurt, random.Random(seed))
        contents = Contents.of(bytes(hurt))
        untouched = sum(end <= at for end in ends)
        assert contents.batches[:untouched] == batches[:untouched], seed
        later = iter(batches)
        assert all(any(batch.equals(true) for true in later) for batch in contents.batches), seed
        if len(contents.batches) < BATCHES and bytes(hurt) not in data:
            assert contents.lost > 0, seed


def test_a_cut_at_every_byte_gives_every_whole_batch_before_it(written) -> None:
    data, batches, ends = written
    for at in range(ends[0] - 40, ends[1] + 9):
        contents = Contents.of(data[:at])
        assert contents.batches == batches[: sum(end <= at for end in ends)]
        assert contents.lost == contents.torn  # a write cut short is no damage


def test_a_flip_in_one_batch_leaves_those_behind_it(written) -> None:
    data, batches, ends = written
    hurt = bytearray(data)
    hurt[ends[2] - 100] ^= 4  # in the body of the third
    contents = Contents.of(bytes(hurt))
    assert contents.batches == [*batches[:2], *batches[3:]]
    assert contents.lost == ends[2] - ends[1] > contents.torn == 0


def test_a_file_of_something_else_is_no_records() -> None:
    for data in (b"", bytes(5000), b"PAR1" * 100, b"\xff" * 64):
        assert not Contents.of(data).batches


class Full(io.FileIO):
    """A file on a disk with room for so many bytes."""

    room = 1 << 30

    def write(self, data) -> int:  # type: ignore[override]
        part = bytes(data)[: max(self.room - self.tell(), 0)]
        if not part:
            raise OSError(28, "No space left on device")
        return super().write(part)


def test_a_write_that_fails_leaves_no_trace_in_the_file(tmp_path: Path) -> None:
    encode = Encoder(REGRESSION)
    path = tmp_path / "a.arrow"
    segment = Segment(path, encode.arrow, lambda path: Full(path, "xb"))
    segment.write(encode([request(1)]))
    before = path.read_bytes()
    Full.room = len(before) + 700
    try:
        with pytest.raises(OSError, match="No space left"):
            segment.write(encode([request(2)]))
    finally:
        Full.room = 1 << 30
    segment.abandon()
    assert path.read_bytes() == before


class Unsyncable(io.FileIO):
    """A file whose disk never says that it has what it was given."""

    def fileno(self) -> int:
        return self.pipe if self.written else super().fileno()

    written = False
    pipe = -1

    def write(self, data) -> int:  # type: ignore[override]
        self.written = True
        return super().write(data)


def test_a_batch_that_cannot_be_taken_back_is_not_to_be_written_again(tmp_path: Path) -> None:
    """fsync and ftruncate fail on a pipe as they do on a dying disk; the batch itself is in the file."""
    encode = Encoder(REGRESSION)
    segment = Segment(tmp_path / "a.arrow", encode.arrow, lambda path: Unsyncable(path, "xb"))
    reading, segment._file.pipe = os.pipe()
    try:
        with pytest.raises(LogError, match="may not have reached the disk"):
            segment.write(encode([request(1)]), fsync=True)
    finally:
        os.close(reading)
        os.close(segment._file.pipe)
        segment.abandon()
    assert len(Contents.of(segment.path.read_bytes()).batches) == 1
