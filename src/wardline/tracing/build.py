"""From the records of one request to its spans: numbers taken on the way, laid out as a tree afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
from opentelemetry.sdk.trace import SpanLimits

from wardline.record import Records, RecordSchema, verdict_of
from wardline.telemetry import TraceContext, child_id, random_hex
from wardline.tracing.attributes import HIDDEN, http_of, limit
from wardline.tracing.refusal import Refused, refusal
from wardline.tracing.trace import CLIENT, INTERNAL, SERVER, Event, Span, Trace, Value
from wardline.verdict import ACTIONS, Finding, Severity, Stage, Verdict

_FINDINGS, _ROWS = 32, 8  # written out at most: a batch may have thousands
_OK = Severity.OK.value
_WEIGHT = {severity: place for place, severity in enumerate(Severity)}


class Kept(msgspec.Struct, gc=False):
    """A request whose trace is kept: what it left, who asked, why it is kept and since when it waits."""

    records: Records
    context: TraceContext | None
    why: str
    at: float


@dataclass(frozen=True)
class Builder:
    """Builds the spans of one gate's requests.

    `remote` are the rungs that ask another server, `personal` the fields whose values no attribute may hold.
    """

    schema: RecordSchema
    resource: Mapping[str, Value]
    remote: frozenset[str] = frozenset()
    personal: frozenset[str] = frozenset()
    limits: SpanLimits = field(default_factory=SpanLimits)

    def build(self, kept: Kept) -> Trace:
        """Lay out one request: the root, and below it contract, features, guards, predictions and verdict."""
        records, context = kept.records, kept.context
        root_id = random_hex(8) if context is None else context.span_id
        whole = sum(records.stages_us)
        end = records.time + int(whole * 1000)
        root = Span(
            "wardline.gate", root_id, "" if context is None else context.parent_id, records.time, end,
            self._root(kept), kind=INTERNAL if context is None or context.scope is None else SERVER,
        )  # fmt: skip
        spans = [root, *self._stages(records, root_id)]
        broke = self._broke(records)
        if broke:
            root.error = broke
            root.attributes["error.type"] = broke
        most, length = self.limits.max_span_attributes, self.limits.max_span_attribute_length
        for span in spans:
            if span.events or length is not None or len(span.attributes) > (most or 0):
                limit(span, self.limits)
        state = "" if context is None else context.tracestate
        return Trace(records.trace_id, spans, self.resource, state)

    def refusal(self, refused: Refused, why: str) -> Trace:
        """Tell a request that was refused before the path."""
        trace = refusal(refused, self.schema.gate, why, self.resource, HIDDEN if self.personal else "")
        if refused.context.scope is not None:
            trace.root.attributes.update(http_of(refused.context.scope))
        limit(trace.root, self.limits)
        return trace

    def _root(self, kept: Kept) -> dict[str, Value]:
        """Say what was asked, what was found and what was done with it."""
        records, schema = kept.records, self.schema
        made: dict[str, Value] = {
            "wardline.gate.name": schema.gate,
            "wardline.request_id": records.request_id,
            "wardline.kept_because": kept.why,
            "wardline.rows": len(records),
        }
        if len(records):
            place = _sternest(records)
            if len(records) > 1:
                made["wardline.row"] = place
                made["wardline.actions"] = [
                    f"{action.value}={count}"
                    for code, action in enumerate(ACTIONS)
                    if (count := int((records.actions == code).sum()))
                ]
            made.update(_answer(verdict_of(records, schema, place)))
            made["wardline.verdict"] = max(
                (finding.severity for each in records.findings.values() for finding in each),
                key=_WEIGHT.__getitem__, default=Severity.OK,
            ).value  # fmt: skip
            made.update(self._slices(records, place))
        for name in ("camera", "firmware"):
            if (value := getattr(records, name)) is not None:
                made[f"wardline.{name}"] = value
        if kept.context is not None and kept.context.scope is not None:
            made.update(http_of(kept.context.scope))
        return made

    def _slices(self, records: Records, place: int) -> dict[str, Value]:
        where = [i for i, admitted in enumerate(records.admitted.tolist()) if admitted == place]
        if not where:
            return {}
        return {
            f"wardline.slice.{name}": HIDDEN if name in self.personal else str(column[where[0]])
            for name, column in records.slices.items()
            if column[where[0]] is not None
        }

    def _stages(self, records: Records, root_id: str) -> list[Span]:
        """Lay the stages out one after the other, as they were walked."""
        taken = [int(us * 1000) for us in records.stages_us]
        if len(taken) < 6:
            return []
        edges = [records.time]
        for spent in taken:
            edges.append(edges[-1] + spent)
        at = {
            name: (begin, end) for name, (begin, end) in zip(self.schema.stages, pairwise(edges), strict=True)
        }
        spans = [Span("wardline.contract", _new_id(), root_id, *at["contract"], {})]
        spans[0].events = self._events(records, (Stage.CONTRACT,), at["contract"][1])
        if records.block is None:
            return [*spans, self._verdict(records, root_id, (edges[-2], edges[-1]))]
        features = Span("wardline.features", _new_id(), root_id, *at["features"], {})
        features.attributes = self._features(records)
        features.events = self._events(records, (Stage.FEATURES,), at["features"][1])
        spans += [features, *self._guards(records, root_id, Stage.INPUT, at["input"])]
        spans += self._rungs(records, root_id, at["chain"][0], at["output"][1], taken[4])
        if records.asked:  # where no rung was, there was no answer to judge
            spans += self._guards(records, root_id, Stage.OUTPUT, at["output"])
        return [*spans, self._verdict(records, root_id, at["verdict"])]

    def _features(self, records: Records) -> dict[str, Value]:
        """What the model saw of the sternest row, each feature an attribute of its own."""
        made: dict[str, Value] = {"wardline.features_version": self.schema.constants["features_version"]}
        place = _sternest(records)
        where = records.admitted.tolist()
        if records.block is None or place not in where:
            return made
        row, block = where.index(place), records.block
        numbers = iter(block.matrix[row].tolist())
        for name in block.schema.names:
            value = block.text[name][row] if name in block.text else next(numbers)
            if value is not None and value == value:
                made[f"wardline.feature.{name}"] = HIDDEN if name in self.personal else value
        return made

    def _guards(self, records: Records, root_id: str, stage: Stage, at: tuple[int, int]) -> list[Span]:
        """One span for the panel, whose time is known, and one below it for each guard that spoke.

        Where guards were timed one by one, all of them have a span of their own time.
        """
        name = f"wardline.guards {stage.value}"
        panel = Span(name, _new_id(), root_id, *at, {"wardline.guard.stage": stage.value})
        told = self._timed(records, panel, stage)
        left = _FINDINGS
        for row, findings in records.findings.items():
            for finding in findings:
                if finding.stage is not stage:
                    continue
                span = told.get(finding.guard)
                if span is None:
                    span = told[finding.guard] = _guard(panel, finding.guard, *at)
                if (
                    _WEIGHT[finding.severity]
                    > _WEIGHT[Severity(str(span.attributes["wardline.guard.severity"]))]
                ):
                    span.attributes["wardline.guard.severity"] = finding.severity.value
                if finding.reason == "guard.crashed":
                    span.error = span.attributes["error.type"] = str(finding.observed or finding.reason)
                if left > 0:
                    left -= 1
                    span.events.append(self._event(finding, row, at[1]))
        return [panel, *told.values()]

    def _timed(self, records: Records, panel: Span, stage: Stage) -> dict[str, Span]:
        """One span for each guard that was timed, one after the other, as they were asked."""
        made: dict[str, Span] = {}
        begin = panel.start
        for (where, name), spent in records.guards_ns.items():
            if where is stage:
                end = min(begin + spent, panel.end)
                made[name], begin = _guard(panel, name, begin, end), end
        return made

    def _rungs(self, records: Records, root_id: str, begin: int, end: int, judged: int) -> list[Span]:
        """One span for each rung that was asked; the output guards' time is after the last of them."""
        asked = list(records.asked)
        if not asked:
            return []
        # The first one asked began when the chain did; of the others the clock was read.
        ticks = [begin] + [begin + max(0, tick - records.chain_began) for _, tick in asked[1:]]
        stops = [*ticks[1:], max(ticks[-1], end - judged)]
        spans = []
        for (number, _), start, stop in zip(asked, ticks, stops, strict=True):
            name = self.schema.rungs[number]
            span = Span(
                f"wardline.predict {name}", child_id(root_id, name), root_id, start,
                min(max(start, stop), end),
                {"wardline.predictor.name": name, "wardline.predictor.rung": number,
                 "wardline.predictor.model": self.schema.models[number]},
                kind=CLIENT if name in self.remote else INTERNAL,
            )  # fmt: skip
            failed = [f for each in records.findings.values() for f in each
                      if f.stage is Stage.CHAIN and f.subject == name]  # fmt: skip
            if failed:
                span.error = span.attributes["error.type"] = str(failed[0].observed or failed[0].reason)
                span.events = [self._event(finding, 0, span.end) for finding in failed[:_ROWS]]
            spans.append(span)
        return spans

    def _verdict(self, records: Records, root_id: str, at: tuple[int, int]) -> Span:
        span = Span("wardline.verdict", _new_id(), root_id, *at, {})
        if len(records) > 1:
            worst = sorted(range(len(records)), key=lambda row: -int(records.actions[row]))[:_ROWS]
            span.events = [
                Event("wardline.row", at[1], {
                    "wardline.row.number": row,
                    "wardline.row.action": ACTIONS[int(records.actions[row])].value,
                    "wardline.row.request_id": records.id_of(row)})
                for row in worst if records.actions[row]
            ]  # fmt: skip
        return span

    def _events(self, records: Records, stages: tuple[Stage, ...], at: int) -> list[Event]:
        found = [(row, finding) for row, findings in records.findings.items() for finding in findings
                 if finding.stage in stages]  # fmt: skip
        return [self._event(finding, row, at) for row, finding in found[:_FINDINGS]]

    def _event(self, finding: Finding, row: int, at: int) -> Event:
        made: dict[str, Value] = {
            "wardline.finding.guard": finding.guard, "wardline.finding.reason": finding.reason,
            "wardline.finding.severity": finding.severity.value, "wardline.finding.row": row,
            "wardline.finding.score": float(finding.score),
            "wardline.finding.threshold": float(finding.threshold),
        }  # fmt: skip
        if finding.subject:
            made["wardline.finding.subject"] = finding.subject
        if finding.observed is not None:
            hidden = finding.subject in self.personal
            made["wardline.finding.observed"] = HIDDEN if hidden else str(finding.observed)
        if finding.expected:
            made["wardline.finding.expected"] = finding.expected
        return Event("wardline.finding", at, made)

    @staticmethod
    def _broke(records: Records) -> str:
        return next(
            (str(finding.observed) for findings in records.findings.values() for finding in findings
             if finding.reason == "gate.error"), "",
        )  # fmt: skip


def _guard(panel: Span, name: str, begin: int, end: int) -> Span:
    attributes: dict[str, Value] = {
        "wardline.guard.name": name,
        "wardline.guard.severity": _OK,
    }
    return Span(f"wardline.guard {name}", _new_id(), panel.span_id, begin, end, attributes, [])


def _new_id() -> str:
    """Make a span's id; only a rung's must be known to others before it is built."""
    return random_hex(8)


def _sternest(records: Records) -> int:
    """Return the row that most was done about; of one row numpy's search costs more than all else."""
    return int(records.actions.argmax()) if len(records) > 1 else 0


def _answer(verdict: Verdict) -> dict[str, Value]:
    """The answer and how far it may be trusted."""
    unsure = verdict.uncertainty
    made: dict[str, Any] = {
        "wardline.action": verdict.action.value,
        "wardline.prediction": verdict.prediction,
        "wardline.served_by": verdict.served_by,
        "wardline.rung": verdict.rung,
        "wardline.model_served": verdict.model,
        "wardline.features_version": verdict.features_version,
        "wardline.reference": verdict.reference or None,
        "wardline.confidence": unsure.confidence,
        "wardline.interval": None if unsure.interval is None else list(unsure.interval),
        "wardline.set": None if unsure.set is None else list(unsure.set),
        "wardline.level": unsure.level,
        "wardline.coverage_status": unsure.coverage_status.value,
        "wardline.ood_p": unsure.ood_p,
    }
    return {name: value for name, value in made.items() if value is not None}
