"""Several gates in one process: each at `/gates/NAME` as if it were alone; probes and metrics of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wardline.errors import DeclarationError
from wardline.gate import Gate
from wardline.serving import v2
from wardline.serving.access import Access, Doors
from wardline.serving.app import Answer, Endpoint, Scraped, app, exception_handler, readiness
from wardline.serving.front import Together
from wardline.serving.lifespan import lifespan
from wardline.serving.replies import Reply, caller, problem, reply
from wardline.serving.state import State
from wardline.settings import Settings
from wardline.ui.gates import Shown, gates_page
from wardline.ui.html import POLICY, STYLE


def several(gates: Sequence[Gate], settings: Settings | None = None) -> Starlette:
    """Return the ASGI app that serves these gates side by side.

    Choose it where many small models would each leave a process idle; a process each isolates them better.
    A gate keeps its own log, metrics, slots, threads and health: one that does not open, or may not answer
    now, answers 503 under its own path and makes the whole server not ready, while the others go on
    answering. `/v2/models/NAME` chooses the gate by its name. Raises DeclarationError where two gates have
    one name.
    """
    settings = settings or Settings.from_env()
    names = [gate.name for gate in gates]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DeclarationError(f"two gates are called {twice!r}: their records would be mixed")
    apps = {gate.name: app(gate, settings, under=f"/gates/{gate.name}") for gate in gates}
    states = [state for each in apps.values() for state in each.state.gates]
    instead = f"predictions are POST /gates/NAME/predict, NAME being {', '.join(names)}"
    handler = exception_handler(Uncounted(), instead)
    served = Together(
        apps,
        routes=[*_of_all(states, apps, settings), *(Mount(f"/gates/{name}", apps[name]) for name in names)],
        lifespan=lifespan(states, settings.serving),
        exception_handlers={HTTPException: handler, Exception: handler},
    )
    served.state.gates = tuple(states)
    return served


class Uncounted:
    """Counts nothing: what is about the whole server is no gate's response."""

    def responded(self, status: int, action: str = "none") -> None:
        """Let it pass."""


class ByModel:
    """The Open Inference Protocol's models: the gate that the path names answers as it would alone."""

    def __init__(self, apps: Mapping[str, ASGIApp], doors: Doors) -> None:
        self._apps = apps
        self._unknown = doors.door(self._say_unknown, Access.PREDICT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        await self._apps.get(scope["path_params"]["name"], self._unknown)(scope, receive, send)

    async def _say_unknown(self, scope: Scope, receive: Receive, send: Send) -> None:
        who, name = caller(scope), scope["path_params"]["name"][:80]
        there = f"there is no model {name!r} here: there are {', '.join(self._apps)}"
        await problem(404, there, who).send(send, who)


def _of_all(states: Sequence[State], apps: Mapping[str, ASGIApp], settings: Settings) -> list[BaseRoute]:
    """Return the routes that are about all gates."""
    doors = Doors(settings.keys, Uncounted())
    route = doors.route

    def ready(of: dict[str, Any]) -> Reply:
        return reply(200 if all(not state.problems() for state in states) else 503, of)

    def readyz() -> Reply:
        found = {state.gate.name: readiness(state) for state in states}
        return ready({"ready": all(each["ready"] for each in found.values()), "gates": found})

    def v2_ready() -> Reply:
        return ready({"ready": not any(state.problems() for state in states)})

    def tells(path: str, answer: Answer, access: Access) -> BaseRoute:
        return route(path, Endpoint(answer, Uncounted()), access)

    return [
        tells("/livez", lambda: reply(200, {"status": "alive"}), Access.PROBE),
        tells("/readyz", readyz, Access.PROBE),
        tells("/v2", v2.server, Access.PREDICT),
        tells("/v2/health/live", lambda: reply(200, {"live": True}), Access.PROBE),
        tells("/v2/health/ready", v2_ready, Access.PROBE),
        Route("/v2/models/{name}{rest:path}", ByModel(apps, doors)),  # the gate's own door asks for the key
        route("/metrics", Scraped([state.metrics for state in states], Uncounted()), Access.OPERATE),
        tells("/ui/", lambda: _listed(states), Access.OPERATE),
        tells("/ui/style.css", lambda: Reply(200, STYLE, content_type=b"text/css"), Access.OPERATE),
    ]


def _listed(states: Sequence[State]) -> Reply:
    shown = []
    for state in states:
        told, owner = readiness(state), state.gate.owner
        alerts = told["monitor"].get("alerts", {})
        shown.append(
            Shown(
                state.gate.name, state.under, "" if owner is None else owner.team, told["problems"],
                told["monitor"]["state"], {str(name): int(count) for name, count in alerts.items()},
            )
        )  # fmt: skip
    return Reply(200, gates_page(shown), content_type=b"text/html; charset=utf-8", policy=POLICY.encode())
