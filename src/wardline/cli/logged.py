"""A stretch of a gate's log: which rows, in which parts, and which of their columns have frozen bins."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import ibis
from ibis.expr import types as ir

from wardline.cli import resuming
from wardline.cli.comparing import REFERENCE, ROWS, WINDOW, Comparison, contrast
from wardline.cli.counting import count, stretches
from wardline.cli.engines import SECONDS, LogFile, Opened, engine, parquet_of_log
from wardline.cli.progress import progress
from wardline.cli.records import moment
from wardline.cli.resuming import kept
from wardline.cli.sides import Counted, Side
from wardline.cli.target import load, watched
from wardline.gate import Gate
from wardline.log.fetch import fetched
from wardline.log.schema import FEATURE, SLICE
from wardline.monitor.judge import Limits
from wardline.monitor.plan import Watched
from wardline.verdict import Action

Stretch = tuple[datetime | None, datetime | None]


@dataclass(frozen=True)
class Asked:
    """Which rows of a log are asked about, and the slice they are told apart by."""

    when: Stretch
    action: Sequence[str] = ()
    camera: str | None = None
    version: str | None = None
    by: str | None = None
    slices: Sequence[str] = ()


def compared(target: str, asked: dict[str, Any]) -> tuple[Comparison, tuple[str | None, str | None]]:
    """Judge a stretch of a gate's log against its reference, or against another stretch."""
    gate = load(target)
    of = watched(gate)
    counted = answers(of, asked["columns"])
    if asked["by"] is not None and asked["by"] not in gate.slices:
        raise click.UsageError(
            f"{asked['by']!r} is no slice of {gate.name}; there are {', '.join(gate.slices)}"
        )
    with (
        log_of(gate, asked) as directory,
        parquet_of_log(directory) as files,
        engine(asked["engine"]) as opened,
    ):
        if not files:
            raise click.UsageError(f"there is no record in {asked['store'] or directory}")
        plan = parts_of(files, whole=asked["engine"] != "duckdb")
        memory = kept(gate.records_dir.parent / "drift", asked, plan, gate=target, reference=of.reference.id)
        now = datetime.fromtimestamp(memory.began, UTC)
        when = stretch(asked["since"], asked["until"], now)
        if len(memory):  # what was written since then is not asked about
            when = when[0], when[1] or now
        filters = {name: asked[name] for name in ("action", "camera", "version", "by", "slices")}
        sides = sides_of(opened, files, memory.plan, WINDOW, Asked(when, **filters))
        if asked["against"]:
            start, _, end = asked["against"].partition("/")
            other = stretch(start or None, end or None, now)
            sides += sides_of(opened, files, memory.plan, REFERENCE, Asked(other, **filters))
        limits = Limits(gate.monitoring.warn, gate.monitoring.alert, ROWS)
        with progress("counting", asked["form"], len(counted) * len(sides)) as advance:
            counts = count(sides, counted, advance, memory)
        span = stretches(sides, memory)[WINDOW]
        made = contrast(sides, counts, counted, limits, asked["level"], span=span)
        memory.finish()
    if asked["by"] is not None and not asked["against"]:
        made.notes.append(
            "each slice is held against the whole reference: a slice may differ from it and be well"
        )
    begin, end_ = when
    return made, (None if begin is None else begin.isoformat(), None if end_ is None else end_.isoformat())


@contextmanager
def log_of(gate: Gate, asked: Mapping[str, Any]) -> Iterator[Path]:
    """Give the folder of a gate's records: its own, or copies from the store that is asked about."""
    if asked["store"] is None:
        yield gate.records_dir
        return
    begin, end = stretch(asked["since"], asked["until"], datetime.now(UTC))
    if asked.get("against"):
        begin = end = None
    with (
        progress("fetching", asked["form"]) as advance,
        fetched(asked["store"], gate.name, begin, end, advance=advance) as directory,
    ):
        yield directory


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
        full = rows >= resuming.PART_ROWS
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
