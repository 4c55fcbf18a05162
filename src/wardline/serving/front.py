"""The front: what stands between a connection and the endpoints, and the way past it for predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette._utils import get_route_path
from starlette.applications import Starlette
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wardline.serving.state import State


class Served(Starlette):
    """The gate's app: predictions go to their endpoint straight, all else by Starlette's routing.

    Routing, and the two layers that catch what an endpoint raises, cost a tenth of a request. An endpoint of
    predictions answers whatever goes wrong itself, and needs neither.
    """

    def __init__(
        self,
        state: State,
        routes: Sequence[Route],
        predictions: Mapping[str, Mapping[str, str]],
        **kwargs: Any,
    ) -> None:
        """Serve the `routes` of a gate; `predictions` has the parameters of each path they are posted to."""
        super().__init__(routes=routes, **kwargs)
        self._predictions: dict[str, tuple[Route, Mapping[str, str]]] = {}
        for path, parameters in predictions.items():
            scope = {"type": "http", "method": "POST", "path": path, "root_path": "", "headers": []}
            route = next(each for each in routes if each.matches(scope)[0] is Match.FULL)
            self._predictions[path] = route, parameters
        self.rooms: Mapping[bytes, State] = dict.fromkeys(map(str.encode, self._predictions), state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] == "http" and scope["method"] == "POST" and not self.user_middleware:
            path = scope["path"] if not scope["root_path"] else get_route_path(scope)
            if path in self._predictions:
                scope["route"], scope["path_params"] = route, _ = self._predictions[path]
                await route.app(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


class Together(Starlette):
    """The app of several gates: predictions go to their gate's app straight, all else by routing."""

    def __init__(self, apps: Mapping[str, Served], **kwargs: Any) -> None:
        """Serve each app under `/gates/NAME`, and its model of the Open Inference Protocol at the root."""
        super().__init__(**kwargs)
        self._ways: dict[str, tuple[Served, str]] = {}
        self.rooms: dict[bytes, State] = {}
        for name, app in apps.items():
            under = f"/gates/{name}"
            for path, state in app.rooms.items():
                ways = [(under + path.decode(), under)]
                ways += [(path.decode(), "")] if path.startswith(b"/v2/models/") else []
                for whole, root in ways:
                    self._ways[whole] = app, root
                    self.rooms[whole.encode()] = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] == "http" and scope["method"] == "POST" and not self.user_middleware:
            root = scope["root_path"]
            app, under = self._ways.get(get_route_path(scope) if root else scope["path"], (None, ""))
            if app is not None:
                if under:  # as a mount leaves it
                    scope["app_root_path"], scope["root_path"] = (
                        scope.get("app_root_path", root),
                        root + under,
                    )
                await app(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def rooms(app: ASGIApp) -> Mapping[bytes, State]:
    """Return which gate's room each path of predictions needs; none where the app is another's."""
    served = getattr(app, "app", app)
    return served.rooms if isinstance(served, Served | Together) else {}


class Front:
    """Middleware that answers every HTTP request itself: the framework's own pages are not for callers.

    A mounted app comes behind the framework's probes, schema and metrics, which speak for the framework
    and not for the gate. As the service's middleware ours come first.
    """

    def __init__(self, app: ASGIApp, served: ASGIApp) -> None:
        self._app = app
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer HTTP; leave the lifespan to the framework."""
        await (self._served if scope["type"] == "http" else self._app)(scope, receive, send)


_FRAMEWORK = {"bentoml", "_bentoml_impl", "opentelemetry"}


def straight(app: ASGIApp) -> ASGIApp:
    """Return the gate's app where a `Front` hands it every request anyway, else what was given.

    BentoML's own layers before ours are for its endpoints: spans, which are off, and a limit of time, where
    the gate has several. A layer that somebody else put there stays.
    """
    outer = getattr(app, "app", app)  # uvicorn's layer for proxies: nothing here reads what it writes
    for layer in getattr(outer, "user_middleware", ()):
        if layer.cls is Front:
            served: ASGIApp = layer.kwargs["served"]
            return served
        if layer.cls.__module__.partition(".")[0] not in _FRAMEWORK:
            break
    return app
