"""Files as tables: Parquet, CSV and gzipped CSV read through DuckDB, streamed in bounded memory."""

# ruff: noqa: S608 - the SQL is the user's own, over the user's own files, on the user's own machine

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import duckdb

CHUNK = 8192  # rows held as Python objects at a time

_PARQUET = {".parquet", ".pq"}
_CSV = {".csv", ".tsv", ".txt"}
_WHOLE = ("DECIMAL", "HUGEINT", "UHUGEINT")


class Table:
    """Some files of one shape, seen as one table in the order given.

    `text` names the columns that are names although they may look like numbers: `01` stays `01` in a CSV.
    Raises click.UsageError where a file cannot be read as a table.
    """

    def __init__(self, files: Sequence[Path], *, text: Sequence[str] = ()) -> None:
        self.files = tuple(files)
        # Nothing is fetched from anywhere for the sake of a file, and rows keep their order.
        self._database = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "preserve_insertion_order": "true"}
        )
        found = self._describe(self._source(()))
        self._from = self._source([name for name in text if name in found])
        self.columns = self._describe(self._from)

    def chunks(self, select: Mapping[str, str], where: str | None = None) -> Iterator[list[dict[str, Any]]]:
        """Walk the rows, `select` mapping names to SQL expressions, a few thousand dicts at a time."""
        wanted = ", ".join(f"({sql}\n) AS {quoted(name)}" for name, sql in select.items())
        condition = f" WHERE ({where}\n)" if where else ""
        kinds = self._describe(f"(SELECT {wanted} FROM {self._from})")
        plain = ", ".join(f"{_plain(quoted(name), kind)} AS {quoted(name)}" for name, kind in kinds.items())
        cursor = self._run(f"SELECT {plain} FROM (SELECT {wanted} FROM {self._from}{condition})")
        names = list(kinds)
        while True:
            try:
                rows = cursor.fetchmany(CHUNK)
            except duckdb.Error as error:
                raise click.UsageError(_sentence(error)) from None
            if not rows:
                return
            yield [dict(zip(names, row, strict=True)) for row in rows]

    def close(self) -> None:
        """Let go of the files."""
        self._database.close()

    def _source(self, text: Sequence[str]) -> str:
        parts = []
        kinds = {file: _kind(file) for file in self.files}
        for kind in dict.fromkeys(kinds.values()):
            paths = ", ".join(_literal(str(file)) for file in self.files if kinds[file] == kind)
            if kind == "parquet":
                parts.append(f"read_parquet([{paths}], union_by_name=true, hive_partitioning=false)")
                continue
            # Types are read off the whole file: a column that is whole for a million rows may end in 0.5.
            types = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in text)
            options = "union_by_name=true, hive_partitioning=false, header=true, sample_size=-1"
            parts.append(f"read_csv([{paths}], {options}{f', types={{{types}}}' if types else ''})")
        return "(" + " UNION ALL BY NAME ".join(f"SELECT * FROM {part}" for part in parts) + ")"

    def _describe(self, source: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self._run(f"DESCRIBE SELECT * FROM {source}").fetchall()}

    def _run(self, sql: str) -> Any:
        try:
            return self._database.execute(sql)
        except duckdb.Error as error:
            raise click.UsageError(_sentence(error)) from None


def sha256(file: Path) -> str:
    """Hash a file of any size."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def quoted(name: str) -> str:
    """Quote a column name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _kind(file: Path) -> str:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in _PARQUET:
        return "parquet"
    if suffixes and (suffixes[-1] in _CSV or (suffixes[-1] == ".gz" and set(suffixes) & _CSV)):
        return "csv"
    raise click.UsageError(f"{file} is neither Parquet nor CSV by its name: .parquet, .csv or .csv.gz")


def _plain(column: str, kind: str) -> str:
    """Cast what Python would read as an object of its own into a number or a time it knows."""
    if kind.startswith(_WHOLE):
        return f"CAST({column} AS DOUBLE)"
    if kind == "TIMESTAMP WITH TIME ZONE":
        # As ISO text with its zone; the driver would ask for another library to make an object of it.
        return f"strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%S.%f+00:00')"
    if kind in ("TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "DATE"):
        return f"CAST({column} AS TIMESTAMP)"
    return column


def _sentence(error: duckdb.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) if lines else type(error).__name__
