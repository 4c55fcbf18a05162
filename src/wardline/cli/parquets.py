"""Any file as Parquet, while it is looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import pyarrow as pa

from wardline.errors import DamagedError


@contextmanager
def parquet_of(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Give files as Parquet: those that are, as they are; CSV through a copy that goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="wardline-") as folder:
        found = []
        for place, file in enumerate(files):
            if file.suffix.lower() in (".parquet", ".pq"):
                readable(file)
                found.append(file)
                continue
            from wardline.cli.tables import Table, quoted  # noqa: PLC0415 - DuckDB, for those that are none

            table = Table([file])
            copy = Path(folder) / f"{place}.parquet"
            table.save(copy, {name: quoted(name) for name in table.columns}, "true", "true")
            table.close()
            found.append(copy)
        yield found


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Read from a file that somebody named: pages that are damaged are a usage error too."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file} is damaged: {error}") from None


def readable(file: Path) -> None:
    """Try a Parquet file that somebody named; a usage error where it is damaged, or is none."""
    from wardline.log.vetting import vet  # noqa: PLC0415 - Arrow, for those that are Parquet

    try:
        vet(file)
    except (DamagedError, OSError) as error:
        raise click.UsageError(f"{file} cannot be read as Parquet: {error}") from None
