"""`POST /labels` and `POST /metrics-business`: known only later, acknowledged once it is on the disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from starlette.types import Receive, Scope

from wardline import truth
from wardline.errors import LogError
from wardline.log.figures import FOLDER as FIGURES
from wardline.log.figures import FigureLog
from wardline.log.labels import FOLDER as LABELS
from wardline.log.labels import LabelLog
from wardline.serving import outline
from wardline.serving.admission import Bounded, in_thread
from wardline.serving.bodies import read_body
from wardline.serving.replies import Caller, Reply, problem, reply
from wardline.serving.state import State
from wardline.verdict import Action

log = logging.getLogger(__name__)

Read = Callable[[Sequence[Any], float], tuple[list[Any], list[truth.Broken]]]


class Late(Bounded):
    """An endpoint that keeps a list of entries: all of them, or none and why. It is let in as /predict is."""

    def __init__(self, state: State, read: Read, ledger: LabelLog | FigureLog) -> None:
        super().__init__(state.slots, state.settings.serving, state.metrics)
        self._state = state
        self._read_entries = read
        self._ledger = ledger

    def close(self) -> None:
        """Seal what came."""
        self._ledger.close()

    async def _answer(self, scope: Scope, receive: Receive, who: Caller) -> Reply:
        if self._state.draining:
            return problem(503, "the server is stopping", who)
        body = await read_body(scope, receive, self._limits)
        return await in_thread(self._state.pool, partial(self._keep, body, who), receive)

    def _keep(self, body: bytes, who: Caller) -> Reply:
        outline.check(body, deepest=self._limits.max_depth, most=self._limits.max_rows, level=1)
        given = truth.entries(body, self._limits.max_rows)
        found, broken = self._read_entries(given, time.time())
        if broken:
            return _refused(broken, len(given), who)
        try:
            kept = self._ledger.append(found)
        except LogError as error:
            log.error("%s", error)  # noqa: TRY400 - the sentence is the message
            return problem(503, "what was sent could not be kept; send it again", who)
        return reply(200, {"kept": kept, "request_id": who.request_id})


def labels(state: State) -> Late:
    """Return the endpoint for labels of the gate's answers."""
    gate = state.gate
    ledger = LabelLog(
        state.settings.home / gate.name / LABELS, classes=bool(gate.classes), settings=state.settings.log
    )
    return Late(state, lambda given, now: truth.labels(given, gate.classes, now), ledger)


def figures(state: State) -> Late:
    """Return the endpoint for business figures."""
    ledger = FigureLog(state.settings.home / state.gate.name / FIGURES, settings=state.settings.log)
    return Late(state, truth.figures, ledger)


def _refused(broken: Sequence[truth.Broken], given: int, who: Caller) -> Reply:
    first = broken[0]
    named = f"entry {first.entry}: {first.subject or 'it'} must be {first.expected}"
    more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
    sentence = f"nothing was kept, for {len(broken)} of {given} entries are broken: {named}{more}"
    told = {"broken": broken[: truth.MOST_NAMED], "broken_entries": len(broken)}
    return problem(422, sentence, who, action=Action.REJECT, more=told)
