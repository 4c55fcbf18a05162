"""Two plain files, one against the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq

from wardline.cli.comparing import REFERENCE, ROWS, WINDOW, Comparison, contrast
from wardline.cli.freezing import freeze
from wardline.cli.parquets import parquet_of, reading
from wardline.cli.progress import Advance, progress
from wardline.cli.resuming import kept
from wardline.cli.sides import Counted, Counts, Side
from wardline.monitor.judge import Limits
from wardline.settings import Settings

LIMITS = Limits(0.1, 0.25, ROWS)
"""PSI that warns and that alerts, and the rows it takes."""


def compared(files: Sequence[Path], asked: dict[str, Any]) -> Comparison:
    """Count both files into bins frozen on the first, and judge the second."""
    for file in files:
        if not file.exists():
            raise click.UsageError(f"{file} does not exist")
    with parquet_of(files) as pair:
        one, other = (pq.read_schema(file) for file in pair)
        names = _names(files, (one, other), asked)
        counting = [name for name in names if _countable(one.field(name).type)]
        with reading(files[0]):
            profiles = freeze(pair[:1], counting)
        counted = [Counted(name, name, profiles[name]) for name in counting]
        with progress("counting", asked["form"], 2 * len(counted)) as advance:
            counts, span = _counts(files, pair, counted, asked, advance)
        made = contrast(_sides(pair, asked), counts, counted, LIMITS, asked["level"], span=span)
    dropped = [name for name in names if name not in counting]
    missing = [name for name in one.names if name not in other.names]
    made.notes.extend([f"left out: {', '.join(dropped)} (neither number nor category)"] if dropped else [])
    made.notes.extend(
        [f"only in {files[0]}: {', '.join(missing)}"] if missing and not asked["columns"] else []
    )
    return made


_SIDES = (REFERENCE, WINDOW)


def _sides(rows: Sequence[Any], asked: dict[str, Any]) -> list[Side]:
    return [Side(name, some, asked["by"], asked["time"]) for name, some in zip(_SIDES, rows, strict=True)]


def _names(files: Sequence[Path], schemas: Sequence[pa.Schema], asked: dict[str, Any]) -> list[str]:
    """Return the columns to compare; everything that is named must be in both files."""
    one, other = schemas
    apart = [name for name in (asked["by"], asked["time"]) if name]
    names = asked["columns"] or [name for name in one.names if name in other.names and name not in apart]
    sliced = [each.partition("=")[0] for each in asked["slices"]]
    for each in asked["slices"]:
        if "=" not in each:
            raise click.UsageError(f"--slice {each} is no COL=VALUE of these rows")
    for name in [*names, *apart, *sliced]:
        for file, schema in zip(files, schemas, strict=True):
            if name not in schema.names:
                raise click.UsageError(f"{file} has no column {name!r}; it has {', '.join(schema.names)}")
    return list(names)


def _countable(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        of(kind)
        for of in (
            pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean,
            pa.types.is_string, pa.types.is_large_string,
        )
    )  # fmt: skip


def _counts(
    files: Sequence[Path], pair: Sequence[Path], counted: Sequence[Counted], asked: dict[str, Any],
    advance: Advance,
) -> tuple[Counts, tuple[float, float]]:  # fmt: skip
    """Count the files as Parquet, `pair`; what an earlier run of the question counted is not read again."""
    folder = Settings.from_env().home / "drift"
    memory = kept(folder, asked, files=[(file.absolute(), *_state(file)) for file in files])
    if asked["engine"] == "arrow":
        from wardline.cli import scanning  # noqa: PLC0415 - each engine when it is asked for

        sides = _sides(pair, asked)
        counts = scanning.scan(sides, counted, advance, slices=asked["slices"], memory=memory)
        found = counts, scanning.stretch(sides[1], memory)
    else:
        from wardline.cli.counting import count, stretches  # noqa: PLC0415 - as above
        from wardline.cli.engines import engine  # noqa: PLC0415 - as above
        from wardline.cli.logged import chosen  # noqa: PLC0415 - as above

        with engine(asked["engine"]) as opened:
            rows = [chosen(opened.read([file]), slices=asked["slices"]) for file in pair]
            sides = _sides(rows, asked)
            found = count(sides, counted, advance, memory), stretches(sides, memory)[WINDOW]
    memory.finish()
    return found


def _state(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns
