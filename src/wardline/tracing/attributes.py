"""Attributes that every span may carry: what HTTP says, what is hidden, and how many there may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.trace import SpanLimits

from wardline.telemetry import STATUS
from wardline.tracing.trace import Span, Value

HIDDEN = "[personal]"
"""What stands for the value of a field that the contract marks as personal."""


def http_of(scope: Mapping[str, Any]) -> dict[str, Value]:
    """Say what HTTP says of a request, in OpenTelemetry's stable names. Paths are ours: no id is in them."""
    made: dict[str, Value] = {"http.request.method": str(scope.get("method", "POST"))}
    route = scope.get("route")
    made["http.route"] = str(getattr(route, "path", scope.get("path", "")))
    if server := scope.get("server"):
        made["server.address"] = str(server[0])
        if server[1] is not None:
            made["server.port"] = int(server[1])
    if STATUS in scope:
        made["http.response.status_code"] = scope[STATUS]
        if scope[STATUS] >= 500:
            made["error.type"] = str(scope[STATUS])
    return made


def limit(span: Span, limits: SpanLimits) -> None:
    """Hold a span to OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT and its like."""
    span.attributes = _limited(span.attributes, limits.max_span_attributes, limits.max_span_attribute_length)
    most = limits.max_events
    if most is not None and len(span.events) > most:
        span.events = span.events[:most]
    for event in span.events:
        event.attributes = _limited(
            event.attributes, limits.max_event_attributes, limits.max_attribute_length
        )


def _limited(attributes: dict[str, Value], count: int | None, length: int | None) -> dict[str, Value]:
    if count is not None and len(attributes) > count:
        attributes = dict(list(attributes.items())[:count])
    if length is not None:
        attributes = {k: v[:length] if isinstance(v, str) else v for k, v in attributes.items()}
    return attributes
