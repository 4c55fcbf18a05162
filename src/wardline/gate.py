"""READ FIRST. The gate: the one path that every row walks, top to bottom.

    payload -> contract -> features -> input guards -> chain -> output guards -> verdict -> record

`Gate` is the declaration a user writes; it holds no model, thread or file. `OpenGate.walk` is the path.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, Self

import numpy as np

from wardline import opening
from wardline.chain import Answers, Chain, OpenChain
from wardline.contract import Admitted, Tabular
from wardline.errors import DeclarationError, OpeningError
from wardline.features import Features
from wardline.guard import Guard
from wardline.health import Pulse
from wardline.inference import Batch
from wardline.monitoring import Monitoring
from wardline.owner import Launch, Owner
from wardline.panel import Judgement, Panel, judges
from wardline.record import BY_RUNG, Records, RecordSchema, Verdicts
from wardline.reference import Reference
from wardline.settings import Settings
from wardline.telemetry import request_id as new_request_id
from wardline.telemetry import trace_context
from wardline.tracing.tracer import Tracer
from wardline.verdict import STERNNESS, Coverage, Finding, Risk, Severity, Stage, Verdict, decide, doubt

log = logging.getLogger(__name__)
_UNSETTLED, _USUAL = Launch(), Monitoring()


class Sink(Protocol):
    """Where records go: the log, or a list in a test."""

    def append(self, records: Records) -> bool:
        """Take the records of one request; False says that they were dropped and counted."""


class Gate:
    """A guarded model, declared. Opening happens when the server starts, or at the first call.

    `chain` answers, `guards` judge, `reference` is the directory of the bundle they judge by. `slices` are
    fields or features whose values split every report. `classes` names the classes in the order of the
    model's probabilities; without them the gate answers a number, in `unit`. `owner` answers for it,
    `launch` is what `wardline check` wants settled, `monitoring` how its records are watched. Relative
    paths start at the project: the directory above the `guards/` folder that declares the gate.
    """

    def __init__(
        self,
        name: str,
        *,
        contract: Tabular,
        features: Features,
        chain: Chain,
        guards: Sequence[Guard] = (),
        reference: str | None = None,
        owner: Owner | None = None,
        launch: Launch = _UNSETTLED,
        monitoring: Monitoring = _USUAL,
        slices: Sequence[str] = (),
        risk: Risk = Risk.CLOSED,
        classes: Sequence[str] = (),
        unit: str = "",
        root: Path | None = None,
    ) -> None:
        self.name = name
        self.contract = contract
        self.features = features
        self.chain = chain
        self.guards = tuple(guards)
        self.owner = owner
        self.launch = launch
        self.monitoring = monitoring
        self.slices = tuple(slices)
        self.risk = risk
        self.classes = tuple(classes)
        self.unit = unit
        declared_in = Path(sys._getframe(1).f_globals.get("__file__", Path.cwd() / "-")).resolve()  # noqa: SLF001 - the documented way to know the declaring module
        folder = declared_in.parent
        self.root = root or (folder.parent if folder.name == "guards" else folder)
        self.reference_dir = self.root / reference if reference is not None else None
        self._opened: OpenGate | None = None
        self._lock = threading.Lock()
        opening.check_declaration(self)

    def open(
        self,
        settings: Settings | None = None,
        *,
        sink: Sink | None = None,
        clock: Callable[[], float] = time.time,
    ) -> OpenGate:
        """Load, check and warm everything; raise OpeningError with what does not fit. Idempotent."""
        with self._lock:
            if self._opened is None:
                self._opened = OpenGate(
                    self, clock, *opening.open_parts(self, settings or Settings.from_env(), sink)
                )
                problems = self._opened.warm()
                if problems:
                    self._opened.close()
                    self._opened = None
                    raise OpeningError("; ".join(problems))
                log.info("opened %s", self)
            return self._opened

    def close(self) -> None:
        """Flush the log and let go of models and threads. The gate may be opened again."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def __call__(self, payload: Mapping[str, Any] | bytes | str | np.ndarray[Any, Any]) -> Verdict:
        """Answer one row (a frame's bytes or pixels, under such a contract), exactly as the server would."""
        verdicts = self.batch(payload)
        if len(verdicts) != 1:
            raise DeclarationError("this is a batch: use gate.batch(payload)")
        return verdicts.verdict(0)

    def batch(
        self, payload: Mapping[str, Any] | Sequence[Any] | bytes | str | np.ndarray[Any, Any]
    ) -> Verdicts:
        """Answer many rows: a list of rows, `{"rows": [...]}`, or a mapping of numpy columns."""
        opened = self._opened or self.open()
        contract, now = self.contract, opened.clock
        admit: Callable[[], Admitted]
        if isinstance(payload, Mapping) and payload and all(
            isinstance(column, np.ndarray) for column in payload.values()
        ):  # fmt: skip
            admit = lambda: contract.admit_columns(payload, now())  # noqa: E731 - one expression, one use
        elif isinstance(payload, Mapping | bytes | str | np.ndarray):
            admit = lambda: contract.admit(payload, now())  # noqa: E731 - as above
        else:
            admit = lambda: contract.admit_rows(payload, now())  # noqa: E731 - as above
        return Verdicts(opened.walk(admit, new_request_id(), trace_context(None).trace_id), opened.schema)

    @property
    def records_dir(self) -> Path:
        """Where the gate's records go, by the environment's settings."""
        return Settings.from_env().home / self.name / "records"

    def __repr__(self) -> str:
        return opening.told(self, self._opened)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class OpenGate:
    """A gate whose models are loaded, guards prepared and log open."""

    gate: Gate
    clock: Callable[[], float]
    chain: OpenChain
    inputs: Panel
    outputs: Panel
    sink: Sink
    schema: RecordSchema
    level: float | None
    reference: Reference | None
    pulse: Pulse
    tracer: Tracer | None

    def walk(
        self, admit: Callable[[], Admitted], request_id: str, trace_id: str, until: float | None = None
    ) -> Records:
        """Walk the path with the rows of one request; return their records, which the log has too.

        Whatever happens after the rows were read, each of them leaves its record. `until` (monotonic seconds)
        is when the caller stops waiting: models are stopped then, if not by their own deadlines before.
        """
        arrived, began = time.time_ns(), time.perf_counter_ns()
        admitted = admit()
        records = Records.begin(admitted, arrived, request_id, trace_id)
        ticks = [began, time.perf_counter_ns()]
        try:
            if admitted.positions.size:
                self._answer(records, admitted, ticks, until)
            else:
                records.timed(ticks, 0)
        except Exception as error:
            records.failed(type(error).__name__)
            raise
        finally:
            self.sink.append(records)
            if self.tracer is not None:
                self.tracer.offer(records, admitted.rows)
        return records

    def _answer(self, records: Records, admitted: Admitted, ticks: list[int], until: float | None) -> None:
        """Take the rows that met their contract from features to verdict."""
        batch, broken = self._features(admitted)
        ticks.append(time.perf_counter_ns())
        judge, review = judges(self.inputs, self.outputs, records, self.tracer)
        before = judge(batch)
        for row, finding in broken.items():
            before.find(row, finding, len(batch))
        ticks.append(time.perf_counter_ns())
        answers = self.chain.answer(batch, before.blocked, review, until)
        if self.gate.risk is Risk.OPEN:
            self._fail_open(batch, before, answers, until)
        ticks.append(time.perf_counter_ns())
        self._conclude(records, admitted, batch, before, answers)
        records.timed(ticks, answers.judged_ns)

    def _features(self, admitted: Admitted) -> tuple[Batch, dict[int, Finding]]:
        """Compute the features; a row whose features cannot be computed is blocked, not its neighbours."""
        features, rows, now = self.gate.features, admitted.rows, self.clock()
        broken: dict[int, Finding] = {}
        try:
            if admitted.columns is not None and features.columnar:
                block = features.of_columns(SimpleNamespace(**admitted.columns), len(rows))
            else:
                block = features.of_rows(rows)
        except Exception:  # whatever a feature function raises is a fault of ours, and that row's alone
            told = not self.gate.contract.privacy.treatments  # a traceback may quote a person's data
            log.exception("features %s raised; computing row by row", features.version, exc_info=told)
            block, failed = features.of_rows_apart(rows)
            broken = {
                row: Finding("features", Stage.FEATURES, Severity.BLOCK, "features.error", observed=kind,
                             score=1.0, threshold=1.0)
                for row, kind in failed.items()
            }  # fmt: skip
        return Batch(rows, block, now, health=self.pulse.now), broken

    def _fail_open(self, batch: Batch, before: Judgement, answers: Answers, until: float | None) -> None:
        """Risk OPEN: where no rung may answer, give what there is and say so."""
        shut = np.flatnonzero(answers.rungs < 0)
        # Rows without features stay shut: there is nothing a model could answer from.
        shut = shut[[not before.has(int(row), Stage.FEATURES) for row in shut]] if shut.size else shut
        if not shut.size:
            return
        asked = [row for row in shut.tolist() if before.blocked is not None and before.blocked[row]]
        if asked:
            rows = np.array(asked, dtype=np.intp)
            answers.merge(rows, self.chain.answer(batch.only(rows), None, self.outputs.judge, until))
        for row in shut.tolist():
            if answers.rungs[row] < 0 and row in answers.withheld:
                answers.rungs[row], answers.values[row] = answers.withheld[row]
            if answers.rungs[row] >= 0:
                answers.findings.setdefault(row, []).append(_FAILED_OPEN)

    def _conclude(
        self, records: Records, admitted: Admitted, batch: Batch, before: Judgement, answers: Answers
    ) -> None:
        """Write what became of each row into the request's records, and decide its action."""
        positions = admitted.positions
        if positions.size == admitted.count:
            records.rungs, records.values = answers.rungs, answers.values
            records.actions = BY_RUNG.take(answers.rungs)
        else:
            records.rungs[positions] = answers.rungs
            records.values[positions] = answers.values
            records.actions[positions] = BY_RUNG[answers.rungs]
        records.block, records.asked = batch.block, answers.asked
        records.slices = self.gate.contract.slices(self.schema.slices, batch, admitted.columns)
        rows = before.findings.keys() | answers.findings.keys()
        if rows:
            found: dict[int, Sequence[Finding]] = dict(admitted.rejects)
            doubted: dict[int, Coverage] = {}
            for row in rows:
                findings = (*before.findings.get(row, ()), *answers.findings.get(row, ()))
                place, rung = int(positions[row]), int(answers.rungs[row])
                found[place] = findings
                records.actions[place] = STERNNESS[decide(findings, None if rung < 0 else rung)]
                if (left := doubt(findings)) is not Coverage.VALID:
                    doubted[place] = left
            records.findings, records.doubted = found, doubted
        records.heed(batch.health, self.schema.rungs)
        records.level = self.level
        records.measure(positions, before.measured)
        for answered, judgement in answers.measured:
            records.measure(positions[answered], judgement.measured)

    def warm(self) -> list[str]:
        """Ask every rung about the contract's first example; return what did not answer, in words."""
        admitted = self.gate.contract.admit(self.gate.contract.examples[0])
        batch, broken = self._features(admitted)
        if broken:
            return [f"the features of the contract's own example raise {broken[0].observed}"]
        return self.chain.warm(batch)

    def problems(self) -> list[str]:
        """Say why the gate may not answer now; an empty list means ready."""
        if getattr(self.sink, "healthy", True):
            return []
        return [f"the record log cannot be written: {self.sink.stats().last_error}"]  # type: ignore[attr-defined]

    def close(self) -> None:
        """Close chain and log."""
        self.chain.close()
        self.pulse.close()
        if self.tracer is not None:
            self.tracer.close()
        close = getattr(self.sink, "close", None)
        if close is not None:
            close()


_FAILED_OPEN = Finding("chain", Stage.CHAIN, Severity.WARN, "chain.failed_open", score=1.0, threshold=1.0)
