"""Files of labels or business figures, as the entries that the endpoints take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec

from wardline.cli.tables import Table, quoted

_LINES = {".jsonl", ".ndjson"}
_CHUNK = 8192


def read(
    file: Path, needed: Sequence[str], more: Sequence[str], zone: ZoneInfo | None
) -> Iterator[list[Any]]:
    """Give a file's entries some thousands at a time: CSV, Parquet, or one JSON object a line.

    Of a table the columns `needed` and `more` are taken, others are left. `zone` is that of times without
    one. Raises click.UsageError where the file is no such thing.
    """
    if file.suffix.lower() in _LINES:
        yield from _lines(file)
        return
    table = Table([file], text=[*needed, *more])
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise click.UsageError(f"{file} has no column {missing[0]!r}; it has {', '.join(table.columns)}")
    names = [*needed, *(name for name in more if name in table.columns)]
    for rows in table.chunks({name: quoted(name) for name in names}):
        yield [
            {name: _plain(name, value, zone) for name, value in row.items() if value is not None}
            for row in rows
        ]
    table.close()


def _lines(file: Path) -> Iterator[list[Any]]:
    waiting: list[Any] = []
    with file.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            if not line.strip():
                continue
            try:
                waiting.append(msgspec.json.decode(line))
            except (ValueError, RecursionError) as error:
                raise click.UsageError(f"{file}, line {number}, is not JSON: {error}") from None
            if len(waiting) == _CHUNK:
                yield waiting
                waiting = []
    if waiting:
        yield waiting


_NUMBERS = {"value": float, "target": float, "row": int}


def _plain(name: str, value: Any, zone: ZoneInfo | None) -> Any:
    """Read what a CSV has as text; a label stays text, for it may be a name that looks like a number."""
    if isinstance(value, datetime) and value.tzinfo is None and zone is not None:
        return value.replace(tzinfo=zone)
    if isinstance(value, str) and name in _NUMBERS:
        try:
            return _NUMBERS[name](value)
        except ValueError:
            return value
    if isinstance(value, str) and name in ("observed_at", "at") and zone is not None:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return value
