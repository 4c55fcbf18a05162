"""The Open Inference Protocol (V2) over HTTP: a client written for another server works unchanged.

docs/v2.md maps the protocol to the gate.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from wardline.contract import Admitted
from wardline.errors import PayloadError
from wardline.gate import OpenGate
from wardline.record import Records, verdict_of
from wardline.serving import outline
from wardline.serving.access import Access
from wardline.serving.admission import deadline_of
from wardline.serving.bodies import from_headers, read_body
from wardline.serving.predict import Predict, all_shed, rejected, unanswered
from wardline.serving.replies import Caller, Reply, caller, problem, reply
from wardline.serving.state import State
from wardline.serving.v2_inputs import Inputs
from wardline.serving.v2_outputs import Outputs, message, parameters_of_many, parameters_of_one
from wardline.tensors import InferRequest, InferResponse, Tensor, request_of
from wardline.verdict import Action

_HEADER = b"inference-header-content-length"
_EXTENSIONS = ["binary_tensor_data"]
_BINARY = b"application/octet-stream"

Wanted = dict[str, bool]


class Asked(NamedTuple):
    """A request, and which outputs it asks for in which form."""

    request: InferRequest
    wanted: Wanted


def routes(state: State) -> list[Route]:
    """Return the protocol's routes for the gate that is served."""
    models = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
    infer, ready = Infer(state), Tell(state, partial(_ready, state, {"name": state.gate.name}))
    metadata, route = Tell(state, partial(_metadata, state)), state.doors.route
    return [
        *(route(path + "/infer", infer, Access.PREDICT, "POST") for path in models),
        *(route(path + "/ready", ready, Access.PREDICT) for path in models),
        *(route(path, metadata, Access.PREDICT) for path in models),
        route("/v2", Tell(state, server), Access.PREDICT),
        route("/v2/health/live", Tell(state, _live), Access.PROBE),
        route("/v2/health/ready", Tell(state, partial(_ready, state, {})), Access.PROBE),
    ]


def version_of(state: State) -> str:
    """Name the version that is served: the last part of the primary's `model/version`."""
    return "" if state.opened is None else state.opened.schema.models[0].rpartition("/")[2]


def unknown(state: State, scope: Scope) -> str:
    """Say which model or version of the path is not served; empty where it is."""
    path = scope["path_params"]
    if path.get("name", state.gate.name) != state.gate.name:
        return f"there is no model {path['name'][:80]!r} here: this is {state.gate.name!r}"
    version = path.get("version")
    if version is not None and state.opened is not None and version != version_of(state):
        return f"there is no version {version[:80]!r} of {state.gate.name}: this is {version_of(state)!r}"
    return ""


class Tell:
    """A GET of the protocol; what is asked of a model that is not served is a 404."""

    def __init__(self, state: State, answer: Callable[[], Reply]) -> None:
        self._state = state
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        who = caller(scope)
        missing = unknown(self._state, scope)
        answer = problem(404, missing, who) if missing else self._answer()
        self._state.metrics.responded(answer.status)
        await answer.send(send, who)


def server() -> Reply:
    """Tell what serves."""
    version = importlib.metadata.version("wardline")
    return reply(200, {"name": "wardline", "version": version, "extensions": _EXTENSIONS})


def _live() -> Reply:
    return reply(200, {"live": True})


def _ready(state: State, of: dict[str, Any]) -> Reply:
    problems = state.problems()
    why = {"error": "; ".join(problems)} if problems else {}
    return reply(503 if problems else 200, {**of, "ready": not problems, **why})


def _metadata(state: State) -> Reply:
    versions = [version_of(state)] if state.opened is not None else []
    return reply(
        200,
        {
            "name": state.gate.name,
            "versions": versions,
            "platform": "wardline",
            "inputs": Inputs.of(state.gate.contract).metadata(),
            "outputs": Outputs.of(state.gate).metadata(),
        },
    )


class Infer(Predict):
    """`POST .../infer`: admitted, limited and recorded as `/predict` is, because it is the same endpoint."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._inputs = Inputs.of(state.gate.contract)
        self._outputs = Outputs.of(state.gate)

    async def _answer(self, scope: Scope, receive: Receive, who: Caller) -> Reply:
        gate = self._state.opened
        if missing := unknown(self._state, scope):
            return problem(404, missing, who)
        if gate is None or (problems := gate.problems()):
            reason = "; ".join(self._state.problems()) if gate is None else "; ".join(problems)
            return problem(503, f"not ready: {reason}", who)
        until = deadline_of(scope, self._limits.max_timeout_ms)
        header_length = _header_length(scope)
        body = await read_body(scope, receive, self._limits)
        asked: list[Asked] = []
        headers = from_headers(scope, gate.gate.contract)
        admit = partial(self._admit, asked, body, header_length, headers, gate.clock)
        records = await self._walk(gate, admit, len(body), who=who, until=until, receive=receive)
        answer = self._many if records.batch else self._one
        return answer(gate, *asked[0], records, who)

    def _admit(
        self,
        asked: list[Asked],
        body: bytes,
        header_length: int | None,
        headers: Mapping[str, str],
        clock: Callable[[], float],
    ) -> Admitted:
        """Read the request where the path is walked: a large one in its thread. Leave it in `asked`."""
        outline.check(body[:header_length], deepest=self._limits.max_depth, most=self._limits.max_rows)
        request, flats = request_of(body, header_length)
        _refuse_shared_memory(request.inputs)
        asked.append(Asked(request, self._outputs.wanted(request)))
        given = {**headers, **self._inputs.told(request.parameters or {})}
        return self._inputs.admission(request.inputs, flats, self._limits.max_rows, given)(clock())

    def _one(
        self, gate: OpenGate, request: InferRequest, wanted: Wanted, records: Records, who: Caller
    ) -> Reply:
        verdict = verdict_of(records, gate.schema, 0)
        if verdict.action is Action.REJECT:
            return rejected(verdict, who, status=400)
        if (refusal := unanswered(verdict, gate, who)) is not None:
            return refusal
        response = self._response(gate, request, parameters_of_one(verdict))
        return _sent(message(response, self._outputs, self._outputs.one(verdict), wanted, 1), verdict.action)

    def _many(
        self, gate: OpenGate, request: InferRequest, wanted: Wanted, records: Records, who: Caller
    ) -> Reply:
        if (shed := all_shed(records, gate, who)) is not None:
            return shed
        parameters = parameters_of_many(records, gate.schema)
        response = self._response(gate, request, parameters)
        columns = self._outputs.many(records)
        return _sent(message(response, self._outputs, columns, wanted, len(records)), parameters["action"])

    def _response(self, gate: OpenGate, request: InferRequest, parameters: dict[str, Any]) -> InferResponse:
        return InferResponse(gate.gate.name, [], version_of(self._state), request.id, parameters)


def _sent(written: tuple[bytes, int | None], action: str) -> Reply:
    body, header_length = written
    if header_length is None:
        return Reply(200, body, action)
    return Reply(200, body, action, _BINARY, ((_HEADER, str(header_length).encode()),))


def _header_length(scope: Scope) -> int | None:
    """Read how long the JSON is where binary data follows it."""
    length = None
    for name, value in scope["headers"]:
        if name == _HEADER:
            if not value.isdigit() or len(value) > 18:
                raise PayloadError(f"inference-header-content-length {value[:40]!r} is no length")
            length = int(value)
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise PayloadError(f"content-encoding {value[:40].decode('latin-1')} is not taken: send it plain")
    return length


def _refuse_shared_memory(inputs: Sequence[Tensor]) -> None:
    for tensor in inputs:
        if tensor.parameters and "shared_memory_region" in tensor.parameters:
            raise PayloadError("shared memory is not offered here: send the data")
