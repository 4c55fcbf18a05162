"""Real answers whose truth comes late: a gate's log, and the labels that came for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wardline import Gate
from wardline.log import LogWriter
from wardline.log.labels import LabelLog
from wardline.record import Records
from wardline.settings import Settings
from wardline.truth import Label

SECOND = 1_000_000_000
NOW = 1_700_000_000.0


@dataclass
class Dated:
    """A sink that says when each request came: `every_s` after the one before."""

    sink: LogWriter
    at: float
    every_s: float

    def append(self, records: Records) -> bool:
        records.time = round(self.at * 1e9)
        self.at += self.every_s
        return self.sink.append(records)

    def close(self) -> None:
        self.sink.close()


def answered(gate: Gate, home: Path, rows: Any, *, at: float, every_s: float = 1.0) -> list[str]:
    """Let a gate answer rows into the log below `home`, batches of columns; return the ids, row by row."""
    gate.close()
    opened = gate.open(Settings(home=home))
    opened.sink = Dated(opened.sink, at, every_s)  # type: ignore[arg-type]  # the real log, other times
    ids: list[str] = []
    for columns in rows:
        records = gate.batch(columns).records
        ids += [records.id_of(place) for place in range(len(records))]
    gate.close()
    return ids


def label(
    gate: Gate,
    home: Path,
    ids: Iterable[str],
    truths: Iterable[Any],
    *,
    observed: Iterable[float],
    came: float,
) -> None:
    """Bring labels in, all at one time."""
    writer = LabelLog(home / gate.name / "labels", classes=bool(gate.classes), clock=lambda: came)
    writer.append(
        [Label(name, truth, round(at * 1e9)) for name, truth, at in zip(ids, truths, observed, strict=True)]
    )
    writer.close()


def columns(gate: Gate, table: Any, batch: int = 500) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Deal a table into batches of columns."""
    return [
        {name: part[name].to_numpy() for name in gate.contract.fields}
        for part in (table.slice(start, batch) for start in range(0, table.num_rows, batch))
    ]
