"""Any file as Parquet, while it is looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def parquet_of(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Give files as Parquet: those that are, as they are; CSV through a copy that goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="wardline-") as folder:
        found = []
        for place, file in enumerate(files):
            if file.suffix.lower() in (".parquet", ".pq"):
                found.append(file)
                continue
            from wardline.cli.tables import Table, quoted  # noqa: PLC0415 - DuckDB, for those that are none

            table = Table([file])
            copy = Path(folder) / f"{place}.parquet"
            table.save(copy, {name: quoted(name) for name in table.columns}, "true", "true")
            table.close()
            found.append(copy)
        yield found
