"""One trace: what was asked, found and done, as a waterfall, with the features' places in the reference."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from wardline.tracing.place import Placed
from wardline.tracing.read import depth, refused
from wardline.tracing.trace import Event, Span, Trace
from wardline.ui.html import Safe, facts, link, page, small, table, tag

_WIDE = 1000  # units of the drawing's width


def detail(
    gate: str,
    trace: Trace,
    placed: Sequence[Placed],
    *,
    older: str,
    newer: str,
    like: str,
    picture: bytes | None = None,
) -> bytes:
    """Make the page. `older` and `newer` are the neighbours' trace ids, `like` says what they share;
    `picture` is the frame as a small JPEG, where it was kept."""
    root = trace.root
    given = root.attributes
    action = str(given.get("wardline.action", ""))
    who = given.get("wardline.served_by", "nobody")
    shown = {name.removeprefix("wardline."): _told(value) for name, value in given.items()}
    shown["trace_id"] = trace.trace_id
    ways = [
        link(f"← older {like}", f"/ui/traces/{older}") if older else Safe(""),
        link(f"newer {like} →", f"/ui/traces/{newer}") if newer else Safe(""),
    ]
    when = datetime.fromtimestamp(root.start / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    return page(
        f"Request {given.get('wardline.request_id', '')}", gate,
        tag("p", tag("strong", action, class_=action), f", served by {who}, at {when}"),
        tag("nav", *ways, class_="pair", aria_label="neighbours"),
        tag("h2", "Why"), _why(trace),
        tag("h2", "Where the time went"), _waterfall(trace),
        tag("h2", "What the model saw"), _picture(picture), _features(placed),
        tag("h2", "The whole answer"), facts(shown),
    )  # fmt: skip


def _why(trace: Trace) -> Safe:
    found = [event for span in trace.spans for event in span.events if event.name == "wardline.finding"]
    if sentences := refused(trace):
        return tag("p", "Refused before any of it was judged: ", tag("strong", *sentences))
    if not found:
        return tag("p", "No guard had anything to say.")
    return table(
        ("guard", "weight", "finding", "about", "observed", "expected", "score", "threshold"),
        [_finding(event) for event in found],
    )


def _finding(event: Event) -> tuple[object, ...]:
    given = {name.removeprefix("wardline.finding."): value for name, value in event.attributes.items()}
    weight = given["severity"]
    return (
        given["guard"], tag("span", weight, class_=weight), given["reason"], given.get("subject", ""),
        given.get("observed", ""), given.get("expected", ""), f"{given['score']:.4g}",
        f"{given['threshold']:.4g}",
    )  # fmt: skip


def _waterfall(trace: Trace) -> Safe:
    """Draw each span as a bar; SVG takes its places as attributes, so no style is needed in the page."""
    begin, whole = trace.root.start, max(trace.root.end - trace.root.start, 1)
    rows: list[tuple[object, ...]] = []
    for level, span in depth(trace):
        name = "\u2003" * level + span.name.removeprefix("wardline.")
        notes = [tag("div", f"● {_event(event)}", class_="event") for event in span.events]
        failed = tag("div", span.error, class_="error") if span.error else Safe("")
        rows.append(
            (Safe(f"{tag('span', name)}{''.join(notes)}{failed}"), f"{(span.end - span.start) / 1e6:.3f}",
             _bar(span, begin, whole))
        )  # fmt: skip
    return table(("span", "ms", "share of the request"), rows)


def _bar(span: Span, begin: int, whole: int) -> Safe:
    left = (span.start - begin) / whole * _WIDE
    width = max(2.0, (span.end - span.start) / whole * _WIDE)
    label = f"{span.name}: {(span.end - span.start) / whole:.0%} of the request"
    rail = tag("rect", class_="rail", x=0, y=8, width=_WIDE, height=1)
    kind = "failed" if span.error else "bar"
    bar = tag("rect", class_=kind, x=f"{left:.1f}", y=2, width=f"{width:.1f}", height=12)
    return tag(
        "svg", rail, bar, viewBox=f"0 0 {_WIDE} 16", height=16, preserveAspectRatio="none", role="img",
        aria_label=label,
    )  # fmt: skip


def _event(event: Event) -> str:
    given = {name.rpartition(".")[2]: value for name, value in event.attributes.items()}
    if event.name == "wardline.finding":
        return (
            f"{given['severity']}: {given['reason']} {given.get('subject', '')} {given.get('observed', '')}"
        )
    return ", ".join(f"{name} {value}" for name, value in given.items())


def _picture(jpeg: bytes | None) -> Safe:
    if jpeg is None:
        return Safe("")
    return tag(
        "figure",
        small(jpeg, "the frame, made small"),
        tag("figcaption", "the frame, made small; the model saw all of it"),
    )


def _features(placed: Sequence[Placed]) -> Safe:
    if not placed:
        return tag("p", "The row never became features.")
    return table(
        ("feature", "value", "place in the reference", ""),
        [
            (
                tag("strong", each.name) if each.named else each.name,
                _told(each.value),
                each.words,
                _place(each),
            )
            for each in placed
        ],
    )


def _place(each: Placed) -> Safe:
    """Draw where the value lies among the reference's values."""
    if each.rank is None:
        return Safe("")
    rail = tag("rect", class_="rail", x=0, y=7, width=_WIDE, height=2)
    at = min(max(each.rank / 100 * _WIDE, 6), _WIDE - 6)
    mark = tag("rect", class_="failed" if each.named else "bar", x=f"{at - 6:.1f}", y=2, width=12, height=12)
    return tag(
        "svg", rail, mark, viewBox=f"0 0 {_WIDE} 16", height=16, preserveAspectRatio="none", role="img",
        aria_label=each.words,
    )  # fmt: skip


def _told(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_told(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
