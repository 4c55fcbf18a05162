"""A table as streams: its rows in order of time, one column after the other, with memory for one of them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from wardline.cli.tables import Table, quoted
from wardline.stats.channels import FEW

Floats = NDArray[np.float64]

NAMES = 2_000
"""Different texts of a column up to which they are categories; beyond, every row has its own."""

_IDS = 1000  # whole numbers, none of which came twice: too many to be an amount
_BATCH = 100  # of so many rows with one stamp the file's order is no order in time ...
_BATCH_SHARE = 0.01  # ... where they are so much of the file: a month, a year
_TIMES = ("TIMESTAMP", "DATE")
_NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "BOOLEAN")


@dataclass
class Column:
    """One column's place on disk; `names` are its categories by code, None for a column of numbers."""

    name: str
    file: Path
    names: list[str] | None = None
    dropped: str = ""
    codes: dict[str, int] = field(default_factory=dict)

    @property
    def values(self) -> Floats:
        """The rows in order, NaN for missing; pages come from disk as they are touched."""
        return np.memmap(self.file, dtype=np.float64, mode="r") if self.file.stat().st_size else np.zeros(0)


class Streams:
    """The columns of some files in order of time. Use as a context: the copies on disk go with it."""

    def __init__(
        self, files: Sequence[Path], time: str | None, columns: Sequence[str] | None, step: float
    ) -> None:
        self._table = Table(files)
        self.dated = False
        self.notes: list[str] = []
        self._step, self._time = step, time
        self._kinds = self._wanted(columns)
        self._folder = tempfile.TemporaryDirectory(prefix="wardline-")
        self.columns = [Column(name, self._path(place)) for place, name in enumerate(self._kinds)]
        self._times = self._path(len(self._kinds))
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()
        self._folder.cleanup()

    @property
    def times(self) -> Floats:
        """Seconds since 1970, or whatever numbers the time column has, or rows times the step."""
        if self._time is None:
            return np.arange(self.rows, dtype=np.float64) * self._step
        return Column("", self._times).values

    def at(self, row: int) -> str | int | float:
        """Say when a row was: ISO 8601, the time column's number, or the row itself without one."""
        if self._time is None:
            return row
        moment = float(self.times[row])
        if not self.dated:
            return moment
        text = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        return text.removesuffix("T00:00:00")

    def row_of(self, text: str) -> int:
        """Return the first row at or after a time given as text."""
        try:
            limit = _seconds(text) if self.dated else float(text)
        except ValueError:
            raise click.BadParameter(f"{text!r} is no time of column {self._time!r}") from None
        return int(np.searchsorted(self.times, limit, side="left"))

    def load(self, advance: Callable[[int], None]) -> None:
        """Read the files once, in order of time, onto disk."""
        select = {f"c{place}": self._expression(name) for place, name in enumerate(self._kinds)}
        order = "place"
        if self._time is not None:
            select["t"] = self._moment()
            order = "t, hash(place), place" if self._batches() else "t, place"
        outputs = [open(path, "wb") for path in [*(c.file for c in self.columns), self._times]]  # noqa: SIM115, PTH123 - closed below, all of them
        lost = 0
        try:
            for batch in self._table.stream(select, order):
                if self._time is not None:
                    here = pc.is_valid(batch["t"])
                    lost += batch.num_rows - pc.sum(here).as_py()
                    batch = batch.filter(here)  # noqa: PLW2901 - the same rows, less those without a time
                    outputs[-1].write(_floats(batch["t"]).tobytes())
                for place, column in enumerate(self.columns):
                    outputs[place].write(self._encoded(column, batch[f"c{place}"]).tobytes())
                self.rows += batch.num_rows
                advance(batch.num_rows)
        finally:
            for output in outputs:
                output.close()
        if lost:
            self.notes.append(f"{lost:,} rows have no {self._time} and were left out")
        for column in self.columns:
            if column.names is not None:
                column.names = list(column.codes)

    def _path(self, place: int) -> Path:
        return Path(self._folder.name) / f"{place}.f64"

    def _wanted(self, columns: Sequence[str] | None) -> dict[str, str]:
        found = self._table.columns
        for name in [*(columns or ()), *([self._time] if self._time else [])]:
            if name not in found:
                raise click.UsageError(f"there is no column {name!r}; there are {', '.join(found)}")
        chosen = {name: found[name] for name in columns or found if name != self._time}
        loose = [name for name, kind in chosen.items() if kind == "VARCHAR"]
        asked = {name: f"count({quoted(name)}) - count(TRY_CAST({quoted(name)} AS DOUBLE))" for name in loose}
        if asked:
            ((bad,),) = self._table.chunks(asked)
            chosen.update({name: "DOUBLE" for name in loose if bad[name] == 0})
        for name in [name for name, kind in chosen.items() if kind.startswith(_TIMES) or "[" in kind]:
            self.notes.append(
                f"{name} is left out: a {chosen.pop(name).lower()} is neither number nor category"
            )
        if not chosen:
            raise click.UsageError("there is no column left to look at")
        return chosen

    def _expression(self, name: str) -> str:
        if any(mark in self._kinds[name] for mark in _NUMBERS):
            return f"TRY_CAST({quoted(name)} AS DOUBLE)"
        return f"CAST({quoted(name)} AS VARCHAR)"

    def _moment(self) -> str:
        """SQL for the time column in seconds; a usage error where it is no time and no number."""
        name = quoted(self._time or "")
        kind = self._table.columns[self._time or ""]
        if kind.startswith(_TIMES):
            self.dated = True
            return f"epoch({name})" if "ZONE" in kind else f"epoch(CAST({name} AS TIMESTAMP))"
        if any(mark in kind for mark in _NUMBERS):
            return f"CAST({name} AS DOUBLE)"
        ((told,),) = self._table.chunks({"bad": f"count({name}) - count(TRY_CAST({name} AS TIMESTAMP))"})
        if told["bad"]:
            raise click.UsageError(f"{told['bad']:,} values of column {self._time!r} are no time")
        self.dated = True
        return f"epoch(TRY_CAST({name} AS TIMESTAMP))"

    def _batches(self) -> bool:
        """Where a stamp stands for a batch of rows, they are taken in a random order of their own."""
        name = quoted(self._time or "")
        ((told,),) = self._table.chunks({"rows": "count(*)", "stamps": f"count(DISTINCT {name})"})
        each = told["rows"] / max(1, told["stamps"])
        if each < _BATCH or each < _BATCH_SHARE * told["rows"]:
            return False
        self.notes.append(
            f"about {each:,.0f} rows share a {self._time}: their order within it is drawn at random"
        )
        return True

    def _encoded(self, column: Column, values: pa.Array) -> Floats:
        if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
            return _floats(values)
        column.names = column.names or []
        if column.dropped:
            return np.full(len(values), np.nan)
        coded = values.dictionary_encode()
        names = coded.dictionary.to_pylist()
        places = np.array(
            [column.codes.setdefault(name, len(column.codes)) for name in names], dtype=np.float64
        )
        if len(column.codes) > NAMES:
            column.dropped = f"more than {NAMES:,} different texts"
            return np.full(len(values), np.nan)
        indices = np.asarray(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.intp)
        return np.where(indices < 0, np.nan, np.append(places, np.nan)[indices])


def _floats(values: pa.Array) -> Floats:
    numbers = np.asarray(pc.fill_null(values.cast(pa.float64()), math.nan).to_numpy(zero_copy_only=False))
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _seconds(text: str) -> float:
    given = datetime.fromisoformat(text.strip())
    return (given if given.tzinfo is not None else given.replace(tzinfo=UTC)).timestamp()


def usable(streams: Streams, reference: int) -> Iterator[Column]:
    """Give the columns that can be watched; what is left out is noted with its reason."""
    for column in streams.columns:
        values = column.values[:reference]
        reason = column.dropped
        if not reason and column.names is None and len(values) > 1:
            seen = values[np.isfinite(values)]
            # What never falls is a counter, or the time itself under another name.
            if len(seen) > 1 and (np.diff(seen) >= 0).all() and len(np.unique(seen)) > FEW:
                reason = "it never falls, as counters and clocks do"
            elif len(seen) > _IDS and (seen == np.floor(seen)).all() and len(np.unique(seen)) == len(seen):
                reason = "every row has a whole number of its own, as ids do"
        if reason:
            streams.notes.append(f"{column.name} is left out: {reason}")
        else:
            yield column
