"""A segment: one file of record batches, readable while it is written, honest about a damaged end.

The file is a plain Arrow IPC stream. Each batch carries, in its custom metadata, the number of its rows
and a CRC32 over every byte since the batch before it (schema and dictionaries included, the eight digits
of the CRC itself taken as zeros). So nothing is believed that was not written as it stands: a torn,
zero-filled or flipped part is found by arithmetic, not by Arrow failing to parse it.
"""

from __future__ import annotations

import fcntl
import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

import pyarrow as pa

from wardline.errors import LogError

SUFFIX = ".arrow"
_MARK, _ROWS = b"wardline.crc32:", b"wardline.rows"
_ZEROS = b"00000000"
DAMAGE = (OSError, LogError, pa.ArrowException, ValueError)
"""What reading a file that was damaged may raise; names that are no UTF-8 are a ValueError."""

_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"  # how Arrow closes a stream

Opener = Callable[[Path], BinaryIO]


def create(path: Path) -> BinaryIO:
    """Make a new file, unbuffered: what `write` returned for survives the process."""
    return path.open("xb", buffering=0)


class Segment:
    """A segment being written. It holds a lock on its file, which tells others that its writer lives."""

    def __init__(self, path: Path, schema: pa.Schema, opener: Opener = create) -> None:
        self.path = path
        self.size = self.rows = 0
        self._file = opener(path)
        try:
            if not lock(self._file, path):
                raise FileExistsError(f"{path} was taken by someone else while it was made")
        except OSError:
            self._file.close()
            raise
        self._pending = io.BytesIO()
        # Arrow writes hundreds of little pieces; C++ gathers them before Python sees any.
        self._gather = pa.BufferedOutputStream(pa.PythonFile(self._pending, mode="w"), 1 << 20)
        self._stream = pa.ipc.new_stream(self._gather, schema)

    def write(self, batch: pa.RecordBatch, *, fsync: bool = False) -> None:
        """Append one batch, wholly or not at all.

        Raises OSError when the batch is not in the file, LogError when it is but may not reach the disk.
        After either the segment takes no more: close it and open another.
        """
        if os.fstat(self._file.fileno()).st_nlink == 0:  # what is written to it now, nobody will read
            raise FileNotFoundError(f"{self.path} was removed, with {self.rows} rows that were in it")
        frame = self._frame(batch) if self.size else self._frame(batch.slice(0, 0)) + self._frame(batch)
        written = 0
        try:
            while written < len(frame):
                written += self._file.write(memoryview(frame)[written:])
            if fsync:
                os.fsync(self._file.fileno())
        except OSError as error:
            if self._took_back() or written < len(frame):
                raise
            self.rows += batch.num_rows
            raise LogError(f"{self.path} may not have reached the disk: {error}") from error
        self.size += written
        self.rows += batch.num_rows

    def close(self) -> None:
        """Mark the end and let go of the file; a mark that cannot be written is not missed."""
        with suppress(OSError):
            self._file.write(_END)
        with suppress(OSError):
            self._file.close()

    def abandon(self) -> None:
        """Let go of the file as it stands; one that holds nothing is removed."""
        with suppress(OSError):
            self._file.close()
        if not self.rows:
            with suppress(OSError):
                self.path.unlink()

    def forget(self) -> None:
        """Close this process's handle and nothing else: the file is another's."""
        self._file.close()

    def _frame(self, batch: pa.RecordBatch) -> bytearray:
        """Return the bytes of one batch, and of what must precede it, with the checksum filled in.

        A segment begins with an empty batch, so that damage to rows never costs schema and dictionaries.
        """
        self._pending.seek(0)
        self._pending.truncate()
        metadata = {"wardline.check": _MARK + _ZEROS, _ROWS: str(batch.num_rows)}
        self._stream.write_batch(batch, custom_metadata=metadata)
        self._gather.flush()
        with self._pending.getbuffer() as gathered:
            frame = bytearray(gathered)
        place = next(frames(pa.py_buffer(frame))).mark
        frame[place : place + 8] = b"%08x" % zlib.crc32(frame)
        return frame

    def _took_back(self) -> bool:
        """Cut the file back to its last whole batch; False where not even that is possible."""
        try:
            os.ftruncate(self._file.fileno(), self.size)
        except OSError:
            return False
        return True


def lock(file: BinaryIO, path: Path) -> bool:
    """Take the file for this process; False when another has it, or it is no longer what `path` names."""
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


class Contents(NamedTuple):
    """What could be read of a segment: `lost` bytes could not, `torn` of them are a write cut short."""

    schema: pa.Schema | None
    batches: list[pa.RecordBatch]
    lost: int
    torn: int

    @classmethod
    def of(cls, data: bytes | memoryview) -> Self:
        """Read every batch whose bytes are as they were written, in order.

        Damage costs the batches it lies in. Those after it are found again as long as the lengths that
        lead to them are whole; without its first batch a segment has no schema and nothing can be read.
        """
        buffer = pa.py_buffer(data)
        whole: list[tuple[int, int]] = []
        end = good = 0
        for frame in frames(buffer):
            end = frame.end
            if intact(buffer, frame):
                whole.append((frame.start, frame.end))
                good += frame.end - frame.start
            elif not whole:
                break
        closed = buffer.size - end == len(_END) and bytes(buffer.slice(end)) == _END
        lost = 0 if closed and good == end else buffer.size - good - (len(_END) if closed else 0)
        torn = 0 if closed else _torn(buffer, end)
        if not whole:
            return cls(None, [], lost, torn)
        if good == whole[-1][1]:
            stream = buffer.slice(0, good)
        else:
            stream = pa.py_buffer(b"".join(bytes(buffer.slice(a, b - a)) for a, b in whole))
        schema, batches = _decode(stream)
        return cls(schema, batches, lost, torn)


class Frame(NamedTuple):
    """Where one batch lies, with what precedes it; `mark` is where its checksum stands, or -1."""

    start: int
    end: int
    mark: int


def frames(buffer: pa.Buffer) -> Iterator[Frame]:
    """Walk the batches for as long as the lengths make sense, without believing what is in them."""
    reader = pa.BufferReader(buffer)
    start = 0
    while start < buffer.size:
        try:
            while True:
                begin = reader.tell()
                message = pa.ipc.read_message(reader)
                if message.type == "record batch":
                    break
        except (EOFError, OSError, pa.ArrowException):
            return
        body = message.body.size if message.body is not None else 0
        metadata = bytes(buffer.slice(begin, reader.tell() - begin - body))
        found = metadata.find(_MARK)
        end = reader.tell()
        yield Frame(start, end, -1 if found < 0 else begin + found + len(_MARK))
        start = end


def intact(buffer: pa.Buffer, frame: Frame) -> bool:
    """Say whether a frame's bytes are as they were written, by its checksum."""
    if frame.mark < 0:
        return False
    view = memoryview(buffer)
    digits = bytes(view[frame.mark : frame.mark + 8])
    crc = zlib.crc32(view[frame.start : frame.mark])
    crc = zlib.crc32(view[frame.mark + 8 : frame.end], zlib.crc32(_ZEROS, crc))
    return digits == b"%08x" % crc


def _torn(buffer: pa.Buffer, end: int) -> int:
    """Return how many bytes at the end are the beginning of a batch that is (still) being written."""
    rest = buffer.size - end
    head = bytes(buffer.slice(end, min(rest, 8)))
    return rest if head[:4] == _END[:4][: len(head)] and head != _END else 0


def _decode(stream: pa.Buffer) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    reader = pa.ipc.open_stream(stream)
    batches: list[pa.RecordBatch] = []
    while True:
        try:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
        except StopIteration:
            return reader.schema, batches
        if batch.num_rows != int(metadata[_ROWS]):
            raise LogError(f"a batch of {batch.num_rows} rows says that it has {metadata[_ROWS].decode()}")
        if batch.num_rows:
            batches.append(batch)
