"""The list of kept traces, with its filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from wardline.tracing.read import Wanted, findings, refused
from wardline.tracing.trace import Trace
from wardline.ui.html import Safe, field, link, page, place, table, tag
from wardline.verdict import ACTIONS

_SINCE = {"": "ever", "15": "15 minutes", "60": "an hour", "1440": "a day"}
_TEXTS = ("guard", "reason", "rung", "camera", "slice", "slower")


def wanted(query: Mapping[str, str], now: datetime) -> Wanted:
    """Read the filters; one that cannot be read is as if it were not given."""
    column, equals, value = query.get("slice", "").partition("=")
    action = query.get("action", "")
    minutes = query.get("since", "")
    begin = now - timedelta(minutes=float(minutes)) if minutes in _SINCE and minutes else None
    try:
        slower = max(0.0, float(query.get("slower") or 0))
    except ValueError:
        slower = 0.0
    return Wanted(
        (action,) if action in (*ACTIONS, "none") else (), query.get("guard", ""), query.get("reason", ""),
        query.get("rung", ""), query.get("camera", ""), (column, value) if equals else None, slower,
        0 if begin is None else int(begin.timestamp() * 1e9),
    )  # fmt: skip


def listing(gate: str, found: Sequence[Trace], query: Mapping[str, str], more: bool) -> bytes:
    """Make the page."""
    rows = [_row(trace) for trace in found]
    head = ("when", "request", "action", "served by", "ms", "kept because", "findings")
    body: Safe = table(head, rows) if rows else tag("p", "No kept trace is like that.")
    note = tag("p", f"Only the newest {len(rows)} are shown.", class_="quiet") if more else Safe("")
    return page("Traces", gate, _form(query), body, note)


def _form(query: Mapping[str, str]) -> Safe:
    actions = [("", "any"), *((action.value, action.value) for action in ACTIONS), ("none", "none: refused")]
    hints = {"slice": "column=value", "slower": "ms"}
    inputs = [
        tag("label", "slower than" if name == "slower" else name,
            field(name=name, value=query.get(name, ""), placeholder=hints.get(name)))
        for name in _TEXTS
    ]  # fmt: skip
    return tag(
        "form", _choice("action", actions, query), _choice("since", list(_SINCE.items()), query), *inputs,
        tag("button", "Show"), method="get", action=place("/ui/traces"),
    )  # fmt: skip


def _choice(name: str, options: Sequence[tuple[str, str]], query: Mapping[str, str]) -> Safe:
    made = [
        tag("option", label, value=value, selected="" if query.get(name, "") == value else None)
        for value, label in options
    ]
    return tag("label", name, tag("select", *made, name=name))


def _row(trace: Trace) -> tuple[object, ...]:
    root = trace.root
    given = root.attributes
    action = str(given.get("wardline.action", ""))
    said = dict.fromkeys(
        f"{each.attributes['wardline.finding.reason']} {each.attributes.get('wardline.finding.subject', '')}"
        for each in findings(trace)
    ) or refused(trace)
    when = datetime.fromtimestamp(root.start / 1e9, UTC)
    return (
        when.strftime("%Y-%m-%d %H:%M:%S.%f")[:23],
        link(given.get("wardline.request_id", trace.trace_id), f"/ui/traces/{trace.trace_id}"),
        tag("span", action, class_=action), given.get("wardline.served_by", "–"),
        f"{(root.end - root.start) / 1e6:.3f}", given.get("wardline.kept_because", ""),
        ", ".join(list(said)[:3]),
    )  # fmt: skip
