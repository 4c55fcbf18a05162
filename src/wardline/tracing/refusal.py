"""Requests that were refused before the path: no row of them was judged, and why is one sentence."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from wardline.telemetry import TraceContext
from wardline.tracing.trace import SERVER, Span, Trace, Value

_ABOUT_CONTENT = (400, 413, 422)


class Refused(msgspec.Struct, frozen=True):
    """A request without records: who asked, what it was answered, when it came and went (nanoseconds)."""

    request_id: str
    context: TraceContext
    status: int
    action: str
    sentence: str
    began: int
    ended: int


def refusal(
    refused: Refused, gate: str, why: str, resource: Mapping[str, Value], personal: str = ""
) -> Trace:
    """Tell it as a trace of one span; `personal` stands for a sentence that may quote what was sent."""
    context = refused.context
    hidden = personal and refused.status in _ABOUT_CONTENT
    root = Span(
        "wardline.gate", context.span_id, context.parent_id, refused.began, refused.ended,
        {
            "wardline.gate.name": gate, "wardline.request_id": refused.request_id,
            "wardline.kept_because": why, "wardline.rows": 0, "wardline.action": refused.action,
            "wardline.refused": personal if hidden else refused.sentence,
        },
        kind=SERVER,
    )  # fmt: skip
    if refused.status >= 500:
        root.error = root.attributes["error.type"] = str(refused.status)
    return Trace(context.trace_id, [root], resource, context.tracestate)
