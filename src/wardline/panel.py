"""The panel: the guards of one stage, sitting together over a batch."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.guard import Guard, Prepares, Screens
from wardline.inference import Batch, Inference
from wardline.reference import Reference
from wardline.verdict import Finding, Risk, Severity, Stage

log = logging.getLogger(__name__)

SCREEN_FROM = 16
"""Rows from which a batch is screened at once; below, numpy's fixed costs make row by row cheaper."""


class Judgement(msgspec.Struct):
    """What a panel found: findings that are not ok by row, which rows are blocked (`None`: none), and the
    columns measured for the rows' uncertainty."""

    findings: dict[int, list[Finding]]
    blocked: NDArray[np.bool_] | None
    measured: dict[str, Any]

    def add(self, findings: Mapping[int, Finding], count: int) -> None:
        """Add a blocking finding about some rows, ahead of what the guards said of them."""
        for row, finding in findings.items():
            self.findings.setdefault(row, []).insert(0, finding)
            if self.blocked is None:
                self.blocked = np.zeros(count, dtype=np.bool_)
            self.blocked[row] = True

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
        measured: dict[str, Any] = {}
        judgement = Judgement({}, None, measured)
        inferences: dict[int, Inference] = {}
        for guard in self.guards:
            rows: Sequence[int] = range(len(batch))
            if len(batch) >= SCREEN_FROM and isinstance(guard, Screens):
                try:
                    screened = guard.screen(batch)
                except Exception:
                    log.exception("guard %s crashed while screening; every row is checked alone", guard.name)
                else:
                    measured.update(screened.measured)
                    rows = np.flatnonzero(screened.suspect).tolist()
            for row in rows:
                inference = inferences.get(row)
                if inference is None:
                    inference = inferences[row] = batch.inference(row)
                self._speak(guard, inference, row, judgement, len(batch))
        return judgement

    def _speak(self, guard: Guard, inference: Inference, row: int, judgement: Judgement, count: int) -> None:
        """Take one guard's finding about one row."""
        try:
            finding = guard.check(inference)
            severity = finding.severity
            noted = finding.measured
        except Exception:
            log.exception("guard %s crashed", guard.name)
            finding = self._crashed(guard)
            severity, noted = finding.severity, msgspec.UNSET
        if noted is not msgspec.UNSET:
            for key in ("ood_p", "confidence", "members", "interval"):
                value = getattr(noted, key)
                if value is not None:
                    column = judgement.measured.get(key)
                    if column is None:
                        column = judgement.measured[key] = [None] * count
                    column[row] = value
        if severity is Severity.OK:
            return
        if noted is not msgspec.UNSET:  # it is in the columns now; the answer does not repeat it
            finding = msgspec.structs.replace(finding, measured=msgspec.UNSET)
        judgement.findings.setdefault(row, []).append(finding)
        if severity is Severity.BLOCK:
            if judgement.blocked is None:
                judgement.blocked = np.zeros(count, dtype=np.bool_)
            judgement.blocked[row] = True

    def _crashed(self, guard: Guard) -> Finding:
        severity = Severity.BLOCK if self.risk is Risk.CLOSED else Severity.WARN
        return Finding(guard.name, guard.stage, severity, "guard.crashed", score=1.0, threshold=1.0)
