"""`GET /openapi.json`: the HTTP surface in OpenAPI 3.1, made of the routes served and of the contract.

Paths and methods are the app's own; here stands only what they take and answer. A route that is not
described here is published all the same, and a test says so.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.routing import BaseRoute, Route

from wardline.gate import Gate
from wardline.tensors import NUMERIC

Json = dict[str, Any]

PAGES = "/ui"
"""What is for people to look at, and no interface for programs."""

_ANY: Json = {"type": "object"}
_ROWS = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}, "minItems": 1}
_STAMP = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}
_SHAPE = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_TENSOR: Json = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "shape": _SHAPE,
        "datatype": {"enum": [*NUMERIC, "BYTES"]},
        "data": {"type": "array"},
        "parameters": _ANY,
    },
    "required": ["name", "shape", "datatype", "data"],
}
_INFER: Json = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "parameters": _ANY,
        "inputs": {"type": "array", "items": _TENSOR, "minItems": 1},
        "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    },
    "required": ["inputs"],
}
_LABELS: Json = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "request_id": {"type": "string", "minLength": 1},
            "label": {"anyOf": [{"type": "number"}, {"type": "string"}]},
            "observed_at": _STAMP,
        },
        "required": ["request_id", "label"],
    },
}
_FIGURES: Json = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "metric": {"type": "string", "minLength": 1},
            "value": {"type": "number"},
            "at": _STAMP,
        },
        "required": ["metric", "value"],
    },
}
_PROBLEM: Json = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "error": {"type": "string", "minLength": 1},
        "request_id": {"type": "string", "minLength": 1},
        "trace_id": {"type": "string"},
        "action": {"type": "string"},
    },
    "required": ["title", "status", "error", "request_id", "action"],
}
_REFUSED = {
    "401": "a key is asked for",
    "403": "not for this caller",
    "400": "the body cannot be read as what is expected here",
    "404": "no such model or version",
    "408": "the body did not come in time",
    "413": "too large, or too many rows",
    "422": "the input breaks its contract",
    "429": "too many requests in flight",
    "503": "not ready, or not recorded",
    "504": "no rung answered within its deadline",
}
_BODIES: Mapping[str, Json] = {
    "/predict": {
        "anyOf": [
            {"$ref": "#/components/schemas/Row"},
            {
                "type": "object",
                "properties": {"rows": _ROWS},
                "required": ["rows"],
                "additionalProperties": False,
            },
        ]
    },
    "/labels": _LABELS,
    "/metrics-business": _FIGURES,
}
_TOLD: Mapping[str, str] = {
    "/predict": "Answer one row, a batch of rows or a picture, and say how far the answer may be trusted.",
    "/labels": "Keep what turned out to be true of earlier answers.",
    "/metrics-business": "Keep business figures.",
    "/livez": "Whether the process turns.",
    "/readyz": "Whether predictions may be asked for.",
    "/metrics": "Counters in Prometheus' text format.",
    "/schema.json": "The contract of a row.",
    "/openapi.json": "This document.",
    "/v2": "Open Inference Protocol: the server.",
    "/v2/health/live": "Open Inference Protocol: whether the process turns.",
    "/v2/health/ready": "Open Inference Protocol: whether predictions may be asked for.",
}
_V2_MODEL: Mapping[str, str] = {
    "": "Open Inference Protocol: what the model takes and answers.",
    "/ready": "Open Inference Protocol: whether the model may be asked.",
    "/infer": "Open Inference Protocol: answer a batch; the verdict travels in `parameters`.",
}


def document(gate: Gate, routes: Iterable[BaseRoute], under: str = "") -> Json:
    """Return the OpenAPI document of a gate that is served on these routes, all of them `under` a path."""
    row, parts = _contract(gate)
    paths: Json = {}
    for route in routes:
        if isinstance(route, Route) and route.methods and not route.path.startswith(PAGES):
            operations = paths.setdefault(route.path, {})
            for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
                operations[method.lower()] = _operation(route.path, method, gate)
    return {
        "openapi": "3.1.0",
        "info": {"title": gate.name, "version": importlib.metadata.version("wardline")},
        **({"servers": [{"url": under}]} if under else {}),
        "paths": paths,
        "components": {"schemas": {"Row": row, "Problem": _PROBLEM, **parts}},
    }


def described(path: str) -> str:
    """Say in a sentence what a path does; empty for one that nobody described."""
    asked = _of_model(path)
    return _TOLD.get(path, "") if asked is None else _V2_MODEL.get(asked, "")


def _of_model(path: str) -> str | None:
    """Return what a path asks of a V2 model: nothing (its metadata), `/ready` or `/infer`."""
    for start in ("/v2/models/{name}/versions/{version}", "/v2/models/{name}"):
        if path.startswith(start):
            return path[len(start) :]
    return None


def _operation(path: str, method: str, gate: Gate) -> Json:
    problem = {"$ref": "#/components/schemas/Problem"}
    kinds = ("text/plain", "application/openmetrics-text") if path == "/metrics" else ("application/json",)
    found: Json = {
        "summary": described(path),
        "responses": {
            "200": {"description": "answered", "content": {kind: {} for kind in kinds}},
            **{
                status: {
                    "description": why,
                    "content": {"application/problem+json": {"schema": problem}},
                }
                for status, why in _REFUSED.items()
            },
        },
    }
    if path.endswith(("/readyz", "/ready")):
        found["responses"]["503"]["content"] = {"application/json": {}}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in (("name", {"const": gate.name}), ("version", {"type": "string", "minLength": 1}))
        if "{" + name + "}" in path
    ]
    if parameters:
        found["parameters"] = parameters
    if method == "POST":
        body = _BODIES.get(path) or (_INFER if _of_model(path) == "/infer" else _ANY)
        found["requestBody"] = {"required": True, "content": _content(path, body, gate)}
    return found


def _content(path: str, body: Json, gate: Gate) -> Json:
    content: Json = {"application/json": {"schema": body}}
    if path == "/predict" and gate.contract.pictures:
        raw = {"schema": {"type": "string", "format": "binary"}}
        file = {"type": "object", "properties": {"file": raw["schema"]}, "required": ["file"]}
        content |= {f"image/{kind}": raw for kind in ("jpeg", "png", "webp")}
        content["multipart/form-data"] = {"schema": file}
    return content


def _contract(gate: Gate) -> tuple[Json, Json]:
    """Return the contract's schema and its parts, with references as OpenAPI writes them."""
    text = json.dumps(gate.contract.schema(), default=str).replace('"#/$defs/', '"#/components/schemas/')
    row: Json = json.loads(text)
    return row, row.pop("$defs", {})
