"""Sealed files: Parquet that carries a checksum of its every byte, which is looked at before anything else.

Arrow and DuckDB parse what they are given in C++, and certain damaged footers end the process there, beyond
the reach of `except`. So nothing is parsed that was not written as it stands. The checksums lie where Parquet
leaves room, between the last column and the footer: every other reader takes the file as it is.

    pages   b"wardline.crc32:" BODY FOOTER   footer   length of the footer, b"PAR1"

BODY is the CRC32 of what stands before the mark, FOOTER of the mark with BODY and of all after it, each in
eight hexadecimal digits. A file without a mark is of another program, or of wardline before it had one: a
process of its own reads it first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from wardline.errors import DamagedError

MARK = b"wardline.crc32:"
GROUP_ROWS = 65_536
_MARKED = len(MARK) + 16
_MAGIC = b"PAR1"
_PIECE = 1 << 20
_USUAL = 1 << 16  # bytes that hold most footers
_NEAR = 1 << 20  # a mark so near the end is one that the footer's length should have led to
_PROBE_S = 120.0


def write(table: pa.Table, path: Path) -> None:
    """Write a table with its checksums, and see it on the disk. A page has Parquet's own checksum too."""
    with path.open("w+b") as file:
        pq.write_table(table, file, compression="zstd", row_group_size=GROUP_ROWS, write_page_checksum=True)
        _stamp(file)
        file.flush()
        os.fsync(file.fileno())


def opened(path: Path) -> pq.ParquetFile:
    """Open a file to read what is in it. Raises DamagedError where it is not as it was written."""
    check(path)
    return pq.ParquetFile(path, page_checksum_verification=True)


def outlined(path: Path) -> pq.ParquetFile:
    """Open a file to read its footer only, for the price of that. Raises DamagedError as `opened` does."""
    with path.open("rb") as file:
        marked = _footer(file) is not None
    if not marked:
        probe(path)
    return pq.ParquetFile(path)


def marked(path: Path) -> bool:
    """Say whether a file seems to carry checksums, right or wrong."""
    with path.open("rb") as file:
        return MARK in _last(file, _USUAL)


def check(path: Path) -> bool:
    """Look at every byte; True where checksums say that they are right, False where there are none.

    A file without them was read by a process of its own, which lived. Raises DamagedError else.
    """
    with path.open("rb") as file:
        found = _footer(file)
        if found is not None:
            place, wanted = found
            if _crc(file, place) != wanted:
                raise DamagedError("its pages are not as they were written")
            return True
    probe(path)
    return False


def _stamp(file: BinaryIO) -> None:
    """Put the checksums before the footer."""
    end = file.seek(0, os.SEEK_END)
    file.seek(end - 8)
    start = end - 8 - int.from_bytes(file.read(4), "little")
    file.seek(start)
    footer = file.read()
    head = MARK + b"%08x" % _crc(file, start)
    file.seek(start)
    file.write(head + b"%08x" % zlib.crc32(footer, zlib.crc32(head)) + footer)


def _footer(file: BinaryIO) -> tuple[int, int] | None:
    """Check the footer; return where the mark stands and the checksum of what is before it.

    None where the file has no mark.
    """
    size = file.seek(0, os.SEEK_END)
    tail = _last(file, _USUAL)
    if tail[-4:] != _MAGIC:
        raise DamagedError("it does not end as Parquet does")
    length = int.from_bytes(tail[-8:-4], "little") + 8 + _MARKED
    if len(tail) < length <= size:  # a footer larger than most
        tail = _last(file, length)
    place = len(tail) - length
    if place < 0 or tail[place : place + len(MARK)] != MARK:
        if MARK in _last(file, _NEAR):
            raise DamagedError("its footer is not as it was written")
        return None
    digits = place + _MARKED - 8
    crc = zlib.crc32(tail[digits + 8 :], zlib.crc32(tail[place:digits]))
    if tail[digits : digits + 8] != b"%08x" % crc:
        raise DamagedError("its footer is not as it was written")
    return size - length, int(tail[digits - 8 : digits], 16)


def _last(file: BinaryIO, count: int) -> bytes:
    file.seek(max(0, file.seek(0, os.SEEK_END) - count))
    return file.read()


def _crc(file: BinaryIO, size: int) -> int:
    """Return the CRC32 of the first `size` bytes."""
    file.seek(0)
    crc = 0
    while size > 0:
        piece = file.read(min(size, _PIECE))
        if not piece:
            break
        crc = zlib.crc32(piece, crc)
        size -= len(piece)
    return crc


_READ = """
import sys
import pyarrow.parquet as pq
file = pq.ParquetFile(sys.argv[1], page_checksum_verification=True)
file.metadata.to_dict()
for group in range(file.metadata.num_row_groups):
    file.read_row_group(group)
"""


def probe(path: Path) -> None:
    """Have a process of its own read a file without checksums; raise DamagedError where it did not live."""
    stat = path.stat()
    said = _probed(str(path.absolute()), stat.st_size, stat.st_mtime_ns)
    if said is not None:
        raise DamagedError(said)


@lru_cache(maxsize=4096)
def _probed(path: str, _size: int, _changed: int) -> str | None:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _READ, path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"it has no checksum, and could not be tried: {error}"
    if done.returncode == 0:
        return None
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"it has no checksum, and reading it ended a process ({done.returncode})"
