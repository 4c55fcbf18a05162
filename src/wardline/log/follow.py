"""Following a log: each record once, as it is flushed, from any number of writers, hosts and folders."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from wardline.log import parquet
from wardline.log.seal import PARQUET
from wardline.log.segment import DAMAGE, SUFFIX, frames, intact

log = logging.getLogger(__name__)

MOST_ROWS = 65_536
"""Rows in one piece: memory holds one piece, whatever the log has grown to meanwhile."""


class Piece(NamedTuple):
    """Some records of one writer, in the order they were written. `source` is the writer's host."""

    source: str
    table: pa.Table


class Follower:
    """Reads the records below some folders, each exactly once, while they are written, sealed or copied.

    A record's place is its writer's segment (the stem of the file, unique among hosts) and its number in
    it; sealing changes neither. `positions`, the rows read of each stem, are all it takes to go on after
    a restart. A file that lies in two folders is read once. What cannot be read is named to `on_problem`.
    `columns` are those that sealed files are asked for, where they have them; open ones give all.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        positions: Mapping[str, int] | None = None,
        on_problem: Callable[[str], None] = log.warning,
        columns: Sequence[str] | None = None,
    ) -> None:
        self.folders = tuple(folders)
        self.positions: dict[str, int] = dict(positions or {})
        self._open: dict[str, _Tail] = {}
        self._finished: set[str] = set()
        self._complained: set[str] = set()
        self._on_problem = on_problem
        self._columns = None if columns is None else frozenset(columns)

    def poll(self, most: int = MOST_ROWS) -> Iterator[Piece]:
        """Give what was written since the last poll, oldest segment first, at most `most` rows a piece.

        A piece counts as read when the next one is asked for: `positions` then include it.
        """
        files = self._files()
        for stem in sorted(files):
            if stem in self._finished:
                continue
            try:
                for table in self._unread(stem, files[stem], most):
                    yield Piece(_host(stem), table)
                    self.positions[stem] = self.positions.get(stem, 0) + table.num_rows
            except FileNotFoundError:  # sealed or cleared away since it was listed: the next poll sees
                self._open.pop(stem, None)
            except DAMAGE as error:
                self._complain(stem, f"{files[stem]} cannot be read: {error}")
        gone = (self.positions.keys() | self._finished) - files.keys()
        for stem in gone:  # what was deleted will not come back; its place need not be remembered
            self.positions.pop(stem, None)
            self._finished.discard(stem)
            self._open.pop(stem, None)

    def _files(self) -> dict[str, Path]:
        """Find one file for each stem: its Parquet where there is one, else the segment."""
        found: dict[str, Path] = {}
        for folder in self.folders:
            for where, _, names in os.walk(folder):
                for name in names:
                    if name.endswith(PARQUET):
                        found[name.removesuffix(PARQUET)] = Path(where) / name
                    elif name.endswith(SUFFIX):
                        found.setdefault(name.removesuffix(SUFFIX), Path(where) / name)
        return found

    def _unread(self, stem: str, path: Path, most: int) -> Iterator[pa.Table]:
        begun = self.positions.get(stem, 0)
        if path.suffix == SUFFIX:
            tail = self._open.setdefault(stem, _Tail(path, skip=begun))
            yield from tail.read(most)
            return
        self._open.pop(stem, None)
        yield from _sealed(path, begun, most, self._columns)
        self._finished.add(stem)
        self._complained.discard(stem)

    def _complain(self, stem: str, sentence: str) -> None:
        self._open.pop(stem, None)
        if stem not in self._complained:
            self._complained.add(stem)
            self._on_problem(sentence)


def _host(stem: str) -> str:
    """Return which host wrote it: `20180301T120000.000000-HOST-PID-0`."""
    parts = stem.split("-")
    return "-".join(parts[1:-2]) if len(parts) > 3 else stem


def _sealed(path: Path, begun: int, most: int, columns: frozenset[str] | None) -> Iterator[pa.Table]:
    """Read a sealed file from one row on, a row group at a time."""
    with parquet.opened(path) as file:
        names = file.schema_arrow.names
        chosen = None if columns is None else [name for name in names if name in columns]
        first = 0
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if first + rows > begun:
                table = file.read_row_group(group, chosen).slice(max(0, begun - first))
                for start in range(0, table.num_rows, most):
                    yield table.slice(start, most)
            first += rows


class _Feed(io.RawIOBase):
    """A stream that holds exactly the frames that were found intact."""

    def __init__(self) -> None:
        super().__init__()
        self._left = b""

    def put(self, frame: bytes) -> None:
        self._left = self._left + frame

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        some, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(some)] = some
        return len(some)


@dataclass
class _Tail:
    """An open segment, read as far as it was written."""

    path: Path
    skip: int
    offset: int = 0
    _feed: _Feed = field(default_factory=_Feed)
    _reader: pa.RecordBatchReader | None = None

    def read(self, most: int) -> Iterator[pa.Table]:
        """Give the batches whose bytes are whole; a last one that is not may still be being written."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read()
        waiting: list[pa.RecordBatch] = []
        rows = 0
        buffer = pa.py_buffer(data)
        found = list(frames(buffer))
        base = self.offset
        for place, frame in enumerate(found):
            if not intact(buffer, frame):
                if place + 1 == len(found):
                    break
                self.offset = base + frame.end  # damaged, and others were written after it
                continue
            batch = self._decode(data[frame.start : frame.end])
            self.offset = base + frame.end
            if batch is None:
                continue
            waiting.append(batch)
            rows += batch.num_rows
            if rows >= most:
                yield pa.Table.from_batches(waiting)
                waiting, rows = [], 0
        if waiting:
            yield pa.Table.from_batches(waiting)

    def _decode(self, frame: bytes) -> pa.RecordBatch | None:
        """Decode one frame; None for one that holds only rows that were read before, or none at all."""
        self._feed.put(frame)
        if self._reader is None:
            self._reader = pa.ipc.open_stream(pa.PythonFile(self._feed, mode="r"))
        batch = self._reader.read_next_batch()
        if self.skip >= batch.num_rows:
            self.skip -= batch.num_rows
            return None
        batch, self.skip = batch.slice(self.skip), 0
        return batch
