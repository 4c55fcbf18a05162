"""Counting Parquet files in this process: Arrow reads a column at a time, numpy compares it with its bins.

Choose it for two files: a million values take milliseconds, memory holds a piece of one column. The counts
are the ones that `counting` gets of an engine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wardline.cli import resuming
from wardline.cli.freezing import numbers
from wardline.cli.parquets import reading
from wardline.cli.progress import Advance
from wardline.cli.resuming import Forgetful, Memory
from wardline.cli.sides import BLOCKS, Counted, Counts, Side, add, long, number, wide
from wardline.features import Kind
from wardline.reference import Profile

PIECE = 1 << 20
"""Values that are read and compared at a time: fewer would fit the processor's cache, and each piece costs
Arrow and numpy more than that saves."""

STREAMED: dict[str, Any] = {"buffer_size": 1 << 20, "pre_buffer": False, "page_checksum_verification": True}
"""A column is read as it is gone through, not whole before; pages that have checksums are held to them."""

Values = NDArray[np.float64] | NDArray[np.float32]
Codes = NDArray[np.intp]


def scan(
    sides: Sequence[Side],
    columns: Sequence[Counted],
    advance: Advance = lambda _: None,
    *,
    slices: Sequence[str] = (),
    memory: Memory | None = None,
) -> Counts:
    """Count sides whose rows are Parquet files; only rows that are as `slices` say, COL=VALUE.

    `memory` has the row groups that an earlier run of the same question counted.
    """
    memory = Forgetful() if memory is None else memory
    wanted = [each.split("=", 1) for each in slices]
    spans = {side.name: stretch(side, memory) for side in sides}
    sizes = {column.name: (BLOCKS, len(column.profile.counts)) for column in columns}
    parts = [(side, groups) for side in sides for groups in _parts(side)]
    whole, done = len(sides) * len(columns), 0
    many = sum(len(groups) for _, groups in parts)
    found: Counts = {}
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        works = {
            (side.name, group): pool.submit(_group, side, group, columns, spans[side.name], wanted)
            for side, groups in parts if memory.get(_unit(side, groups)) is None for group in groups
        }  # fmt: skip
        try:
            for side, groups in parts:
                unit = _unit(side, groups)
                rows = memory.get(unit)
                part: Counts = {}
                for group in groups:
                    if rows is None:
                        add(part, works.pop((side.name, group)).result())
                    done += 1
                    advance(whole * done // many - whole * (done - 1) // many)
                if rows is None:
                    memory.put(unit, long(part))
                add(found, part.items() if rows is None else wide(side.name, rows, sizes).items())
        finally:
            pool.shutdown(cancel_futures=True)
    return found


def _parts(side: Side) -> Iterator[range]:
    """Divide a file into parts whose counts are kept: neighbouring row groups, of some million rows."""
    metadata = pq.read_metadata(side.rows)
    start = rows = 0
    for group in range(metadata.num_row_groups):
        rows += metadata.row_group(group).num_rows
        if rows >= resuming.PART_ROWS:
            yield range(start, group + 1)
            start, rows = group + 1, 0
    if start < metadata.num_row_groups:
        yield range(start, metadata.num_row_groups)


def _unit(side: Side, groups: range) -> str:
    return f"{side.name}/{groups.start}-{groups.stop}"


def _group(
    side: Side, group: int, columns: Sequence[Counted], stretch: tuple[float, float],
    wanted: Sequence[Sequence[str]],
) -> list[tuple[tuple[str, str, str], NDArray[np.int64]]]:  # fmt: skip
    """Count one row group: which rows, of which slice and stretch, then column after column."""
    with reading(side.rows), pq.ParquetFile(side.rows, **STREAMED) as file:
        rows = file.metadata.row_group(group).num_rows
        read = _Reader(file, group)
        keep = None
        for name, value in wanted:
            same = pc.fill_null(pc.equal(read.whole(name).cast(pa.string()), value), False)
            mask = np.from_dlpack(same.cast(pa.int8())).astype(np.bool_)
            keep = mask if keep is None else keep & mask
        names, cells = [""], None
        if side.slice is not None or side.time is not None:
            cells = np.zeros(rows, np.intp)
            if side.slice is not None:
                names, cells = _slices(read.whole(side.slice))
            if side.time is not None:
                cells = cells * BLOCKS + _blocks(_seconds(read.whole(side.time)), stretch)
            else:
                cells = cells * BLOCKS
        found = []
        for column in columns:
            counts = _column(read, column, cells, keep, len(names))
            found += [
                ((side.name, name, column.name), part)
                for name, part in zip(names, counts, strict=True)
                if part.any()
            ]
        return found


class _Reader:
    """Reads columns of one row group."""

    def __init__(self, file: pq.ParquetFile, group: int) -> None:
        self._file, self._group = file, group

    def whole(self, name: str) -> Any:
        table = self._file.read_row_group(self._group, columns=[name], use_threads=False)
        return table.column(0).combine_chunks()

    def pieces(self, name: str) -> Iterator[Any]:
        for batch in self._file.iter_batches(
            PIECE, row_groups=[self._group], columns=[name], use_threads=False
        ):
            yield batch.column(0)


def _column(
    read: _Reader, column: Counted, cells: Codes | None, keep: NDArray[np.bool_] | None, many: int
) -> NDArray[np.int64]:
    """Count one column: shape (slices, stretches, bins)."""
    size = len(column.profile.counts)
    total = np.zeros((many, BLOCKS, size), np.int64)
    edges: NDArray[Any] | None = None
    at = 0
    for piece in read.pieces(column.column):
        part = slice(at, at + len(piece))
        at += len(piece)
        chosen = None if keep is None else keep[part]
        if column.profile.kind is Kind.CONTINUOUS and cells is None:
            values = _values(piece)
            edges = _edges(column.profile.edges, values) if edges is None else edges
            total[0, 0] += _tallied(values if chosen is None else values[chosen], column.profile, edges)
            continue
        codes = _codes(piece, column.profile)
        where = np.zeros(len(piece), np.intp) if cells is None else cells[part]
        key = where * size + codes
        key = key if chosen is None else key[chosen]
        total += np.bincount(key, minlength=total.size).reshape(total.shape)
    return total


def _values(piece: Any) -> Values:
    """Return numbers, missing as NaN; those of single precision stay as they are."""
    return numbers(piece, pa.float32() if piece.type == pa.float32() else pa.float64())


def _edges(edges: NDArray[np.float64], values: Values) -> NDArray[Any]:
    """Return edges in the precision of the values: of single precision the next number up, so that the same
    values lie below."""
    if values.dtype != np.float32:
        return edges
    near = edges.astype(np.float32)
    up = np.nextafter(near, np.float32(np.inf))
    return np.where(near.astype(np.float64) < edges, up, near)


def _tallied(values: Values, profile: Profile, edges: NDArray[Any]) -> NDArray[np.int64]:
    """Count values by bin without a code for each: those below each edge, the special ones taken off."""
    bins = len(profile.edges) + 1
    counts = np.zeros(len(profile.counts), np.int64)
    room = np.empty(len(values), np.bool_)
    below = [np.count_nonzero(np.less(values, edge, out=room)) for edge in edges]
    with np.errstate(all="ignore"):
        sound = bool(np.isfinite(values.sum()))  # one look tells that none is missing or infinite
    missing = 0 if sound else np.count_nonzero(values != values)
    counts[:bins] = np.diff([0, *below, len(values) - missing])
    for place, atom in enumerate(profile.atoms):
        many = np.count_nonzero(values == atom)
        counts[bins + place] = many
        counts[int(np.searchsorted(profile.edges, atom, side="right"))] -= many
    if sound:
        return counts
    for sign, place in ((-np.inf, 0), (np.inf, bins - 1)):
        many = np.count_nonzero(values == sign)
        counts[-1] += many
        counts[place] -= many
    counts[-2] = missing
    return counts


def _codes(piece: Any, profile: Profile) -> Codes:
    """Return the bin of each value."""
    if profile.kind is not Kind.CONTINUOUS:
        return _names(piece, profile)
    values = _values(piece)
    bins, size = len(profile.edges) + 1, len(profile.counts)
    codes = np.zeros(len(values), np.uint16)
    for edge in _edges(profile.edges, values):
        codes += values >= edge
    for place, atom in enumerate(profile.atoms):
        codes[values == atom] = bins + place
    codes[np.isinf(values)] = size - 1
    codes[np.isnan(values)] = size - 2
    return codes.astype(np.intp)


def _names(piece: Any, profile: Profile) -> Codes:
    size = len(profile.counts)
    kind = piece.type
    if pa.types.is_boolean(kind) or pa.types.is_floating(kind) or pa.types.is_integer(kind):
        values = _values(piece)
        codes = np.full(len(values), size - 2, np.intp)
        for place, name in enumerate(profile.categories):
            codes[values == number(name)] = place
        codes[np.isnan(values)] = size - 1
        return codes
    places = {name: place for place, name in enumerate(profile.categories)}
    found = piece if pa.types.is_dictionary(kind) else piece.cast(pa.string()).dictionary_encode()
    table = np.array([*(places.get(name, size - 2) for name in found.dictionary.to_pylist()), size - 1])
    translated: Codes = table[np.from_dlpack(pc.fill_null(found.indices, len(table) - 1))]
    return translated


def _slices(column: Any) -> tuple[list[str], Codes]:
    """Return the slices there are and the one of each row."""
    found = pc.fill_null(column.cast(pa.string()), "(none)").dictionary_encode()
    return found.dictionary.to_pylist(), np.from_dlpack(found.indices).astype(np.intp)


def _seconds(column: Any) -> NDArray[np.float64]:
    """Return times as seconds; of stamps, whole ones."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    if pa.types.is_timestamp(column.type):
        zone = column.type.tz
        column = pc.floor_temporal(column, unit="second").cast(pa.timestamp("s", zone)).cast(pa.int64())
    return numbers(column, pa.float64())


def _blocks(seconds: NDArray[np.float64], stretch: tuple[float, float]) -> Codes:
    low, high = stretch
    share = (np.nan_to_num(seconds, nan=low) - low) / max(high - low, 1e-9) * BLOCKS
    return np.clip(np.floor(share), 0, BLOCKS - 1).astype(np.intp)


def stretch(side: Side, memory: Memory | None = None) -> tuple[float, float]:
    """From when to when the rows of a side are."""
    if side.time is None:
        return 0.0, 0.0
    unit = f"{side.name}/stretch"
    held = None if memory is None else memory.get(unit)
    if held is not None:
        return held[0], held[1]
    low, high = np.inf, -np.inf
    with reading(side.rows), pq.ParquetFile(Path(side.rows), **STREAMED) as file:
        for group in range(file.metadata.num_row_groups):
            seconds = _seconds(_Reader(file, group).whole(side.time))
            seconds = seconds[~np.isnan(seconds)]
            if len(seconds):
                low, high = min(low, float(seconds.min())), max(high, float(seconds.max()))
    span = (low, high) if high >= low else (0.0, 0.0)
    if memory is not None:
        memory.put(unit, list(span))
    return span
