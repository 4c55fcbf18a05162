"""What labels tell the gate: how far stated coverage may be relied on, and the level that would reach it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from wardline.log.labelled import labelled
from wardline.log.labels import FOLDER, read_labels
from wardline.monitor.coverage import Adapted, adapted, realised
from wardline.monitor.maturity import matured, maturity
from wardline.monitor.plan import Watched
from wardline.monitor.report import Labels
from wardline.verdict import Coverage

log = logging.getLogger(__name__)

EVERY_S = 30.0
"""Seconds between two looks at the labels, and then only where some came."""

MOST = 500_000
"""Answers, the newest, that are joined with labels; memory holds no more."""

_DAYS = 90.0


class FromLabels:
    """Judges a gate's stated coverage as labels come. The monitor calls `look`, and puts `coverage` and
    `levels` into health; `state` goes into its checkpoint, so that a restart adapts on."""

    def __init__(
        self, watched: Watched, folder: Path, state: Mapping[str, Any] | None = None,
        on_problem: Callable[[str], None] = log.warning,
    ) -> None:  # fmt: skip
        self.coverage: dict[str, Coverage] = {}
        self.counted = Labels()
        self._watched, self._folder, self._on_problem = watched, folder, on_problem
        self._adapted = {rung: msgspec.convert(each, Adapted) for rung, each in (state or {}).items()}
        self._looked = 0.0
        self._thread: threading.Thread | None = None
        self._seen: tuple[tuple[str, int], ...] = ()

    @property
    def levels(self) -> dict[str, float]:
        """The levels that sets and intervals are to be made for, where they are adapted."""
        return {rung: each.level for rung, each in self._adapted.items()}

    @property
    def state(self) -> dict[str, Any]:
        """What a restart needs."""
        found: dict[str, Any] = msgspec.to_builtins(self._adapted)
        return found

    def look(self, now: float, *, wait: bool = False) -> dict[str, Coverage]:
        """Judge anew where labels came since the last look; return what is left of each rung's coverage.

        A long log takes long to join, and the monitor's sign of life must not wait for it: a thread judges,
        and the next look has what it found. `wait` judges at once.
        """
        if now - self._looked < EVERY_S or (self._thread is not None and self._thread.is_alive()):
            return self.coverage
        self._looked = now
        seen = self._stamp()
        if seen == self._seen:
            return self.coverage
        self._seen = seen
        if wait:
            self._judge(now)
            return self.coverage
        self._thread = threading.Thread(target=self._try, args=(now,), name="wardline-labels", daemon=True)
        self._thread.start()
        return self.coverage

    def _try(self, now: float) -> None:
        try:
            self._judge(now)
        except Exception:  # a fault here must be seen, and tried again when more labels come
            log.exception("the labels of %s could not be judged", self._watched.name)
            self._on_problem("labels could not be judged; the monitor's log says why")

    def _judge(self, now: float) -> None:
        watched = self._watched
        came = read_labels(self._folder / FOLDER, classes=bool(watched.classes), on_problem=self._on_problem)
        known = labelled(
            self._folder / "records", came, classes=watched.classes, most=MOST,
            since=datetime.fromtimestamp(now - _DAYS * 86_400, UTC), on_problem=self._on_problem,
        )  # fmt: skip
        declared = watched.monitoring.labels
        old = matured(known, maturity(known, declared, now))
        self.counted = Labels(len(known), len(old), int(old.has.sum()))
        coverage, levels = dict(self.coverage), dict(self._adapted)
        for rung in watched.rungs:
            found = realised(old, watched.reference, declared, rung)
            if found.status is None:
                continue
            coverage[rung] = found.status
            state = adapted(levels.get(rung), old, declared, rung, found.level)
            if state is not None:
                levels[rung] = state
        self.coverage, self._adapted = coverage, levels  # replaced whole: whoever reads sees one or the other

    def _stamp(self) -> tuple[tuple[str, int], ...]:
        """Tell whether labels came: by the files and their sizes, which only grow."""
        folder = self._folder / FOLDER
        if not folder.is_dir():
            return ()
        return tuple(sorted((path.name, path.stat().st_size) for path in folder.iterdir() if path.is_file()))
