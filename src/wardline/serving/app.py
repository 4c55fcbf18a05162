"""The HTTP surface: the routes, under BentoML or under plain uvicorn alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wardline.gate import Gate
from wardline.serving import late, openapi, pages, v2
from wardline.serving.access import Access
from wardline.serving.front import Served
from wardline.serving.lifespan import lifespan
from wardline.serving.metrics import CONTENT_TYPE, OPENMETRICS, Counts, Metrics, written
from wardline.serving.predict import Predict
from wardline.serving.replies import Caller, Reply, caller, problem, reply
from wardline.serving.state import State
from wardline.serving.watchman import detail
from wardline.settings import Settings

Answer = Callable[[], Reply]


class Endpoint:
    """A GET that only tells: an ASGI app from a function that makes the reply."""

    def __init__(self, answer: Answer, metrics: Counts) -> None:
        self._answer = answer
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        answer = self._answer()
        self._metrics.responded(answer.status)
        await answer.send(send, caller(scope))


class Scraped:
    """The page of metrics of one gate or of several, in the form the scraper asks for."""

    def __init__(self, metrics: Sequence[Metrics], counts: Counts) -> None:
        self._metrics = metrics
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it; the counts are taken on the loop, which changes them, and written out in a thread."""
        asked = any(
            name == b"accept" and b"application/openmetrics-text" in value for name, value in scope["headers"]
        )
        families = [each.families() for each in self._metrics]
        page = await asyncio.to_thread(written, families, openmetrics=asked)
        self._counts.responded(200)
        kind = OPENMETRICS if asked else CONTENT_TYPE
        await Reply(200, page, content_type=kind).send(send, caller(scope))


class Sent:
    """A reply as the response object that an exception handler returns."""

    def __init__(self, answer: Reply, who: Caller) -> None:
        self._answer = answer
        self._who = who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await self._answer.send(send, self._who)


def app(gate: Gate, settings: Settings | None = None, *, under: str = "") -> Served:
    """Return the ASGI app that serves a gate; its lifespan opens and closes it.

    `uvicorn.run(app(gate))` is enough for a test or a notebook; many gates in one process are
    `serving.several`, which puts each `under` a path. The app's `state.gates` has the gate's State.
    """
    settings = settings or Settings.from_env()
    metrics = Metrics(gate, settings.home)
    state = State(gate, settings, metrics, under=under)
    kept = {"/labels": late.labels(state), "/metrics-business": late.figures(state)}
    state.closers += [endpoint.close for endpoint in kept.values()]
    handler = exception_handler(metrics, "predictions are POST /predict")
    served = Served(
        state,
        _routes(state, kept),
        {"/predict": {}, f"/v2/models/{gate.name}/infer": {"name": gate.name}},
        lifespan=lifespan([state], settings.serving),
        exception_handlers={HTTPException: handler, Exception: handler},
    )
    served.state.gates = (state,)
    return served


def _routes(state: State, kept: Mapping[str, ASGIApp]) -> list[Route]:
    """Return every route of the server, each with what it is for: that decides who may use it."""
    route, gate, metrics = state.doors.route, state.gate, state.metrics

    def readyz() -> Reply:
        found = readiness(state)
        return reply(200 if found["ready"] else 503, found)

    def tells(path: str, answer: Answer, access: Access) -> Route:
        return route(path, Endpoint(answer, metrics), access)

    found = [
        route("/predict", Predict(state), Access.PREDICT, "POST"),
        *v2.routes(state),
        *(route(path, page, Access.OPERATE) for path, page in pages.pages(state).items()),
        *(route(path, endpoint, Access.OPERATE, "POST") for path, endpoint in kept.items()),
        tells("/livez", lambda: reply(200, {"status": "alive"}), Access.PROBE),
        tells("/readyz", readyz, Access.PROBE),
        tells(
            "/schema.json", lambda: reply(200, {"title": gate.name, **gate.contract.schema()}), Access.PREDICT
        ),
        route("/metrics", Scraped([metrics], metrics), Access.OPERATE),
        tells(
            "/openapi.json", lambda: reply(200, openapi.document(gate, found, state.under)), Access.PREDICT
        ),
    ]
    return found


def readiness(state: State) -> dict[str, Any]:
    """Say whether a gate is ready, what is wrong, and how its monitor does."""
    problems = state.problems()
    return {"ready": not problems, "problems": problems, "monitor": detail(state.opened)}


def exception_handler(metrics: Counts, instead: str) -> Any:
    """Return the handler for paths and methods that are not served, and for faults outside /predict."""

    async def refuse(request: Request, error: Exception) -> Sent:
        status = error.status_code if isinstance(error, HTTPException) else 500
        metrics.responded(status)
        sentence = {
            404: f"there is nothing here: {instead}",
            405: f"{request.method} is not for this path",
        }.get(status, "the server failed on this request; it has been logged")
        who = caller(request.scope)
        return Sent(problem(status, sentence, who), who)

    return refuse
