"""`POST /predict`: bytes in, verdict out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from starlette.types import Receive, Scope

from wardline.contract import Admitted, is_batch, limit_rows
from wardline.gate import OpenGate
from wardline.record import Records, verdict_of
from wardline.serving import exchange, outline
from wardline.serving.admission import Bounded, deadline_of, in_thread
from wardline.serving.bodies import kind_of, payload_of, read_body
from wardline.serving.replies import Caller, Reply, problem, refused, reply
from wardline.serving.state import State
from wardline.verdict import ACTIONS, STERNNESS, Action, Risk, Verdict

_STATUS = {
    "contract.size": 413,
    "contract.decompression": 413,
    "contract.format": 400,
    "contract.damaged": 400,
}
"""What HTTP calls some broken contracts: too large, or no picture at all. Every other is a 422."""

_ROWS_AT = 2  # how deep the rows of a batch lie
THREAD_FROM = 65_536  # bytes of body from which the path leaves the event loop


class Predict(Bounded):
    """The endpoint. It translates; what is decided is decided in the gate."""

    def __init__(self, state: State) -> None:
        super().__init__(state.slots, state.settings.serving, state.metrics)
        self._state = state

    def refused(self, answer: Reply, who: Caller, began: int) -> None:
        """Keep its trace, as of everything that is not plainly served."""
        gate = self._state.opened
        if gate is not None and gate.tracer is not None:
            gate.tracer.refused(refused(answer, who, began))

    async def _answer(self, scope: Scope, receive: Receive, who: Caller) -> Reply:
        gate = self._state.opened
        if gate is None or (problems := gate.problems()):
            reason = "; ".join(self._state.problems()) if gate is None else "; ".join(problems)
            return problem(503, f"not ready: {reason}", who)
        contract, most = gate.gate.contract, self._limits.max_rows
        until = deadline_of(scope, self._limits.max_timeout_ms)
        kind = kind_of(scope, contract)
        body = await read_body(scope, receive, self._limits)
        payload = await payload_of(kind, body, scope, contract)

        def admit() -> Admitted:
            if kind == "json":
                level = _ROWS_AT if len(body) > most and is_batch(body) else 0
                outline.check(body, deepest=self._limits.max_depth, most=most, level=level)
            return limit_rows(contract.admit(payload, gate.clock()), most)

        records = await self._walk(gate, admit, len(body), who=who, until=until, receive=receive)
        answer = _batch if records.batch else _single
        return answer(records, gate, who)

    async def _walk(
        self,
        gate: OpenGate,
        admit: Callable[[], Admitted],
        size: int,
        *,
        who: Caller,
        until: float | None,
        receive: Receive,
    ) -> Records:
        """Walk the path: on the loop where that is quick, else in a thread."""
        ids = who.request_id, who.trace.trace_id
        if self._state.inline and size < THREAD_FROM and not gate.gate.contract.pictures:
            if self._slots.crowded(exchange.of(who.trace.scope)):
                with self._slots.line:
                    async with self._state.turns:
                        records = gate.walk(admit, *ids, until)
            else:
                records = gate.walk(admit, *ids, until)
        else:
            work = partial(gate.walk, admit, *ids, until)
            with self._slots.line:
                records = await in_thread(self._state.pool, work, receive)
        self._metrics.observe(records)
        return records


def _single(records: Records, gate: OpenGate, who: Caller) -> Reply:
    verdict = verdict_of(records, gate.schema, 0)
    if verdict.action is Action.REJECT:
        return rejected(verdict, who)
    return unanswered(verdict, gate, who) or reply(200, verdict, verdict.action)


def rejected(verdict: Verdict, who: Caller, status: int = 422) -> Reply:
    """Answer one row that broke its contract; `status` unless it was too large, or no picture at all."""
    broken = ", ".join(
        f"{finding.subject} is {finding.observed} ({finding.expected})" for finding in verdict.findings[:3]
    )
    more = len(verdict.findings) - 3
    sentence = f"the input breaks its contract: {broken}{f' and {more} more' if more > 0 else ''}"
    status = next((_STATUS[each.reason] for each in verdict.findings if each.reason in _STATUS), status)
    return problem(status, sentence, who, action=Action.REJECT, more={"findings": verdict.findings})


_UNANSWERED = {
    "chain.overloaded": (429, "the model has more to do than it can: try again shortly"),
    "chain.deadline": (504, "no rung answered within its deadline"),
}
"""Why a gate that fails closed has no answer, where it is not its judgement: what HTTP calls it."""


def unanswered(
    verdict: Verdict, gate: OpenGate, who: Caller, reasons: Sequence[str] = tuple(_UNANSWERED)
) -> Reply | None:
    """Answer a row that has no answer because there was no time for it; None where that is not why."""
    if verdict.action is not Action.ABSTAIN or gate.gate.risk is not Risk.CLOSED:
        return None
    found = {finding.reason for finding in verdict.findings}
    for reason in reasons:
        if reason in found:
            status, sentence = _UNANSWERED[reason]
            more = {"findings": verdict.findings}
            return problem(status, sentence, who, action=Action.ABSTAIN, more=more)
    return None


def all_shed(records: Records, gate: OpenGate, who: Caller) -> Reply | None:
    """Answer a batch of which no row was answered because the model had too much to do; else None."""
    if (records.actions != STERNNESS[Action.ABSTAIN]).any():
        return None
    return unanswered(verdict_of(records, gate.schema, 0), gate, who, reasons=("chain.overloaded",))


def _batch(records: Records, gate: OpenGate, who: Caller) -> Reply:
    if len(records) and (shed := all_shed(records, gate, who)):
        return shed
    verdicts = [verdict_of(records, gate.schema, place) for place in range(len(records))]
    sternest = ACTIONS[int(records.actions.max())] if len(records) else Action.SERVE
    content = {"request_id": records.request_id, "trace_id": records.trace_id, "verdicts": verdicts}
    return reply(200, content, sternest)
