"""The reader: sealed files and open segments as one table, in order of time, while servers are writing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from wardline.errors import LogError
from wardline.log.files import Source, instant, sources
from wardline.log.schema import CORE, TIME
from wardline.log.segment import DAMAGE
from wardline.log.unify import conform, unified

log = logging.getLogger(__name__)

OnProblem = Callable[[str], None]


@dataclass(frozen=True)
class Query:
    """Which records, and which of their columns.

    `request_id` is that of a row, or of a batch for all its rows. `since` is included, `until` is not; both
    have a time zone.
    """

    request_id: str | None = None
    action: str | Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    columns: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise LogError(f"{name}={moment.isoformat()} has no time zone: say which, for example UTC")

    @property
    def filter(self) -> pc.Expression | None:
        """The rows wanted, as Arrow sees it."""
        wanted = []
        if self.request_id is not None:
            numbered = pc.binary_join_element_wise(
                pc.scalar(self.request_id), pc.field("row").cast(pa.string()), pc.scalar("-")
            )
            own = pc.field("request_id") == self.request_id
            wanted.append(own | (pc.field("request_id") == numbered))
        if self.action is not None:
            actions = [self.action] if isinstance(self.action, str) else list(self.action)
            wanted.append(pc.field("action").cast(pa.string()).isin([str(action) for action in actions]))
        if self.since is not None:
            wanted.append(pc.field("time") >= instant(self.since))
        if self.until is not None:
            wanted.append(pc.field("time") < instant(self.until))
        whole: pc.Expression | None = None
        for part in wanted:
            whole = part if whole is None else whole & part
        return whole

    @property
    def needed(self) -> set[str] | None:
        """The columns to load: those asked for, and those that filtering and sorting look at."""
        return None if self.columns is None else {*self.columns, "time", "row", "request_id", "action"}


def read(
    directory: Path,
    *,
    request_id: str | None = None,
    action: str | Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    columns: Sequence[str] | None = None,
    on_problem: OnProblem = log.warning,
) -> pa.Table:
    """Return the records of a gate as one table, in order of time; choose `batches` where it may not fit.

    Columns that an older version of the gate did not have are null in its rows. A file that cannot be read
    is named to `on_problem`, and the others are read. Raises LogError for a column that no file has; where
    there is no file yet, there are no rows of any.
    """
    query = Query(request_id, action, since, until, columns)
    found = _Found(directory, query, on_problem)
    return pa.Table.from_batches(found.batches(1 << 20), schema=found.schema)


def batches(
    directory: Path,
    *,
    request_id: str | None = None,
    action: str | Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    columns: Sequence[str] | None = None,
    rows: int = 65_536,
    on_problem: OnProblem = log.warning,
) -> Iterator[pa.RecordBatch]:
    """Give the same records as `read`, in the same order, at most `rows` at a time.

    Memory holds about one file for each process that was writing at the same time.
    """
    query = Query(request_id, action, since, until, columns)
    return _Found(directory, query, on_problem).batches(rows)


class _Found:
    """The files there are for a query, and the one schema they are read as."""

    def __init__(self, directory: Path, query: Query, on_problem: OnProblem) -> None:
        self._query, self._on_problem = query, on_problem
        self._sources = sorted(sources(directory, on_problem), key=lambda source: source.start)
        whole = unified([source.schema for source in reversed(self._sources)]) or CORE
        self._whole = whole
        wanted = query.columns
        if wanted is None:
            self.schema = whole
            return
        strange = [name for name in wanted if name not in whole.names]
        if strange and self._sources:  # a log that has only just begun has no rows, of whatever columns
            raise LogError(f"no record has a column {strange[0]!r}; there are: {', '.join(whole.names)}")
        fields = [pa.field(name, pa.null()) if name in strange else whole.field(name) for name in wanted]
        self.schema = pa.schema(fields, metadata=whole.metadata)

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Merge the files by time: before one is loaded, whatever is older than all of it is given out."""
        waiting: list[pa.Table] = []
        for source in self._sources:
            due, waiting = _split(waiting, source.start)
            yield from self._sorted(due, rows)
            table = self._load(source)
            if table is not None and table.num_rows:
                waiting.append(table)
        yield from self._sorted(waiting, rows)

    def _load(self, source: Source) -> pa.Table | None:
        """Load what the query wants of a file."""
        since, until, needed = self._query.since, self._query.until, self._query.needed
        names = [name for name in self._whole.names if needed is None or name in needed]
        try:
            table = source.load(names, since, until)
        except DAMAGE as error:
            self._on_problem(f"{source.path} is damaged and left out: {error}")
            return None
        if table is None:
            return None
        chosen = pa.schema([self._whole.field(name) for name in names], metadata=self._whole.metadata)
        table = conform(table, chosen)
        wanted = self._query.filter
        return table if wanted is None else table.filter(wanted)

    def _sorted(self, tables: list[pa.Table], rows: int) -> Iterator[pa.RecordBatch]:
        if not tables:
            return
        table = pa.concat_tables(tables).unify_dictionaries()
        order = pc.sort_indices(table, sort_keys=[("time", "ascending"), ("row", "ascending")])
        table = table.select(self.schema.names).take(order)
        yield from table.combine_chunks().to_batches(max_chunksize=rows)


def _split(tables: list[pa.Table], start: int) -> tuple[list[pa.Table], list[pa.Table]]:
    """Divide tables into the rows before a time and the rest."""
    before: list[pa.Table] = []
    after: list[pa.Table] = []
    limit = pa.scalar(start, TIME)
    for table in tables:
        early = pc.less(table["time"], limit)
        for part, chosen in ((before, early), (after, pc.invert(early))):
            rows = table.filter(chosen)
            if rows.num_rows:
                part.append(rows)
    return before, after
