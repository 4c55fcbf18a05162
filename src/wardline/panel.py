"""The panel: the guards of one stage, sitting together over a batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from threading import get_ident
from time import perf_counter_ns
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.bound import Bound, Watch, settle
from wardline.errors import GuardError, GuardTimeoutError
from wardline.guard import Guard, Prepares, Screens
from wardline.inference import Batch
from wardline.record import Records
from wardline.reference import Reference
from wardline.telemetry import CALLER
from wardline.tracing.tracer import Tracer
from wardline.verdict import Finding, Measured, Risk, Severity, Stage

log = logging.getLogger(__name__)

_MEASURED = Measured.__struct_fields__
SCREEN_FROM = 16
"""Rows from which a batch is screened at once; below, numpy's fixed costs make row by row cheaper."""


Times = dict[tuple[Stage, str], int]
"""The nanoseconds that each guard took, by its stage and name."""


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

    def note(self, row: int, measured: Measured, batch: Batch) -> None:
        """Write what was measured of one row into the columns; raise where it is not what it says."""
        if (confidence := measured.confidence) is not None:
            self._put(row, "confidence", float(confidence), batch)
        if (members := measured.members) is not None:
            P = None if batch.outputs is None else batch.outputs.probabilities
            if P is not None and len(members) != P.shape[1]:
                raise GuardError(f"{len(members)} members of {P.shape[1]} classes")
            self._put(row, "members", members, batch)
        if (interval := measured.interval) is not None:
            low, high = interval
            self._put(row, "interval", (float(low), float(high)), batch)
        if (ood_p := measured.ood_p) is not None:
            self._put(row, "ood_p", float(ood_p), batch)

    def _put(self, row: int, key: str, value: Any, batch: Batch) -> None:
        column = self.measured.get(key)
        if column is None:
            column = self.measured[key] = [None] * len(batch)
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
    bound: Bound = field(default_factory=Bound)

    @classmethod
    def seat(
        cls,
        guards: Sequence[Guard],
        stage: Stage,
        reference: Reference | None,
        risk: Risk,
        bound: Bound | None = None,
    ) -> Panel:
        """Prepare the guards of one stage with the reference, where there is one."""
        seated = tuple(
            guard.prepare(reference) if reference is not None and isinstance(guard, Prepares) else guard
            for guard in guards
            if guard.stage is stage
        )
        return cls(seated, risk, bound or Bound())

    def judge(self, batch: Batch, times: Times | None = None) -> Judgement:
        """Let every guard speak about every row; with `times` one after the other, each timed."""
        judgement = Judgement({}, None, {})
        if not self.guards:
            return judgement
        watch, running = Watch(), self.bound.running
        running[watch] = get_ident()
        try:
            if times is None:
                self._judge(self.guards, batch, judgement, watch)
            else:
                self._judge_timed(batch, judgement, watch, times)
        except GuardTimeoutError:  # it came between two guards: nobody knows which rows were judged
            watch.caught = True
            for row in range(len(batch)):
                judgement.find(row, self._crashed(self.guards[-1], "guard.timeout"), len(batch))
        finally:
            if running.pop(watch, None) is None:
                settle(watch)
        return judgement

    def _judge_timed(self, batch: Batch, judgement: Judgement, watch: Watch, times: Times) -> None:
        for guard in self.guards:
            began, key = perf_counter_ns(), (guard.stage, guard.name)
            self._judge((guard,), batch, judgement, watch)
            times[key] = times.get(key, 0) + perf_counter_ns() - began

    def _judge(self, guards: Sequence[Guard], batch: Batch, judgement: Judgement, watch: Watch) -> None:
        count = len(batch)
        if count < SCREEN_FROM:
            for row in range(count):
                self._check(guards, batch, row, judgement, watch)
            return
        suspected: dict[int, list[Guard]] = {}
        for guard in guards:
            for row in self._suspects(guard, batch, judgement, watch):
                suspected.setdefault(row, []).append(guard)
        for row, suspicious in suspected.items():
            self._check(suspicious, batch, row, judgement, watch)

    def _check(
        self, guards: Sequence[Guard], batch: Batch, row: int, judgement: Judgement, watch: Watch
    ) -> None:
        """Let these guards speak about one row."""
        inference, count = batch.inference(row), len(batch)
        for guard in guards:
            try:
                finding = guard.check(inference)
                fine, measured = finding.severity is Severity.OK, finding.measured
                if measured is not msgspec.UNSET:
                    judgement.note(row, measured, batch)
                    # It is in the columns now; the answer's list of findings does not repeat it.
                    finding = finding if fine else msgspec.structs.replace(finding, measured=msgspec.UNSET)
                if not fine:
                    judgement.find(row, _held(finding), count)
            except GuardTimeoutError:
                self._again(watch)
                judgement.find(row, self._crashed(guard, "guard.timeout"), count)
            except Exception:
                log.exception("guard %s crashed", guard.name)
                judgement.find(row, self._crashed(guard, "guard.crashed"), count)

    def _suspects(self, guard: Guard, batch: Batch, judgement: Judgement, watch: Watch) -> Iterable[int]:
        """Return the rows a guard must check one by one: all of them, if it cannot screen."""
        if isinstance(guard, Screens):
            try:
                screened = guard.screen(batch)
                suspects = np.flatnonzero(_whole(screened.suspect, len(batch)))
                columns = {key: _column_of(key, screened.measured[key], batch) for key in screened.measured}
                judgement.measured.update(columns)
            except GuardTimeoutError:
                self._again(watch)
                log.exception("guard %s hung while screening; every row is checked alone", guard.name)
            except Exception:
                log.exception("guard %s crashed while screening; every row is checked alone", guard.name)
            else:
                return suspects.tolist()
        return range(len(batch))

    def _again(self, watch: Watch) -> None:
        """Go on being watched, after an interrupt was caught."""
        watch.caught = watch.sent = False
        self.bound.running[watch] = get_ident()

    def _crashed(self, guard: Guard, reason: str) -> Finding:
        severity = Severity.BLOCK if self.risk is Risk.CLOSED else Severity.WARN
        return Finding(guard.name, guard.stage, severity, reason, score=1.0, threshold=1.0)


Judge = Callable[[Batch], Judgement]


def judges(inputs: Panel, outputs: Panel, records: Records, tracer: Tracer | None) -> tuple[Judge, Judge]:
    """Return how the panels judge a request: guard by guard, each timed, where its caller asks for a trace,
    and in a tenth of the sample."""
    context = CALLER.get()
    if tracer is None or (
        records.trace_id[16:] >= tracer.timed and (context is None or not tracer.asked(context))
    ):
        return inputs.judge, outputs.judge
    times: Times = {}
    records.guards_ns, records.asked_for = times, True
    return partial(inputs.judge, times=times), partial(outputs.judge, times=times)


_PLAIN = (float, int, str, bool, type(None))


def _held(finding: Finding) -> Finding:
    """Return a finding as records and answers can carry it; refuse what is none."""
    texts = (finding.guard, finding.reason, finding.subject, finding.expected)
    named = type(finding) is Finding and all(isinstance(text, str) for text in texts)
    if not (named and isinstance(finding.severity, Severity) and isinstance(finding.stage, Stage)):
        raise GuardError(f"{finding!r} is no finding")
    observed, score, threshold = finding.observed, finding.score, finding.threshold
    if not (isfinite(score) and isfinite(threshold)):
        raise GuardError(f"a score of {score} against {threshold} is no comparison")
    if type(observed) in _PLAIN and type(score) is float and type(threshold) is float:
        return finding
    observed = observed.item() if isinstance(observed, np.generic) else observed
    return msgspec.structs.replace(
        finding,
        score=float(score),
        threshold=float(threshold),
        observed=observed if type(observed) in _PLAIN else str(observed),
    )


def _whole(suspect: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Refuse a screen that does not speak about every row: whom it leaves out it would clear."""
    if np.shape(suspect) != (count,):
        raise GuardError(f"{np.shape(suspect)} suspects for {count} rows")
    return suspect


def _column_of(key: str, column: Any, batch: Batch) -> NDArray[Any]:
    """Refuse a screened column that is not as long, or as wide, as the batch."""
    count = len(batch)
    wanted = {"members": (count, _classes(batch, np.shape(column)[-1])), "interval": (count, 2)}
    shape = wanted.get(key, (count,))
    if key not in _MEASURED or np.shape(column) != shape:
        raise GuardError(f"{key} of shape {np.shape(column)}, not {shape}")
    found: NDArray[Any] = np.asarray(column)
    if found.dtype.kind not in "fiub":
        raise GuardError(f"{key} holds {found.dtype}, not numbers")
    return found


def _classes(batch: Batch, unknown: int) -> int:
    """Return how many classes were answered about, or `unknown`."""
    P = None if batch.outputs is None else batch.outputs.probabilities
    return unknown if P is None else int(P.shape[1])
