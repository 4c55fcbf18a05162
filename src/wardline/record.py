"""The record: what one row left behind. One per input row, always."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.features import FeatureBlock, FeatureSchema
from wardline.health import Health
from wardline.verdict import (
    ACTIONS,
    STERNNESS,
    Action,
    Coverage,
    Finding,
    Severity,
    Stage,
    Uncertainty,
    Verdict,
)

BY_RUNG = np.full(128, STERNNESS[Action.FALLBACK], dtype=np.int8)
"""The action of each rung's answer, if nothing is found."""
BY_RUNG[0] = STERNNESS[Action.SERVE]
BY_RUNG[-1] = STERNNESS[Action.ABSTAIN]  # rung -1: nobody answered

STAGES = ("contract", "features", "input", "chain", "output", "verdict")
"""The stages that are timed, in the order of the path."""


def filled(count: int, value: float, dtype: Any) -> NDArray[Any]:
    """Return `count` times one value; a fifth of the cost of `np.full` where the count is small."""
    array = np.empty(count, dtype=dtype)
    array.fill(value)
    return array


def _blank(count: int) -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.float64]]:
    """Return actions, rungs and values of rows that nothing became of."""
    return (
        filled(count, STERNNESS[Action.REJECT], np.int8),
        filled(count, -1, np.int8),
        filled(count, np.nan, np.float64),
    )


_EMPTY = _blank(0)


class RecordSchema(msgspec.Struct, frozen=True):
    """What is the same in every record a gate writes while it is open: its columns and its versions."""

    gate: str
    features: FeatureSchema
    slices: tuple[str, ...]
    classes: tuple[str, ...]
    rungs: tuple[str, ...]
    stages: tuple[str, ...]
    models: tuple[str, ...]
    """What each rung's model is called in a verdict."""
    constants: Mapping[str, str]
    """model, model_sha256, features_version, features_hash, reference, contract_hash, libraries, ..."""
    coverage: tuple[Coverage, ...] = ()
    """What each rung's calibration promises; left out, none promises anything."""


class Records(msgspec.Struct):
    """The records of the n rows of one request, side by side; this is what the hot path hands to the log.

    `time` is nanoseconds since the epoch at arrival. Row i's id is `request_id` where n is 1 and the request
    was not a batch, else `request_id` + "-" + i. `actions` holds codes (`verdict.ACTIONS`), `rungs` the
    number of the rung that answered or -1. `block` holds the features of the rows at `admitted` only:
    other rows broke the contract; the `slices` columns too are of the admitted rows. `values` are class
    numbers for classification. `findings` has the findings that are not ok, by row. `stages_us` are the
    microseconds each stage took for the whole request, in the order of `RecordSchema.stages`.
    """

    time: int
    request_id: str
    trace_id: str
    batch: bool
    actions: NDArray[np.int8]
    rungs: NDArray[np.int8]
    values: NDArray[np.float64]
    admitted: NDArray[np.intp]
    block: FeatureBlock | None
    slices: Mapping[str, Sequence[Any]]
    findings: Mapping[int, Sequence[Finding]]
    stages_us: Sequence[float]
    confidence: NDArray[np.float64] | None = None
    members: NDArray[np.bool_] | None = None
    interval: NDArray[np.float64] | None = None
    ood_p: NDArray[np.float64] | None = None
    level: float | None = None
    doubted: Mapping[int, Coverage] = {}
    """Rows whose stated coverage is worth less than their rung's, by what was found about them."""
    unknown: Mapping[int, Sequence[str]] = {}
    camera: str | None = None
    firmware: str | None = None
    asked: Sequence[tuple[int, int]] = ()
    """The rungs that were asked, in turn, and the monotonic nanoseconds when (0: not looked at)."""
    chain_began: int = 0
    """The same clock's nanoseconds when the chain was asked."""
    kept: bool = False
    """Whether the request keeps its trace."""
    asked_for: bool = False
    """Whether its caller asks for that, and may."""
    guards_ns: Mapping[tuple[Stage, str], int] = {}
    """What each guard took, where they were timed one by one."""

    def __len__(self) -> int:
        return len(self.actions)

    @classmethod
    def begin(cls, admitted: Any, time: int, request_id: str, trace_id: str) -> Records:
        """Start the records of a request: every row is a reject until the path makes it something better.

        Where every row met its contract the columns stay empty until the path has its own to put there.
        """
        count = admitted.count if admitted.rejects else 0
        actions, rungs, values = _EMPTY if count == 0 else _blank(count)
        return cls(
            time=time,
            request_id=request_id,
            trace_id=trace_id,
            batch=admitted.batch,
            actions=actions,
            rungs=rungs,
            values=values,
            admitted=admitted.positions,
            block=None,
            slices={},
            findings=admitted.rejects,
            stages_us=(),
            unknown=admitted.unknown,
            camera=admitted.camera,
            firmware=admitted.firmware,
        )

    def failed(self, error: str) -> None:
        """Note that the gate itself broke: no admitted row has an answer, whatever was known so far."""
        fault = Finding("gate", Stage.CHAIN, Severity.BLOCK, "gate.error", "", error, "an answer", 1.0, 1.0)
        count = len(self.admitted) + len(self.findings.keys() - set(self.admitted.tolist()))
        self.actions, self.rungs, self.values = _blank(count)
        self.actions[self.admitted] = STERNNESS[Action.ABSTAIN]
        self.findings = {**self.findings, **dict.fromkeys(self.admitted.tolist(), (fault,))}
        self.stages_us = (0.0,) * len(STAGES)

    def timed(self, ticks: Sequence[int], judged_ns: int) -> None:
        """Turn the clock readings between stages into microseconds; output guards ran inside the chain."""
        if len(ticks) < len(STAGES) - 1:
            spans = [(after - before) / 1000 for before, after in itertools.pairwise(ticks)]
            self.stages_us = (*spans, *[0.0] * (len(STAGES) - len(spans)))
            return
        began, admitted, computed, judged, answered = ticks
        self.chain_began = judged
        self.stages_us = (
            (admitted - began) / 1000,
            (computed - admitted) / 1000,
            (judged - computed) / 1000,
            (answered - judged - judged_ns) / 1000,
            judged_ns / 1000,
            (time.perf_counter_ns() - answered) / 1000,
        )

    def heed(self, health: Health | None, rungs: Sequence[str]) -> None:
        """Take back what the monitor says is no longer promised of the coverage of each rung's answers."""
        if health is None or not health.coverage:
            return
        left = [health.promises(rung) for rung in rungs]
        doubted = dict(self.doubted)
        for place in np.flatnonzero(self.rungs >= 0).tolist():
            promised = left[self.rungs[place]]
            if promised is not Coverage.VALID:
                doubted[place] = promised.weaker(doubted.get(place, Coverage.VALID))
        self.doubted = doubted

    def measure(self, rows: NDArray[np.intp], measured: Mapping[str, Any]) -> None:
        """Note what guards measured of these rows; rows they said nothing of keep NaN."""
        for key, column in measured.items():
            if len(rows) == len(self) and (len(rows) == 1 or isinstance(column, np.ndarray)):
                setattr(self, key, column)  # a list of one row becomes an array when the log is written
                continue
            values = _column(key, column)
            whole = getattr(self, key)
            if whole is None:
                shape = (len(self), *values.shape[1:])
                whole = np.zeros(shape, np.bool_) if key == "members" else np.full(shape, np.nan)
                setattr(self, key, whole)
            whole[rows] = values

    def id_of(self, place: int) -> str:
        """Return the request id of one row."""
        return f"{self.request_id}-{place}" if self.batch else self.request_id


class Verdicts(Sequence[Verdict]):
    """The verdicts of one request: columns (`records`) that make a Verdict when one is asked for."""

    def __init__(self, records: Records, schema: RecordSchema) -> None:
        self.records = records
        self.schema = schema

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self.verdict(place % len(self))

    def verdict(self, place: int) -> Verdict:
        """Return one row's verdict."""
        return verdict_of(self.records, self.schema, place)


def verdict_of(records: Records, schema: RecordSchema, place: int) -> Verdict:
    """Read one row's verdict out of the records of its request."""
    rung = int(records.rungs[place])
    value = float(records.values[place])
    prediction: float | str | None = None
    if rung >= 0:
        prediction = schema.classes[int(value)] if schema.classes else value
    findings = records.findings.get(place, ())
    return Verdict(
        request_id=records.id_of(place),
        trace_id=records.trace_id,
        action=ACTIONS[records.actions[place]],
        prediction=prediction,
        served_by=schema.rungs[rung] if rung >= 0 else None,
        rung=rung if rung >= 0 else None,
        uncertainty=_uncertainty(records, schema, place, answered=rung >= 0),
        findings=tuple(findings),
        model=schema.models[max(rung, 0)],
        features_version=schema.constants["features_version"],
        reference=schema.constants["reference"],
    )


def _uncertainty(records: Records, schema: RecordSchema, place: int, *, answered: bool) -> Uncertainty:
    ood_p = None if records.ood_p is None else _number(records.ood_p[place])
    if not answered:
        return Uncertainty(ood_p=ood_p)
    members = interval = None
    if records.members is not None and schema.classes and any(records.members[place]):
        members = tuple(
            name for name, inside in zip(schema.classes, records.members[place], strict=True) if inside
        )
    if records.interval is not None and records.interval[place][0] == records.interval[place][0]:
        interval = (float(records.interval[place][0]), float(records.interval[place][1]))
    stated = members is not None or interval is not None
    return Uncertainty(
        confidence=None if records.confidence is None else _number(records.confidence[place]),
        set=members,
        interval=interval,
        level=records.level if stated else None,
        coverage_status=_coverage(records, schema, place) if stated else Coverage.VOID,
        ood_p=ood_p,
    )


def _coverage(records: Records, schema: RecordSchema, place: int) -> Coverage:
    rung = schema.coverage[int(records.rungs[place])] if schema.coverage else Coverage.VOID
    return rung.weaker(records.doubted[place]) if place in records.doubted else rung


def _number(value: float) -> float | None:
    return None if value != value else float(value)


def _column(key: str, column: Any) -> NDArray[Any]:
    """Make an array of a measured column; rows without a value are NaN, or an empty set."""
    if isinstance(column, np.ndarray):
        return column
    if key == "members":
        width = max((len(value) for value in column if value is not None), default=0)
        return np.array(
            [value if value is not None else (False,) * width for value in column], dtype=np.bool_
        )
    if key == "interval":
        return np.array([value if value is not None else (np.nan, np.nan) for value in column])
    return np.array(column, dtype=np.float64)
