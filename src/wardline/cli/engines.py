"""Engines that count: DuckDB in this process, or Spark for what one machine cannot hold."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import ibis
import pyarrow.parquet as pq
from ibis.expr import types as ir

from wardline.cli.tables import TRUE_TO_NAN
from wardline.log import parquet
from wardline.log.files import Source, sources
from wardline.log.seal import PARQUET
from wardline.log.segment import DAMAGE, SUFFIX

MEMORY = "256MB"
"""What DuckDB may hold; counting needs far less."""


SECONDS = "wardline_seconds"
"""The time of a log's rows as a number, to the last digit the same on all engines."""

NANOSECONDS = "wardline_ns"
"""The same as a whole number."""


class LogFile(NamedTuple):
    """A file of a log as an engine takes it: `name` is its segment's, sealed or not; `rows` are its own."""

    name: str
    path: Path
    rows: int
    sealed: bool


class Opened:
    """An engine that is connected; `read` gives files as one table."""

    def __init__(self, backend: Any, session: Any = None) -> None:
        self._backend, self._session = backend, session
        self._views = 0

    def read(self, files: Sequence[Path], *, log: bool = False) -> ir.Table:
        """Return Parquet files as one table; columns that a file lacks are null in it."""
        paths = [str(file.resolve()) for file in files]
        self._views += 1
        if self._session is None and log:  # Ibis has no name for DuckDB's nanoseconds with a zone
            listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
            seconds = f"epoch_ns(time) / 1e9 AS {SECONDS}, epoch_ns(time) AS {NANOSECONDS}"
            source = f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
            made = f"SELECT * REPLACE (CAST(time AS TIMESTAMPTZ) AS time), {seconds} FROM {source}"  # noqa: S608 - the user's own files
            self._backend.raw_sql(f"CREATE TEMP VIEW side{self._views} AS {made}")
            return self._backend.table(f"side{self._views}")
        if self._session is None:
            return self._backend.read_parquet(paths, union_by_name=True, hive_partitioning=False)
        frame = self._session.read.option("mergeSchema", "true").parquet(*paths)
        if log:  # Spark has no nanoseconds: it reads them as whole numbers
            frame = frame.selectExpr(
                "* EXCEPT (time)",
                "timestamp_micros(time DIV 1000) AS time",
                f"time / 1e9 AS {SECONDS}",
                f"time AS {NANOSECONDS}",
            )
        frame.createOrReplaceTempView(f"side{self._views}")
        return self._backend.table(f"side{self._views}")


@contextmanager
def engine(name: str) -> Iterator[Opened]:
    """Connect to an engine while it lasts: `duckdb`, `spark` (this machine), or `spark://HOST:PORT`."""
    if name == "duckdb":
        backend = ibis.duckdb.connect(memory_limit=MEMORY, autoinstall_known_extensions=False)
        backend.raw_sql(TRUE_TO_NAN)
        try:
            yield Opened(backend)
        finally:
            backend.disconnect()
        return
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra that few have
    except ImportError:
        raise click.UsageError("--engine spark needs pyspark: pip install 'wardline[spark]'") from None
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    master = "local[2]" if name == "spark" else name
    options = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.legacy.parquet.nanosAsLong": "true",
    }
    builder = SparkSession.builder.master(master).appName("wardline drift")
    for key, value in options.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield Opened(ibis.pyspark.connect(session), session)
    finally:
        session.stop()


@contextmanager
def parquet_of_log(directory: Path) -> Iterator[list[LogFile]]:
    """Give a gate's log as Parquet: sealed files as they are, others as copies that Arrow wrote.

    An engine is given no byte that was not looked at: what is damaged is named and left out.
    """

    def warn(problem: str) -> None:
        click.echo(f"warning: {problem}", err=True)

    with tempfile.TemporaryDirectory(prefix="wardline-") as folder:
        found = []
        for place, source in enumerate(sources(directory, warn)):
            try:
                file = _whole(source, Path(folder) / f"{place}.parquet")
            except DAMAGE as error:
                warn(f"{source.path} is damaged and left out: {error}")
                continue
            if file is not None:
                name = source.path.name.removesuffix(PARQUET).removesuffix(SUFFIX)
                found.append(LogFile(name, file, rows_of(file), sealed=file == source.path))
        yield found


def rows_of(file: Path) -> int:
    """Return how many rows a Parquet file has, by its footer."""
    return int(pq.read_metadata(file).num_rows)


def _whole(source: Source, copy: Path) -> Path | None:
    """Return a file whose every byte is right; None where its rows are gone, or none yet."""
    path = source.path
    if path.name.endswith(PARQUET) and path.exists() and parquet.check(path):
        return path
    table = source.load(source.schema.names, None, None)
    if table is None or not table.num_rows:
        return None
    parquet.write(table, copy)
    return copy
