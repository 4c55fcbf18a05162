"""The ledger: small tables appended for good. What `append` returned for is on the disk.

The files are the log's own: checksummed segments, sealed to Parquet, one writer a process. `time` is when
an entry came, `row` its place among those that came with it; the log's reader and follower read it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from wardline.errors import LogError
from wardline.log.reader import read as read_log
from wardline.log.roll import Roll
from wardline.log.schema import TIME
from wardline.log.segment import Opener, create
from wardline.settings import LogSettings

log = logging.getLogger(__name__)


def ledger_schema(fields: Mapping[str, pa.DataType]) -> pa.Schema:
    """Return the columns of a ledger: when, which of those that came together, and what is kept."""
    return pa.schema([("time", TIME), ("row", pa.int32()), *fields.items()])


class Ledger:
    """Appends durably, from any number of threads; no file is made before the first entry.

    `opener` makes a segment's file.
    """

    def __init__(
        self,
        directory: Path,
        schema: pa.Schema,
        settings: LogSettings | None = None,
        *,
        clock: Callable[[], float] = time.time,
        opener: Opener = create,
    ) -> None:
        self.directory = directory
        self.schema = schema
        self._settings = replace(settings or LogSettings(), fsync="flush")
        self._clock, self._opener = clock, opener
        self._lock = threading.Lock()
        self._roll: Roll | None = None

    def append(self, columns: Mapping[str, Sequence[Any]]) -> int:
        """Put entries on the disk, all or none; return how many. LogError where the disk refuses."""
        count = len(next(iter(columns.values())))
        if not count:
            return 0
        with self._lock:
            came = pa.array([round(self._clock() * 1e9)] * count, TIME)
            arrays = [came, pa.array(range(count), pa.int32())]
            arrays += [pa.array(columns[field.name], field.type) for field in list(self.schema)[2:]]
            batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
            try:
                self._writable().write(batch)
            except (OSError, LogError) as error:
                raise LogError(f"nothing can be added to {self.directory}: {error}") from error
            self._writable().turn()
        return count

    def close(self, timeout: float = 10.0) -> None:
        """End and seal the segment. The next entry opens another."""
        with self._lock:
            roll, self._roll = self._roll, None
            if roll is not None:
                roll.close(timeout)

    def _writable(self) -> Roll:
        if self._roll is None:
            self._roll = Roll(
                self.directory, self.schema, self._settings,
                clock=self._clock, opener=self._opener, on_error=log.warning, after=_nothing,
            )  # fmt: skip
        return self._roll


def _nothing() -> None:
    """Nobody waits for a sealed ledger."""


def entries(directory: Path, schema: pa.Schema, on_problem: Callable[[str], None] = log.warning) -> pa.Table:
    """Return all entries of a ledger, in the order they came; an empty table where there are none."""
    if not directory.is_dir() or not any(directory.iterdir()):
        return schema.empty_table()
    table = read_log(directory, on_problem=on_problem)
    return schema.empty_table() if "request_id" not in table.column_names else table.select(schema.names)
