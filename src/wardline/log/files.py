"""The files of a log: which there are, and what each holds, whether sealed or still being written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wardline.errors import LogError
from wardline.log import parquet
from wardline.log.schema import TIME
from wardline.log.seal import PARQUET
from wardline.log.segment import DAMAGE, SUFFIX, Contents


@dataclass(frozen=True)
class Source:
    """One file with rows in it: the time of its first (nanoseconds since the epoch), and its columns."""

    path: Path
    start: int
    schema: pa.Schema

    def load(self, names: Sequence[str], since: datetime | None, until: datetime | None) -> pa.Table | None:
        """Return these columns of the rows that may lie in a stretch of time; None when the file is gone."""
        path = self.path
        if path.suffix == SUFFIX:
            try:
                contents = Contents.of(path.read_bytes())
            except FileNotFoundError:  # sealed since it was found
                path = path.with_suffix(PARQUET)
            else:
                table = pa.Table.from_batches(contents.batches, schema=contents.schema)
                return table.select([name for name in names if name in table.column_names])
        try:
            file = parquet.opened(path)
        except FileNotFoundError:
            return None
        with file:
            present = [name for name in names if name in file.schema_arrow.names]
            return file.read_row_groups(_groups(file.metadata, since, until), columns=present)


def sources(directory: Path, on_problem: Callable[[str], None]) -> Iterator[Source]:
    """Find the files that hold records; what cannot be read is named to `on_problem` and left out."""
    for path in _paths(directory):
        try:
            found = _segment(path, on_problem) if path.suffix == SUFFIX else _sealed(path)
        except DAMAGE as error:
            on_problem(f"{path} is damaged and left out: {error}")
            continue
        if found is not None:
            yield found


def _paths(directory: Path) -> list[Path]:
    """List one file for each segment ever begun: its Parquet where there is one, else the segment.

    A file sealed while the directory is listed can be missed under both names; a second look finds it.
    """
    try:
        names = {path.name for _ in range(2) for path in directory.iterdir()}
    except FileNotFoundError:
        return []
    sealed = {name for name in names if name.endswith(PARQUET)}
    open_ = {name for name in names if name.endswith(SUFFIX)}
    unsealed = {name for name in open_ if name.removesuffix(SUFFIX) + PARQUET not in sealed}
    return [directory / name for name in sorted(sealed | unsealed)]


def _segment(path: Path, on_problem: Callable[[str], None]) -> Source | None:
    try:
        contents = Contents.of(path.read_bytes())
    except FileNotFoundError:
        path = path.with_suffix(PARQUET)
        return _sealed(path) if path.exists() else None
    if contents.lost > contents.torn:
        on_problem(f"{path} is damaged: {contents.lost} bytes of it cannot be read, the rest is")
    if not contents.batches:
        return None
    start = min(pc.min(batch["time"]).value for batch in contents.batches)
    return Source(path, start, contents.schema)


def _sealed(path: Path) -> Source | None:
    with parquet.outlined(path) as file:
        metadata, schema = file.metadata, file.schema_arrow
    ranges = [_times(metadata, group) for group in range(metadata.num_row_groups)]
    if not ranges:
        return None
    return Source(path, min(low for low, _ in ranges), schema)


def instant(moment: datetime) -> pa.TimestampScalar:
    """Return a moment as the log keeps it."""
    return pa.scalar(moment.astimezone(UTC), TIME)


def _groups(metadata: pq.FileMetaData, since: datetime | None, until: datetime | None) -> list[int]:
    """Return the row groups whose times are not all outside the stretch."""
    low = None if since is None else instant(since).value
    high = None if until is None else instant(until).value
    chosen = []
    for group in range(metadata.num_row_groups):
        first, last = _times(metadata, group)
        if (low is None or last >= low) and (high is None or first < high):
            chosen.append(group)
    return chosen


def _times(metadata: pq.FileMetaData, group: int) -> tuple[int, int]:
    """Return the first and last time of a row group, in nanoseconds."""
    columns = metadata.row_group(group)
    for place in range(columns.num_columns):
        column = columns.column(place)
        if column.path_in_schema == "time":
            if column.statistics is None or not column.statistics.has_min_max:
                break
            return column.statistics.min_raw, column.statistics.max_raw
    raise LogError("this is not a file of records: it has no statistics of a column `time`")
