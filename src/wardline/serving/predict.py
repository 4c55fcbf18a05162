"""`POST /predict`: bytes in, verdict out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from starlette.types import Receive, Scope, Send

from wardline.contract import Admitted, limit_rows
from wardline.errors import LogError, PayloadError, TooLargeError
from wardline.gate import OpenGate
from wardline.record import Records, verdict_of
from wardline.serving.bodies import kind_of, payload_of
from wardline.serving.metrics import Metrics
from wardline.serving.replies import Caller, Reply, caller, problem, reply
from wardline.serving.state import State
from wardline.settings import ServingSettings
from wardline.telemetry import CALLER
from wardline.verdict import ACTIONS, STERNNESS, Action, Risk, Verdict

log = logging.getLogger(__name__)

_STATUS = {
    "contract.size": 413,
    "contract.decompression": 413,
    "contract.format": 400,
    "contract.damaged": 400,
}
"""What HTTP calls some broken contracts: too large, or no picture at all. Every other is a 422."""

THREAD_FROM = 65_536  # bytes of body from which the path leaves the event loop


class Predict:
    """The endpoint. It translates; what is decided is decided in the gate."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._metrics: Metrics = state.metrics
        self._limits: ServingSettings = state.settings.serving
        self._most_bytes = int(self._limits.max_body_mb * 1024 * 1024)
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong, something is answered."""
        who = caller(scope)
        CALLER.set(who.trace)
        if self._in_flight >= self._limits.max_in_flight:
            answer = problem(429, f"{self._in_flight} requests are in flight, try again shortly", who)
        else:
            self._in_flight += 1
            try:
                answer = await self._answer(scope, receive, who)
            except LogError as error:
                answer = problem(503, f"no answer without its record: {error}", who)
            except Exception:
                # The traceback goes to our log only: nothing of it is the caller's business.
                log.exception("request %s failed", who.request_id)
                answer = problem(500, "the gate failed on this request; it has been logged", who)
            finally:
                self._in_flight -= 1
        self._metrics.responded(answer.status)
        await answer.send(send, who)

    async def _answer(self, scope: Scope, receive: Receive, who: Caller) -> Reply:
        gate = self._state.opened
        if gate is None or (problems := gate.problems()):
            reason = "; ".join(self._state.problems()) if gate is None else "; ".join(problems)
            return problem(503, f"not ready: {reason}", who)
        try:
            kind = kind_of(scope, gate.gate.contract)
            body = await self._read(scope, receive)
            payload = await payload_of(kind, body, scope, gate.gate.contract)
            records = await self._walk(gate, payload, len(body), who)
        except TooLargeError as error:
            return problem(413, str(error), who, action=Action.REJECT)
        except PayloadError as error:
            return problem(400, str(error), who, action=Action.REJECT)
        self._metrics.observe(records)
        answer = _batch if records.batch else _single
        return answer(records, gate, who)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """Take the body, and stop taking it once it is over the limit."""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._most_bytes:
                raise TooLargeError(self._too_large(int(value)))
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise PayloadError("the caller left before the body was complete")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._most_bytes:
                raise TooLargeError(self._too_large(size))
            chunks.append(chunk)
            if not message.get("more_body", False):
                break
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if not body.strip():
            raise PayloadError("the body is empty: send one row as a JSON object")
        return body

    def _too_large(self, size: int) -> str:
        return (
            f"the body has {size} bytes or more, the limit is {self._most_bytes}: send fewer rows at a time"
        )

    async def _walk(self, gate: OpenGate, payload: Any, size: int, who: Caller) -> Records:
        contract, most = gate.gate.contract, self._limits.max_rows

        def admit() -> Admitted:
            return limit_rows(contract.admit(payload, gate.clock()), most)

        if self._state.inline and size < THREAD_FROM and not contract.pictures:
            return gate.walk(admit, who.request_id, who.trace.trace_id)
        return await asyncio.to_thread(gate.walk, admit, who.request_id, who.trace.trace_id)


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
