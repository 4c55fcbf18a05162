"""A stretch of a gate's log: which rows, and which of their columns have frozen bins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click
import ibis
from ibis.expr import types as ir

from wardline.cli.counting import Counted
from wardline.cli.records import moment
from wardline.log.schema import FEATURE
from wardline.monitor.plan import Watched
from wardline.verdict import Action

Stretch = tuple[datetime | None, datetime | None]


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
