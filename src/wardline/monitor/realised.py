"""What came in late: labels and business figures, judged in a thread, as signals and for the gate."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from wardline.log import figures
from wardline.log.answers import wanted
from wardline.log.follow import Follower
from wardline.log.joining import Joiner
from wardline.log.labels import FOLDER, counting
from wardline.monitor import outcome
from wardline.monitor.budget import LABELS_S
from wardline.monitor.coverage import Adapted, adapted, realised
from wardline.monitor.maturity import matured, maturity
from wardline.monitor.plan import Watched
from wardline.monitor.report import Labels
from wardline.monitor.signal import Signal
from wardline.verdict import Coverage

log = logging.getLogger(__name__)

MOST = 500_000
"""Answers, the newest, that are joined with labels; memory holds no more."""

_DAYS = 90.0

Stamp = tuple[tuple[str, int], ...]


class FromLabels:
    """Judges a gate's answers as labels come. The monitor calls `look`, puts `coverage` and `levels` into
    health and `signals` among its own; `state` goes into its checkpoint, so that a restart goes on with
    what was known until it has joined the log anew. Records and labels are followed: each is joined once."""

    def __init__(
        self, watched: Watched, folder: Path, state: Mapping[str, Any] | None = None,
        on_problem: Callable[[str], None] = log.warning, records: Sequence[Path] = (),
    ) -> None:  # fmt: skip
        self.coverage: dict[str, Coverage] = {}
        self.counted = Labels()
        self.signals: tuple[Signal, ...] = ()
        self._watched, self._folder, self._on_problem = watched, folder, on_problem
        self._adapted: dict[str, Adapted] = {}
        if state:
            self._adapted = msgspec.convert(state["adapted"], dict[str, Adapted])
            self.coverage = msgspec.convert(state["coverage"], dict[str, Coverage])
            self.signals = msgspec.convert(state["signals"], tuple[Signal, ...])
        self._looked = 0.0
        self._thread: threading.Thread | None = None
        self._seen: Stamp = ()
        self._joiner = Joiner(watched.classes, watched.slices, MOST)
        self._records = Follower(
            records or [folder / "records"], on_problem=on_problem, columns=wanted(watched.slices)
        )
        self._labels = Follower([folder / FOLDER], on_problem=on_problem)

    @property
    def levels(self) -> dict[str, float]:
        """The levels that sets and intervals are to be made for, where they are adapted."""
        return {rung: each.level for rung, each in self._adapted.items()}

    @property
    def state(self) -> dict[str, Any]:
        """What a restart needs."""
        found: dict[str, Any] = msgspec.to_builtins(
            {"adapted": self._adapted, "coverage": self.coverage, "signals": self.signals}
        )
        return found

    def look(self, now: float, *, wait: bool = False) -> dict[str, Coverage]:
        """Judge anew where something came since the last look; return what is left of each rung's coverage.

        A long log takes long to join the first time, and the monitor's sign of life must not wait for it: a
        thread judges, and the next look has what it found. `wait` judges at once.
        """
        if now - self._looked < LABELS_S or (self._thread is not None and self._thread.is_alive()):
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

    def _join(self, now: float) -> None:
        """Take in the answers that came, then the labels; one whose answer comes after it waits."""
        for piece in self._records.poll():
            self._joiner.answered(piece.table)
        for piece in self._labels.poll():
            self._joiner.labelled(counting(piece.table, classes=bool(self._watched.classes)))
        self._joiner.forget(int((now - _DAYS * 86_400) * 1e9))

    def _judge(self, now: float) -> None:
        watched = self._watched
        self._join(now)
        known = self._joiner.joined()
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
        came = figures.read_figures(self._folder / figures.FOLDER)
        signals = (*outcome.told(old, watched), *outcome.business(came, watched))
        # Replaced whole: whoever reads sees one or the other.
        self.coverage, self._adapted, self.signals = coverage, levels, signals

    def _stamp(self) -> Stamp:
        """Tell whether labels or figures came: by the files and their sizes, which only grow."""
        folders = [self._folder / FOLDER, self._folder / figures.FOLDER]
        files = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file()]
        return tuple(sorted((path.name, path.stat().st_size) for path in files))
