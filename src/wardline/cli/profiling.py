"""Driving a reference builder over training rows, with every rung of the gate answering."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline import opening
from wardline.camera.frame import Frame
from wardline.cameras import FLEET, Cameras, Enrolment
from wardline.cli.training import Advance, Part, Seen, Source, names
from wardline.errors import ModelError
from wardline.gate import Gate
from wardline.inference import Batch, Outputs
from wardline.launch.environment import environment
from wardline.launch.sampling import GoldenSampler
from wardline.predictor import Opened
from wardline.profiler import Origin, ReferenceBuilder
from wardline.reference import Reference
from wardline.settings import Settings
from wardline.stats.image import view

Step = Callable[[str, int | None], Advance]
"""Begins a pass over so many rows (`None`: not known yet); returns what tells its progress."""

_MANY = 0.05  # a share of broken rows above which the data, or the contract, is not what was meant
_FRAMES = 4000  # of each camera, whose statistics say what is normal for it
_TIMED_ROWS = 200
_WARM_ROWS = 20


@dataclass(frozen=True)
class Plan:
    """What a reference is to be built of; `files` maps each file to its sha256."""

    gate: Gate
    training: Source
    held_out: Source | None
    files: Mapping[str, str]
    seed: int = 0


def build(plan: Plan, step: Step) -> tuple[Reference, Seen]:
    """Run the passes; return the reference, unsaved, and what was seen of the held-out rows."""
    gate, seen, held = plan.gate, Seen(), Seen()
    builder = ReferenceBuilder(gate.features.schema, classes=gate.classes, seed=plan.seed)
    few = gate.contract.golden_rows
    sampler = GoldenSampler(seed=plan.seed) if few is None else GoldenSampler(typical=few, picked=few)
    driver = Driver(gate, builder, sampler)
    try:
        driver.observe(plan.training.parts(seen, step("profiling", None)))
        seen.require("--data")
        builder.freeze()
        driver.count(plan.training.parts(Seen(), step("answering", seen.rows + seen.rejected)))
        if plan.held_out is not None:
            driver.hold_out(plan.held_out.parts(held, step("calibrating", None)))
            held.require("--calibration")
        golden = driver.golden.finish(gate.contract, gate.features, driver.rungs)
    finally:
        driver.close()
    origin = Origin(
        gate=gate.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        target=plan.training.target,
        features_version=gate.features.version,
        features_hash=gate.features.source_hash,
        contract_hash=gate.contract.hash,
        rejected=seen.rejected,
        reject_reasons=dict(seen.reasons.most_common()),
        period=seen.period,
        data=plan.files,
        libraries=opening.libraries(),
        models={name: (opened.version, opened.sha256) for name, opened in driver.rungs.items()},
        notes=tuple(_notes(seen, held, driver)),
    )
    finished = builder.finish(origin)
    extra = {**finished.extra, **driver.cameras()}
    built = msgspec.structs.replace(finished, golden=golden, environment=environment(), extra=extra)
    return built, held


def _notes(seen: Seen, held: Seen, driver: Driver) -> Iterator[str]:
    for name, part in (("--data", seen), ("--calibration", held)):
        total = part.rows + part.rejected
        if part.rejected > _MANY * total:
            share = 100.0 * part.rejected / total
            yield f"{share:.1f} % of the rows of {name} broke the contract or had no target: is that meant?"
    for name, rows in driver.unanswered.items():
        if rows:
            yield f"{name}: {rows} rows made it raise; they count as answers that are no number"


class Driver:
    """Walks a builder over training rows and held-out rows, asking every rung of the gate."""

    def __init__(self, gate: Gate, builder: ReferenceBuilder, golden: GoldenSampler) -> None:
        self._gate = gate
        self._builder = builder
        self.golden = golden
        self.unanswered: Counter[str] = Counter()
        site = opening.site(gate)
        gate.contract.privacy.unlock(Settings.from_env().keys.pii)
        self.rungs: dict[str, Opened] = {each.name: each.open(site) for each in gate.chain.predictors}
        self._timed = False
        self._enrolled: dict[str, Enrolment] = {}

    def cameras(self) -> dict[str, Any]:
        """Return what is normal for each camera of the training rows, and for all of them together."""
        return {"cameras": Cameras.learned(self._enrolled.values()).tree()} if self._enrolled else {}

    def observe(self, parts: Iterator[Part]) -> None:
        """First pass over training rows."""
        for part in parts:
            self._builder.observe(part.block, part.targets)
            self.golden.add(part.payloads, part.block)
            for frame in part.admitted.rows if self._gate.contract.pictures else ():
                self._enrol(frame)

    def _enrol(self, frame: Frame) -> None:
        seen, look = frame.statistics, view(frame.sampled)
        for camera in (FLEET, frame.camera):
            enrolment = self._enrolled.setdefault(camera, Enrolment(camera, _FRAMES))
            enrolment.add(seen, frame.header, frame.firmware, look)

    def count(self, parts: Iterator[Part]) -> None:
        """Second pass over training rows, with every rung's answers."""
        for part in parts:
            self._builder.count(part.block, part.targets)
            self._ask(part, held_out=False)

    def hold_out(self, parts: Iterator[Part]) -> None:
        """Pass over held-out rows."""
        for part in parts:
            self._builder.hold_out(part.block)
            self._ask(part, held_out=True)

    def close(self) -> None:
        """Let go of the models."""
        for opened in self.rungs.values():
            opened.close()

    def _ask(self, part: Part, *, held_out: bool) -> None:
        batch = part.batch
        gate = self._gate
        columns = gate.contract.slices(gate.slices, batch, part.admitted.columns)
        slices = {name: names(column) for name, column in columns.items()}
        for name, opened in self.rungs.items():
            outputs, failed = answers(opened, batch)
            if failed == len(batch):
                raise ModelError(f"rung {name!r} answers none of the rows: mend it before it is profiled")
            self.unanswered[name] += failed
            self._builder.answered(name, outputs, part.targets, slices, held_out=held_out)
            if not self._timed:
                self._builder.timed(name, latencies(opened, batch))
        self._timed = True


def answers(opened: Opened, batch: Batch) -> tuple[Outputs, int]:
    """Ask a rung about rows; those that make it raise are found by halving, and count as NaN."""
    try:
        return opened.predict(batch, None), 0
    except Exception:
        if len(batch) == 1:
            return Outputs(np.full(1, np.nan)), 1
    half = len(batch) // 2
    (left, lost), (right, more) = (
        answers(opened, batch.only(rows)) for rows in (np.arange(half), np.arange(half, len(batch)))
    )
    width = max((o.probabilities.shape[1] for o in (left, right) if o.probabilities is not None), default=0)
    if not width:
        return Outputs(np.concatenate([left.values, right.values])), lost + more
    tables = [o.probabilities if o.probabilities is not None else np.full((len(o), width), np.nan)
              for o in (left, right)]  # fmt: skip
    both = left.scores.keys() & right.scores.keys()
    scores = {name: np.concatenate([left.scores[name], right.scores[name]]) for name in both}
    return Outputs(np.concatenate([left.values, right.values]), np.concatenate(tables), scores), lost + more


def latencies(opened: Opened, batch: Batch) -> NDArray[np.float64]:
    """Time a rung on single rows, in seconds, as requests of one row come; the first calls only warm it."""
    places = np.linspace(0, len(batch) - 1, min(_TIMED_ROWS, len(batch))).astype(np.intp)
    seconds = []
    for place in [*places[:_WARM_ROWS], *places]:
        one = batch.only(np.array([place]))
        began = time.perf_counter()
        answers(opened, one)
        seconds.append(time.perf_counter() - began)
    return np.array(seconds[-len(places) :])
