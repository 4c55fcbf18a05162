"""Business figures: a ledger of named numbers, of requests or of stretches of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from wardline.log.ledger import Ledger, entries, ledger_schema
from wardline.log.schema import TIME
from wardline.log.segment import Opener, create
from wardline.settings import LogSettings
from wardline.truth import Figure

FOLDER = "business"
"""Below the gate's folder, beside `records`."""

SCHEMA = ledger_schema(
    {
        "metric": pa.string(),
        "value": pa.float64(),
        "at": TIME,
        "request_id": pa.string(),
        "target": pa.float64(),
    }
)


class FigureLog:
    """Where business figures of one gate are put; each is on the disk once `append` returned."""

    def __init__(
        self,
        directory: Path,
        *,
        settings: LogSettings | None = None,
        clock: Callable[[], float] = time.time,
        opener: Opener = create,
    ) -> None:
        self._ledger = Ledger(directory, SCHEMA, settings, clock=clock, opener=opener)

    def append(self, figures: Sequence[Figure]) -> int:
        """Keep figures, all or none, and return how many; LogError where the disk refuses."""
        return self._ledger.append(
            {name: [getattr(figure, name) for figure in figures] for name in Figure._fields}
        )

    def close(self) -> None:
        """Seal what was written."""
        self._ledger.close()


def read_figures(directory: Path) -> list[Figure]:
    """Return the figures that count, by time: a later one of the same metric, time and request replaces."""
    table = entries(directory, SCHEMA)
    at = table["at"].cast(pa.int64()).to_pylist()
    rows = zip(
        *(table[name].to_pylist() for name in ("metric", "value", "request_id", "target")), at, strict=True
    )
    kept = {
        (metric, when, request): Figure(metric, value, when, request, target)
        for metric, value, request, target, when in rows
    }
    return sorted(kept.values(), key=lambda figure: figure.at)
