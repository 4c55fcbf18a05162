"""The newest alerts: where each stands, what it tells, and what its camera showed before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from wardline.monitor.alerts import Alert, Event, subjects
from wardline.tracing.frames import picture
from wardline.ui.html import Safe, link, small, tag

_ALERTS, _SIGNALS = 10, 3  # shown, and told of each
_TAIL = 512 * 1024  # bytes of the journal that are read; evidence takes a few thousand an event


class Told(NamedTuple):
    """One alert as its journal leaves it: `at` is its last event, `evidence` that of the newest with any."""

    alert: Alert
    at: float
    state: str
    by: str
    evidence: Mapping[str, Any]


def newest(journal: Path) -> list[Told]:
    """Read the newest alerts, the newest first; none where the monitor never wrote any."""
    try:
        with journal.open("rb") as opened:
            opened.seek(max(0, journal.stat().st_size - _TAIL))
            lines = opened.read().splitlines()
    except FileNotFoundError:
        return []
    events: dict[str, list[Event]] = {}
    for line in reversed(lines):
        try:
            event = msgspec.json.decode(line, type=Event)
        except msgspec.DecodeError:  # the first may be half of one
            continue
        if event.id:
            events.setdefault(event.id, []).append(event)
    found = (_told(each) for each in events.values())
    return [told for told in found if told is not None][:_ALERTS]


def _told(events: Sequence[Event]) -> Told | None:
    """Fold the events of one alert, the newest first."""
    alert = next((each.alert for each in events if each.alert is not None), None)
    if alert is None:
        return None
    last = events[0]
    state = alert.state.value if last.alert is not None else last.to
    evidence = next((each.evidence for each in events if each.evidence), {})
    return Told(alert, last.at, state, last.by, evidence)


def alert_list(found: Sequence[Told], traces: Path) -> Safe:
    """Make the list; pictures that were kept in this folder of traces are shown with what they tell of."""
    if not found:
        return tag("p", "No alert was raised by the monitor.", class_="quiet")
    return tag("section", tag("h2", "The newest alerts"), *(_alert(told, traces) for told in found))


def _alert(told: Told, traces: Path) -> Safe:
    when = datetime.fromtimestamp(told.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    about = ", ".join(subjects(told.alert.signals)[:5])
    whose = f", owned by {told.alert.owner or 'nobody'}{told.by and f'; {told.by} has it'}"
    state = tag("strong", told.state, class_=_weight(told))
    head = tag("p", state, f" {told.alert.rule}: {about}, {when}{whose}")
    return tag("article", head, *_says(told, traces), class_="alert")


def _weight(told: Told) -> str:
    return "quiet" if told.state == "resolved" else "error" if told.state == "firing" else "warn"


def _says(told: Told, traces: Path) -> list[Safe]:
    """Word each signal; below it the pictures, each a link to the request that it came with."""
    given = {each.get("key", ""): each for each in told.evidence.get("signals", ())}
    shown = told.evidence.get("pictures", {})
    parts: list[Safe] = []
    for key in told.alert.signals[:_SIGNALS]:
        says = given.get(key, {}).get("says") or key
        where = given.get(key, {}).get("slice", "")
        parts.append(tag("p", says, f" ({where})" if where else ""))
        pair = shown.get(key, {})
        if pair:
            figures = (_figure(when, pair.get(when, ""), traces) for when in ("before", "after"))
            parts.append(tag("div", *figures, class_="pair"))
    return parts


def _figure(when: str, name: str, traces: Path) -> Safe:
    file = name.rpartition("/")[2]
    jpeg = picture(traces, file)
    if jpeg is None:
        why = "no longer kept" if name else "none was kept"
        return tag("figure", tag("figcaption", f"{when}: {why}"))
    request = link(f"{when}: its request", f"/ui/traces/{file.partition('-')[0]}")
    return tag(
        "figure", small(jpeg, f"a frame from {when} the change, made small"), tag("figcaption", request)
    )
