"""The panel: the guards of one stage, sitting together over a batch."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.guard import Guard, Prepares, Screens
from wardline.inference import Batch
from wardline.reference import Reference
from wardline.verdict import Finding, Measured, Risk, Severity, Stage

log = logging.getLogger(__name__)

_MEASURED = Measured.__struct_fields__
SCREEN_FROM = 16
"""Rows from which a batch is screened at once; below, numpy's fixed costs make row by row cheaper."""


class Judgement(msgspec.Struct):
    """What a panel found: findings that are not ok by row, which rows are blocked (`None`: none), and the
    columns measured for the rows' uncertainty."""

    findings: dict[int, list[Finding]]
    blocked: NDArray[np.bool_] | None
    measured: dict[str, Any]

    def find(self, row: int, finding: Finding, count: int) -> None:
        """Add a finding about one of `count` rows."""
        self.findings.setdefault(row, []).append(finding)
        if finding.severity is Severity.BLOCK:
            if self.blocked is None:
                self.blocked = np.zeros(count, dtype=np.bool_)
            self.blocked[row] = True

    def note(self, row: int, measured: Measured, count: int) -> None:
        """Write what was measured of one row into the columns."""
        for key in _MEASURED:
            value = getattr(measured, key)
            if value is not None:
                column = self.measured.get(key)
                if column is None:
                    column = self.measured[key] = [None] * count
                column[row] = value

    def has(self, row: int, stage: Stage) -> bool:
        """Say whether a row has a finding of this stage."""
        return any(finding.stage is stage for finding in self.findings.get(row, ()))

    def take(self, rows: NDArray[np.intp]) -> Judgement:
        """Return the measured columns of these rows only."""
        chosen = {
            key: column[rows] if isinstance(column, np.ndarray) else [column[i] for i in rows]
            for key, column in self.measured.items()
        }
        return Judgement({}, None, chosen)


@dataclass(frozen=True)
class Panel:
    """The prepared guards of one stage, and what a crashed guard costs."""

    guards: tuple[Guard, ...]
    risk: Risk

    @classmethod
    def seat(cls, guards: Sequence[Guard], stage: Stage, reference: Reference | None, risk: Risk) -> Panel:
        """Prepare the guards of one stage with the reference, where there is one."""
        seated = tuple(
            guard.prepare(reference) if reference is not None and isinstance(guard, Prepares) else guard
            for guard in guards
            if guard.stage is stage
        )
        return cls(seated, risk)

    def judge(self, batch: Batch) -> Judgement:
        """Let every guard speak about every row."""
        count = len(batch)
        judgement = Judgement({}, None, {})
        if count < SCREEN_FROM:
            for row in range(count):
                self._check(self.guards, batch, row, judgement)
            return judgement
        suspected: dict[int, list[Guard]] = {}
        for guard in self.guards:
            for row in self._suspects(guard, batch, judgement):
                suspected.setdefault(row, []).append(guard)
        for row, guards in suspected.items():
            self._check(guards, batch, row, judgement)
        return judgement

    def _check(self, guards: Sequence[Guard], batch: Batch, row: int, judgement: Judgement) -> None:
        """Let these guards speak about one row."""
        inference, count = batch.inference(row), len(batch)
        for guard in guards:
            try:
                finding = guard.check(inference)
                fine, measured = finding.severity is Severity.OK, finding.measured
            except Exception:
                log.exception("guard %s crashed", guard.name)
                finding, fine, measured = self._crashed(guard), False, msgspec.UNSET
            if measured is not msgspec.UNSET:
                judgement.note(row, measured, count)
                # It is in the columns now; the answer's list of findings does not repeat it.
                finding = finding if fine else msgspec.structs.replace(finding, measured=msgspec.UNSET)
            if not fine:
                judgement.find(row, finding, count)

    def _suspects(self, guard: Guard, batch: Batch, judgement: Judgement) -> Iterable[int]:
        """Return the rows a guard must check one by one: all of them, if it cannot screen."""
        if isinstance(guard, Screens):
            try:
                screened = guard.screen(batch)
            except Exception:
                log.exception("guard %s crashed while screening; every row is checked alone", guard.name)
            else:
                judgement.measured.update(screened.measured)
                return np.flatnonzero(screened.suspect).tolist()
        return range(len(batch))

    def _crashed(self, guard: Guard) -> Finding:
        severity = Severity.BLOCK if self.risk is Risk.CLOSED else Severity.WARN
        return Finding(guard.name, guard.stage, severity, "guard.crashed", score=1.0, threshold=1.0)
