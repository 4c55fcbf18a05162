"""What `wardline slices` asks: which answers of a log, beside which labels, added up by which engine."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.expr import types as ir

from wardline.cli.answered import joined, repeated
from wardline.cli.counting import fetched
from wardline.cli.engines import Opened, engine, parquet_of_log
from wardline.cli.judging import Audit
from wardline.cli.logged import Asked, log_of, parts_of, sides_of, stretch
from wardline.cli.progress import progress
from wardline.cli.resuming import Kept, kept
from wardline.cli.target import load, watched
from wardline.gate import Gate
from wardline.log.figures import FOLDER as FIGURES
from wardline.log.figures import read_figures
from wardline.log.labels import FOLDER as LABELS
from wardline.log.labels import Labels, read_labels
from wardline.monitor.business import business
from wardline.monitor.labels import Quality
from wardline.verdict import Action

_QUESTIONS = 12  # about so many are asked of each part, as the bar counts


def report(target: str, asked: Mapping[str, Any]) -> Quality:
    """Judge a gate's answers by its labels and figures, as the environment's settings find them."""
    gate = load(target)
    of = watched(gate)
    if asked["by"] is not None and asked["by"] not in gate.slices:
        raise click.UsageError(
            f"{asked['by']!r} is no slice of {gate.name}; there are {', '.join(gate.slices)}"
        )
    home = gate.records_dir.parent
    told = business(read_figures(home / FIGURES), gate.launch.business)
    with (
        log_of(gate, asked) as directory,
        parquet_of_log(directory) as files,
        engine(asked["engine"]) as opened,
        tempfile.TemporaryDirectory(prefix="wardline-") as folder,
    ):
        plan = parts_of(files, whole=asked["engine"] != "duckdb")
        memory = kept(home / "slices", asked, plan, gate=target, reference=of.reference.id)
        now = datetime.fromtimestamp(memory.began, UTC)
        when = stretch(asked["since"], asked["until"], now)
        if len(memory):  # what was written since then is not asked about
            when = when[0], when[1] or now
        came = _labels(gate, int(memory.began * 1e9) if len(memory) else None)
        actions = asked["action"] or [each.value for each in Action]
        wanted = Asked(when, actions, asked["camera"], asked["version"], None, asked["slices"])
        sides = sides_of(opened, files, memory.plan, "answers", wanted)
        tables = [side.rows for side in sides]
        labels = _labels_of(opened, tables, came, memory, Path(folder))
        by = [asked["by"]] if asked["by"] else []
        parts = [(side.part, joined(side.rows, labels, gate.classes, gate.slices, by)) for side in sides]
        with progress("adding up", asked["form"], _QUESTIONS * len(parts)) as advance:
            audit = Audit(of, parts, memory, came.newest, memory.began, advance)
            found = audit.quality(asked["depth"] if asked["find"] else None, told)
        memory.finish()
        return found


def _labels(gate: Gate, until: int | None) -> Labels:
    def warn(problem: str) -> None:
        click.echo(f"warning: {problem}", err=True)

    folder = gate.records_dir.parent / LABELS
    return read_labels(folder, classes=bool(gate.classes), until=until, on_problem=warn)


def _labels_of(
    opened: Opened, tables: Sequence[ir.Table], came: Labels, memory: Kept, folder: Path
) -> ir.Table:
    """Give an engine the labels, as a file; of ids that several answers carry, with the newest one's time."""
    labels = _table(opened, came, {}, folder / "labels.parquet")
    again = memory.get("repeated")
    if again is None:
        again = [list(row) for row in fetched(repeated(tables, labels))] if tables else []
        memory.put("repeated", again)
    return _table(opened, came, dict(again), folder / "newest.parquet") if again else labels


def _table(opened: Opened, came: Labels, newest: Mapping[str, int], file: Path) -> ir.Table:
    ids = came.ids.to_pylist() if newest else []
    times = (
        pa.array([newest.get(each) for each in ids], pa.int64())
        if newest
        else pa.nulls(len(came), pa.int64())
    )
    columns = {"label_id": came.ids, "label": came.label, "observed": np.asarray(came.observed_at)}
    pq.write_table(pa.table({**columns, "newest": times}), file)
    return opened.read([file])
