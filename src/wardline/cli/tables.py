"""Files as tables: Parquet, CSV and gzipped CSV read through DuckDB, streamed in bounded memory."""

# ruff: noqa: S608 - the SQL is the user's own, over the user's own files, on the user's own machine

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import duckdb

from wardline.cli.parquets import readable

CHUNK = 8192  # rows held as Python objects at a time

TRUE_TO_NAN = "SET disabled_optimizers = 'statistics_propagation'"
"""DuckDB 2.0 believes the extremes that Parquet keeps, which leave NaN out: `isnan` would be always false."""

_PARQUET = {".parquet", ".pq"}
_CSV = {".csv", ".tsv", ".txt"}
_HEAD = 100_000  # rows of a CSV that say what its columns are, before the rest is held to it
_WIDER = {"BIGINT": ("BIGINT", "DOUBLE"), "DOUBLE": ("DOUBLE",), "BOOLEAN": ("BOOLEAN",)}
_READ = {
    "BIGINT": r"CASE WHEN regexp_full_match({0}, '\s*[+-]?\d+\s*') THEN TRY_CAST({0} AS BIGINT) END",
    "DOUBLE": "TRY_CAST({0} AS DOUBLE)",
    "BOOLEAN": "TRY_CAST({0} AS BOOLEAN)",
}  # a plain cast to BIGINT would round 0.5 instead of refusing it
_WHOLE = ("DECIMAL", "HUGEINT", "UHUGEINT")


class Table:
    """Some files of one shape, seen as one table in the order given.

    `text` names the columns that are names although they may look like numbers: `01` stays `01` in a CSV.
    Raises click.UsageError where a file cannot be read as a table.
    """

    def __init__(self, files: Sequence[Path], *, text: Sequence[str] = ()) -> None:
        self.files = tuple(files)
        for file in self.files:
            if _kind(file) == "parquet" and file.exists():
                readable(file)
        # Nothing is fetched from anywhere for the sake of a file, and rows keep their order.
        self._database = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "preserve_insertion_order": "true"}
        )
        self._run(TRUE_TO_NAN)
        self._types: dict[str, str] = {}  # of columns in CSV files, where only their text says it
        loose = [file for file in self.files if _kind(file) == "csv"]
        if loose:
            found = self._describe(_csv(loose, {}))
            self._types = {name: "VARCHAR" for name in text if name in found}
            self._types.update(self._widened(loose, found))
        self._from = self._source()
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

    def stream(self, select: Mapping[str, str], order: str, rows: int = 65_536) -> Any:
        """Give the rows in an order of SQL over `place` (from 1) and the names selected, as Arrow batches."""
        wanted = ", ".join(f"({sql}\n) AS {quoted(name)}" for name, sql in select.items())
        numbered = f"SELECT *, row_number() OVER () AS place FROM {self._from}"
        names = ", ".join(map(quoted, select))
        inner = f"SELECT {wanted}, place FROM ({numbered})"
        try:
            return self._database.sql(f"SELECT {names} FROM ({inner}) ORDER BY {order}").to_arrow_reader(rows)
        except duckdb.Error as error:
            raise click.UsageError(_sentence(error)) from None

    def save(self, file: Path, select: Mapping[str, str], where: str, places: str) -> None:
        """Write rows as Parquet: those of `where` and of `places`, SQL over each row's `place` from 1."""
        wanted = ", ".join(f"({sql}) AS {quoted(name)}" for name, sql in select.items())
        numbered = f"SELECT *, row_number() OVER () AS place FROM {self._from}"
        rows = f"SELECT {wanted} FROM ({numbered}) WHERE {where} AND {places} ORDER BY place"
        self._run(f"COPY ({rows}) TO {_literal(str(file))} (FORMAT parquet, COMPRESSION zstd)")

    def close(self) -> None:
        """Let go of the files."""
        self._database.close()

    def _source(self) -> str:
        parts = []
        for kind, group in itertools.groupby(self.files, key=_kind):
            if kind == "parquet":
                paths = ", ".join(_literal(str(file)) for file in group)
                parts.append(f"read_parquet([{paths}], union_by_name=true, hive_partitioning=false)")
            else:
                parts.append(_csv(list(group), self._types))
        return "(" + " UNION ALL BY NAME ".join(f"SELECT * FROM {part}" for part in parts) + ")"

    def _widened(self, files: Sequence[Path], found: Mapping[str, str]) -> dict[str, str]:
        """Hold numeric columns to the whole of the files, in one streamed pass: types come from their heads.

        A column that is whole for a million rows may end in 0.5, and one of numbers may say N/A once.
        """
        wider = {name: _WIDER[kind] for name, kind in found.items() if kind in _WIDER}
        wider = {name: kinds for name, kinds in wider.items() if name not in self._types}
        if not wider:
            return {}
        bad = [
            f"count({quoted(name)}) - count({_READ[kind].format(quoted(name))})"
            for name, kinds in wider.items()
            for kind in kinds
        ]
        text = _csv(files, dict.fromkeys(found, "VARCHAR"))
        failed = iter(self._run(f"SELECT {', '.join(bad)} FROM {text}").fetchone())
        return {
            name: next((kind for kind, bad in [(k, next(failed)) for k in kinds] if not bad), "VARCHAR")
            for name, kinds in wider.items()
        }

    def _describe(self, source: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self._run(f"DESCRIBE SELECT * FROM {source}").fetchall()}

    def _run(self, sql: str) -> Any:
        try:
            return self._database.execute(sql)
        except (duckdb.Error, RuntimeError) as error:  # the latter of names that are no text
            raise click.UsageError(_sentence(error)) from None


def _csv(files: Sequence[Path], types: Mapping[str, str]) -> str:
    paths = ", ".join(_literal(str(file)) for file in files)
    given = ", ".join(f"{_literal(name)}: {_literal(kind)}" for name, kind in types.items())
    options = f"union_by_name=true, hive_partitioning=false, header=true, sample_size={_HEAD}"
    options += ", strict_mode=false"  # files that were joined end their lines in two ways
    return f"read_csv([{paths}], {options}{f', types={{{given}}}' if given else ''})"


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


def _sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) if lines else type(error).__name__
