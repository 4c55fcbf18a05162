"""A stretch of a gate's log: which rows, in which parts, and which of their columns have frozen bins."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click
import ibis
from ibis.expr import types as ir

from wardline.cli.counting import Counted, Side
from wardline.cli.engines import SECONDS, LogFile, Opened
from wardline.cli.records import moment
from wardline.log.schema import FEATURE, SLICE
from wardline.monitor.plan import Watched
from wardline.verdict import Action

Stretch = tuple[datetime | None, datetime | None]

PART_ROWS = 4_000_000
"""Rows that are counted before the counts are kept: seconds of work."""


@dataclass(frozen=True)
class Asked:
    """Which rows of a log are asked about, and the slice they are told apart by."""

    when: Stretch
    action: Sequence[str] = ()
    camera: str | None = None
    version: str | None = None
    by: str | None = None
    slices: Sequence[str] = ()


def parts_of(files: Sequence[LogFile], *, whole: bool = False) -> list[list[str]]:
    """Plan an audit: which files are counted together, by their names; `whole` counts all at once.

    Files that are still written to are a part of their own, for they may have more rows when they are read
    again.
    """
    parts: list[list[str]] = []
    full = True
    rows = 0
    for file in files if not whole else ():
        if not file.sealed:
            continue
        if full:
            parts.append([])
            rows = 0
        parts[-1].append(file.name)
        rows += file.rows
        full = rows >= PART_ROWS
    rest = [file.name for file in files if whole or not file.sealed]
    return [*parts, rest] if rest else parts


def sides_of(
    opened: Opened, files: Sequence[LogFile], plan: Sequence[Sequence[str]], name: str, asked: Asked
) -> list[Side]:
    """Return one side of an audit, a Side for each part of the plan whose files are there."""
    places = {file.name: file.path for file in files}
    parts = [(part, [places[each] for each in part if each in places]) for part in plan]
    tables = _alike([(part, opened.read(paths, log=True)) for part, paths in parts if paths])
    by = None if asked.by is None else SLICE + asked.by
    slices = [SLICE + each for each in asked.slices]
    sides = []
    for part, rows in tables:
        those = chosen(
            rows, when=asked.when, log=True, slices=slices, action=asked.action, camera=asked.camera,
            version=asked.version,
        )  # fmt: skip
        digest = hashlib.sha256("/".join(part).encode()).hexdigest()[:16]
        sides.append(Side(name, those, by, SECONDS, digest))
    return sides


def _alike(tables: Sequence[tuple[Sequence[str], ir.Table]]) -> list[tuple[Sequence[str], ir.Table]]:
    """Give every table all columns that any of them has: null where it was written before there was one."""
    kinds: dict[str, Any] = {}
    for _, rows in tables:
        kinds.update({name: kind for name, kind in rows.schema().items() if name not in kinds})
    return [
        (part, rows.mutate(**{n: ibis.null(kind) for n, kind in kinds.items() if n not in rows.columns}))
        for part, rows in tables
    ]  # fmt: skip


def stretch(since: str | None, until: str | None, now: datetime) -> Stretch:
    """Read from when to when: `2h` ago, or a date."""
    begin = None if since is None else moment(since, now)
    end = None if until is None else moment(until, now)
    if begin is not None and end is not None and begin >= end:
        raise click.UsageError(f"the stretch from {since} to {until} is empty")
    return begin, end


def answers(of: Watched, columns: Sequence[str] | None) -> list[Counted]:
    """Every feature, and what each rung answered, with the bins the reference froze."""
    found = [Counted(name, FEATURE + name, profile) for name, profile in of.reference.features.items()]
    rungs = of.reference.rungs
    found += [
        Counted(f"prediction of {name}", "prediction", rungs[name].predictions, ("served_by", name))
        for name in of.rungs
        if name in rungs
    ]
    if columns is None:
        return found
    strange = [name for name in columns if name not in {each.name for each in found}]
    if strange:
        raise click.UsageError(
            f"there is no feature {strange[0]!r}; there are {', '.join(each.name for each in found)}"
        )
    return [each for each in found if each.name in columns]


def chosen(
    rows: ir.Table, *, when: Stretch = (None, None), log: bool = False, slices: Sequence[str] = (),
    action: Sequence[str] = (), camera: str | None = None, version: str | None = None,
) -> ir.Table:  # fmt: skip
    """Return only the rows that are asked about; of a log, rejected ones only where they are."""
    wanted = []
    begin, end = when
    if begin is not None:
        wanted.append(rows["time"] >= ibis.literal(begin))
    if end is not None:
        wanted.append(rows["time"] < ibis.literal(end))
    for each in slices:
        name, sign, value = each.partition("=")
        if not sign or name not in rows.columns:
            raise click.UsageError(f"--slice {each.removeprefix('slice.')} is no COL=VALUE of these rows")
        wanted.append(rows[name].cast("string") == value)
    if log:
        actions = rows["action"].cast("string")
        wanted.append(actions.isin(list(action)) if action else actions != Action.REJECT.value)
    if camera is not None:
        wanted.append(rows["camera"] == camera)
    if version is not None:
        wanted.append(rows["model"].cast("string") == version)
    return rows.filter(*wanted) if wanted else rows
