"""The HTTP surface: the routes, under BentoML or under plain uvicorn alike."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wardline.gate import Gate
from wardline.serving import late, openapi, pages, v2
from wardline.serving.access import Access
from wardline.serving.drain import drain_first
from wardline.serving.lifeline import SUPERVISED, hold
from wardline.serving.metrics import CONTENT_TYPE, OPENMETRICS, Metrics, written
from wardline.serving.predict import Predict
from wardline.serving.replies import Caller, Reply, caller, problem, reply
from wardline.serving.state import State
from wardline.serving.watchman import detail
from wardline.settings import Settings

Answer = Callable[[], Reply]


class Endpoint:
    """A GET that only tells: an ASGI app from a function that makes the reply."""

    def __init__(self, answer: Answer, metrics: Metrics) -> None:
        self._answer = answer
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        answer = self._answer()
        self._metrics.responded(answer.status)
        await answer.send(send, caller(scope))


class Scraped:
    """The page of metrics, in the form the scraper asks for."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it; the counts are taken on the loop, which changes them, and written out in a thread."""
        asked = any(
            name == b"accept" and b"application/openmetrics-text" in value for name, value in scope["headers"]
        )
        page = await asyncio.to_thread(written, self._metrics.families(), openmetrics=asked)
        self._metrics.responded(200)
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


def app(gate: Gate, settings: Settings | None = None) -> Starlette:
    """Return the ASGI app that serves a gate; its lifespan opens and closes it.

    `uvicorn.run(app(gate))` is enough for a test or a notebook. The app's `state.wardline` is the State.
    """
    settings = settings or Settings.from_env()
    metrics = Metrics(gate, settings.home)
    state = State(gate, settings, metrics)
    kept = {"/labels": late.labels(state), "/metrics-business": late.figures(state)}

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if state.opened is None:
            await asyncio.to_thread(state.open)
        tasks = [asyncio.create_task(metrics.tick()), asyncio.create_task(state.keep_opening())]
        if SUPERVISED in os.environ:
            tasks.append(asyncio.create_task(hold(state, settings.serving.stuck_s)))
        drain_first(state, settings.serving.drain_s)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.to_thread(state.close)
        for endpoint in kept.values():
            await asyncio.to_thread(endpoint.close)

    handler = _refusal(metrics)
    served = Starlette(
        routes=_routes(state, kept),
        lifespan=lifespan,
        exception_handlers={HTTPException: handler, Exception: handler},
    )
    served.state.wardline = state
    return served


def _routes(state: State, kept: Mapping[str, ASGIApp]) -> list[Route]:
    """Return every route of the server, each with what it is for: that decides who may use it."""
    route, gate, metrics = state.doors.route, state.gate, state.metrics

    def readyz() -> Reply:
        problems = state.problems()
        return reply(
            503 if problems else 200,
            {"ready": not problems, "problems": problems, "monitor": detail(state.opened)},
        )

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
        route("/metrics", Scraped(metrics), Access.OPERATE),
        tells("/openapi.json", lambda: reply(200, openapi.document(gate, found)), Access.PREDICT),
    ]
    return found


def _refusal(metrics: Metrics) -> Any:
    """Return the handler for paths and methods that are not served, and for faults outside /predict."""

    async def refuse(request: Request, error: Exception) -> Sent:
        status = error.status_code if isinstance(error, HTTPException) else 500
        metrics.responded(status)
        sentence = {
            404: "there is nothing here: predictions are POST /predict",
            405: f"{request.method} is not for this path",
        }.get(status, "the server failed on this request; it has been logged")
        who = caller(request.scope)
        return Sent(problem(status, sentence, who), who)

    return refuse


class Front:
    """Middleware that answers every HTTP request itself: the framework's own pages are not for callers.

    A mounted app comes behind the framework's probes, schema and metrics, which speak for the framework
    and not for the gate. As the service's middleware ours come first.
    """

    def __init__(self, app: ASGIApp, served: Starlette) -> None:
        self._app = app
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer HTTP; leave the lifespan to the framework."""
        await (self._served if scope["type"] == "http" else self._app)(scope, receive, send)
