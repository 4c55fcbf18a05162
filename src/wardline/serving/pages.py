"""`/ui/`: the pages, behind the same server; files are read in a thread, never on the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from wardline import opening
from wardline.log.summary import Summary, summarise
from wardline.monitor import journal
from wardline.serving.replies import Reply, caller
from wardline.serving.state import State
from wardline.tracing.frames import ATTRIBUTE, picture
from wardline.tracing.place import placed
from wardline.tracing.read import Wanted, features, find, findings, traces
from wardline.tracing.trace import Trace
from wardline.ui.alerts import alert_list, newest
from wardline.ui.detail import detail
from wardline.ui.html import POLICY, STYLE, UNDER, page
from wardline.ui.listing import listing, wanted
from wardline.ui.overview import overview

_SHOWN, _NEAR = 200, 2000  # traces on a page, and looked through for neighbours
_HTML = b"text/html; charset=utf-8"
_FRESH_S = 10.0
_LARGE = 256 * 1024 * 1024  # bytes of log from which the overview tells of the last hour only

Make = Callable[[dict[str, str], str], Reply]


class Page:
    """A page, made in a thread from the query and the last part of the path."""

    def __init__(self, state: State, make: Make) -> None:
        self._state = state
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        who = caller(scope)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        UNDER.set(self._state.under)
        answer = await asyncio.to_thread(self._make, query, scope["path"].rpartition("/")[2])
        self._state.metrics.responded(answer.status)
        await answer.send(send, who)


def pages(state: State) -> dict[str, Page]:
    """Return the pages by their paths."""
    made = _Pages(state)
    return {
        "/ui/": Page(state, made.overview),
        "/ui/traces": Page(state, made.listing),
        "/ui/traces/{trace_id}": Page(state, made.detail),
        "/ui/style.css": Page(state, lambda *_: Reply(200, STYLE, content_type=b"text/css")),
    }


class _Pages:
    def __init__(self, state: State) -> None:
        self._state = state
        self._home = state.settings.home / state.gate.name
        self._kept: tuple[float, Summary, str] | None = None

    def overview(self, query: dict[str, str], last: str) -> Reply:
        gate, opened = self._state.gate, self._state.opened
        model = "not open" if opened is None else opened.chain.rungs[0].opened.version
        identity = opening.identity(gate, model, None if opened is None else opened.reference)
        owner = "nobody" if gate.owner is None else f"{gate.owner.team}, pages {gate.owner.page}"
        guarded = {
            **identity, "chain": " → ".join([*gate.chain.names, "abstain"]),
            "guards": ", ".join(guard.name for guard in gate.guards) or "none", "owner": owner,
            "not ready": "; ".join(self._state.problems()) or "no: it answers",
        }  # fmt: skip
        told, window = self._told()
        alerts = alert_list(newest(self._home / journal.NAME), self._home / "traces")
        return _page(overview(gate.name, guarded, told, window, alerts))

    def listing(self, query: dict[str, str], last: str) -> Reply:
        found = list(islice(traces(self._home / "traces", wanted(query, datetime.now(UTC))), _SHOWN + 1))
        return _page(listing(self._state.gate.name, found[:_SHOWN], query, len(found) > _SHOWN))

    def detail(self, query: dict[str, str], last: str) -> Reply:
        directory = self._home / "traces"
        trace = find(directory, last)
        if trace is None:
            return _page(
                page("No such trace", self._state.gate.name, "It was not kept, or is no longer."), 404
            )
        opened = self._state.opened
        profiles = {} if opened is None or opened.reference is None else opened.reference.features
        subjects = [str(event.attributes.get("wardline.finding.subject", "")) for event in findings(trace)]
        near, like = _neighbours(trace)
        same = [each.trace_id for each in islice(traces(directory, near), _NEAR)]
        at = same.index(trace.trace_id) if trace.trace_id in same else -1
        newer = same[at - 1] if at > 0 else ""
        older = same[at + 1] if 0 <= at < len(same) - 1 else ""
        told = placed(features(trace), profiles, subjects)
        small = picture(directory, trace.root.attributes.get(ATTRIBUTE))
        return _page(
            detail(self._state.gate.name, trace, told, older=older, newer=newer, like=like, picture=small)
        )

    def _told(self) -> tuple[Summary, str]:
        """Summarise the log of today, or of the last hour where it is large; at most every few seconds."""
        now = time.monotonic()
        if self._kept is None or now - self._kept[0] > _FRESH_S:
            directory = self._home / "records"
            size = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
            hours, window = (1, "in the last hour") if size > _LARGE else (24, "in the last 24 hours")
            told = summarise(directory, datetime.now(UTC) - timedelta(hours=hours))
            self._kept = now, told, window
        return self._kept[1:]


def _neighbours(trace: Trace) -> tuple[Wanted, str]:
    """Say which traces are neighbours: those of its camera, else of its first slice, else all."""
    given = trace.root.attributes
    camera = str(given.get("wardline.camera", ""))
    if camera:
        return Wanted(camera=camera), f"of camera {camera}"
    for name, value in given.items():
        if name.startswith("wardline.slice."):
            column = name.removeprefix("wardline.slice.")
            return Wanted(slice=(column, str(value))), f"with {column} {value}"
    return Wanted(), ""


def _page(body: bytes, status: int = 200) -> Reply:
    return Reply(status, body, content_type=_HTML, policy=POLICY.encode())
