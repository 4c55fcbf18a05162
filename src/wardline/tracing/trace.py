"""A trace as plain values, and its two written forms: OTLP JSON lines and OTLP protobuf."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

SCOPE = "wardline"
ERROR = 2  # OTLP's status code of a span that failed
_encode = msgspec.json.Encoder().encode
_NAMED = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
INTERNAL, SERVER, CLIENT = 1, 2, 3  # OTLP's span kinds

# What waits to be sent is no cycle, and not for Python's collector to walk through: hence `gc=False`.
Value = str | bool | int | float | list[str] | list[float]


class Event(msgspec.Struct, gc=False):
    """Something that was noted at one moment of a span; `time` in nanoseconds since the epoch."""

    name: str
    time: int
    attributes: dict[str, Value]


class Span(msgspec.Struct, gc=False):
    """One stretch of work; `start` and `end` in nanoseconds since the epoch. `error` says what failed."""

    name: str
    span_id: str
    parent_id: str
    start: int
    end: int
    attributes: dict[str, Value]
    events: list[Event] = []
    error: str = ""
    kind: int = INTERNAL


class Trace(msgspec.Struct, gc=False):
    """The spans of one request, the root first, and who made them."""

    trace_id: str
    spans: list[Span]
    resource: Mapping[str, Value]
    tracestate: str = ""

    @property
    def root(self) -> Span:
        """The span of the whole request."""
        return self.spans[0]


def line(trace: Trace) -> bytes:
    """Write a trace as one line of OTLP JSON, the format of OpenTelemetry's file exporter."""
    spans = [_json_span(trace, span) for span in trace.spans]
    return _encode(
        {"resourceSpans": [{
            "resource": _json_resource(trace.resource),
            "scopeSpans": [{"scope": {"name": SCOPE}, "spans": spans}],
        }]}
    ) + b"\n"  # fmt: skip


def parse(text: bytes) -> Trace:
    """Read a line that `line` wrote. Raises ValueError (msgspec's too) where it is something else."""
    try:
        resource = msgspec.json.decode(text)["resourceSpans"][0]
        spans = resource["scopeSpans"][0]["spans"]
        return Trace(
            spans[0]["traceId"], [_span_of(span) for span in spans],
            _attributes_of(resource["resource"]["attributes"]), spans[0].get("traceState", ""),
        )  # fmt: skip
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"not a trace: {error!r}") from error


def request(traces: Iterable[Trace]) -> Any:
    """Return traces as OTLP's ExportTraceServiceRequest, one resource for each run of equal ones."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - for those who export
        ExportTraceServiceRequest,
    )

    made = ExportTraceServiceRequest()
    resource, spans = None, None
    for trace in traces:
        if spans is None or trace.resource != resource:
            resource = trace.resource
            group = made.resource_spans.add()
            _fill(group.resource.attributes, resource)
            scope = group.scope_spans.add()
            scope.scope.name = SCOPE
            spans = scope.spans
        trace_id = bytes.fromhex(trace.trace_id)
        for span in trace.spans:
            _fill_span(spans.add(), trace_id, trace.tracestate, span)
    return made


def _fill_span(made: Any, trace_id: bytes, tracestate: str, span: Span) -> None:
    made.trace_id, made.span_id = trace_id, bytes.fromhex(span.span_id)
    made.parent_span_id, made.trace_state = bytes.fromhex(span.parent_id), tracestate
    made.name, made.kind = span.name, span.kind
    made.start_time_unix_nano, made.end_time_unix_nano = span.start, span.end
    _fill(made.attributes, span.attributes)
    for event in span.events:
        noted = made.events.add()
        noted.name, noted.time_unix_nano = event.name, event.time
        _fill(noted.attributes, event.attributes)
    if span.error:
        made.status.code, made.status.message = ERROR, span.error


def _fill(made: Any, attributes: Mapping[str, Value]) -> None:
    for key, value in attributes.items():
        each = made.add()
        each.key = key
        if isinstance(value, list):
            for item in value:
                _fill_value(each.value.array_value.values.add(), item)
            each.value.array_value.SetInParent()
        else:
            _fill_value(each.value, value)


def _fill_value(made: Any, value: Any) -> None:
    if isinstance(value, str):
        made.string_value = value
    elif isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int):
        made.int_value = value
    else:
        made.double_value = value


def _json_span(trace: Trace, span: Span) -> dict[str, Any]:
    made: dict[str, Any] = {
        "traceId": trace.trace_id, "spanId": span.span_id, "parentSpanId": span.parent_id,
        "name": span.name, "kind": span.kind,
        "startTimeUnixNano": str(span.start), "endTimeUnixNano": str(span.end),
        "attributes": _json_attributes(span.attributes),
    }  # fmt: skip
    if trace.tracestate:
        made["traceState"] = trace.tracestate
    if span.events:
        made["events"] = [
            {"name": event.name, "timeUnixNano": str(event.time),
             "attributes": _json_attributes(event.attributes)}
            for event in span.events
        ]  # fmt: skip
    if span.error:
        made["status"] = {"code": ERROR, "message": span.error}
    return made


def _json_attributes(attributes: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"stringValue": value} if type(value) is str else _json_value(value)}
        for key, value in attributes.items()
    ]


def _json_resource(resource: Mapping[str, Value]) -> msgspec.Raw:
    """Encode a resource; it is the same in every trace of a process, and encoded once."""
    found = _RESOURCES.get(id(resource))
    if found is None or found[0] is not resource:
        if len(_RESOURCES) > _MOST_RESOURCES:
            _RESOURCES.clear()
        encoded = msgspec.json.encode({"attributes": _json_attributes(resource)})
        found = _RESOURCES[id(resource)] = (resource, msgspec.Raw(encoded))
    return found[1]


_RESOURCES: dict[int, tuple[Mapping[str, Value], msgspec.Raw]] = {}
_MOST_RESOURCES = 64


def _json_value(value: Any) -> dict[str, Any]:
    kind = type(value)
    if kind is str:
        return {"stringValue": value}
    if kind is float:  # JSON has no NaN; protobuf's JSON writes its name
        return {
            "doubleValue": value
            if value - value == 0
            else str(value).replace("inf", "Infinity").replace("nan", "NaN")
        }
    if kind is bool:
        return {"boolValue": value}
    if kind is int:
        return {"intValue": str(value)}
    return {"arrayValue": {"values": [_json_value(item) for item in value]}}


def _span_of(span: dict[str, Any]) -> Span:
    return Span(
        span["name"], span["spanId"], span.get("parentSpanId", ""),
        int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]), _attributes_of(span["attributes"]),
        [Event(event["name"], int(event["timeUnixNano"]), _attributes_of(event["attributes"]))
         for event in span.get("events", ())],
        span.get("status", {}).get("message", ""), span.get("kind", INTERNAL),
    )  # fmt: skip


def _attributes_of(attributes: Iterable[dict[str, Any]]) -> dict[str, Value]:
    return {each["key"]: _value_of(each["value"]) for each in attributes}


def _value_of(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "arrayValue":
        return [_value_of(item) for item in content.get("values", ())]
    if kind == "intValue":
        return int(content)
    return float(content) if kind == "doubleValue" else content
