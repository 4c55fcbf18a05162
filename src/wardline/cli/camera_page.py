"""The page of `wardline camera`: one file with small multiples over time and crops from before and after."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from wardline.camera.crops import crops
from wardline.camera.folder import Seen
from wardline.camera.review import Event, Evidence, Review, explained
from wardline.stats.image import Statistics

_WIDTH, _HEIGHT = 300, 84
_ALWAYS = (
    "exposure", "black", "tone_mid", "gain_red", "gain_blue", "saturation", "noise", "noise_correlation",
    "detail_fine", "edge_width", "overshoot", "blockiness",
)  # fmt: skip
_UNITS = {
    "exposure": "DN",
    "black": "DN",
    "noise": "DN",
    "edge_width": "pixels",
    "chroma": "DN",
    "contrast": "DN",
}
_POINTS = 1500
_COLOURS = {"alert": "#c0392b", "warn": "#b9770e", "info": "#2471a3"}
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1000px;padding:0 1rem;color:#1c2833;background:#fff}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .6rem;border-bottom:1px solid #d5d8dc;padding-bottom:.2rem}
.badge{color:#fff;border-radius:3px;padding:.1rem .5rem;font-size:.9rem;vertical-align:middle}
.ok{background:#1e8449}.alert{background:#c0392b}.warn{background:#b9770e}.insufficient,.info{background:#2471a3}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:.9rem}
figure{margin:0}figcaption{font-size:.82rem;color:#566573}figcaption b{color:#1c2833}
.event{border:1px solid #d5d8dc;border-left-width:5px;border-radius:4px;padding:.8rem 1rem;margin:.9rem 0}
.crops{display:flex;gap:.8rem;flex-wrap:wrap;margin-top:.6rem}.crops img{display:block;border:1px solid #d5d8dc;height:185px;image-rendering:pixelated}
table{border-collapse:collapse;font-size:.88rem}td,th{text-align:left;padding:.18rem .8rem .18rem 0;border-bottom:1px solid #eaecee;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;height:auto;background:#fbfcfc;border:1px solid #eaecee}
"""


def page(reviewed: Review, folder: Path, title: str) -> str:
    """Return one self-contained HTML page; frames are read again from `folder` for their crops."""
    seen = reviewed.frames
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}: camera</title>"
        f"<style>{_STYLE}</style><body><h1>{escape(title)} <span class='badge {reviewed.verdict}'>"
        f"{reviewed.verdict}</span></h1><p>{_summary(reviewed)}</p>"
    ]
    if reviewed.events:
        parts.append("<h2>What changed</h2>")
        parts += [_card(each, reviewed, folder) for each in reviewed.events]
    if seen:
        parts.append("<h2>Fingerprints</h2>" + _strip(reviewed) + _fingerprints(reviewed))
        parts.append(
            "<h2>Statistics over time</h2><div class='grid'>" + "".join(_multiples(reviewed)) + "</div>"
        )
    if reviewed.refused:
        rows = "".join(
            f"<tr><td>{escape(each.file)}<td>{each.reason}<td>{escape(each.observed)}"
            for each in reviewed.refused[:50]
        )
        parts.append(f"<h2>Refused files</h2><table><tr><th>file<th>reason<th>seen{rows}</table>")
    return "".join([*parts, "</body></html>\n"])


def _summary(reviewed: Review) -> str:
    seen = reviewed.frames
    normal = (
        f"held to {reviewed.reference} reference frames"
        if reviewed.reference
        else "held to what most of them show"
    )
    span = f", {escape(seen[0].file)} to {escape(seen[-1].file)}" if seen else ""
    found = (
        f"{len(reviewed.events)} event{'' if len(reviewed.events) == 1 else 's'}"
        if reviewed.events
        else "nothing changed"
    )
    if reviewed.verdict == "insufficient":
        found = "too few frames to judge more than their headers"
    return f"{len(seen)} frames{span}; {normal}; {len(reviewed.refused)} files refused; {found}."


def _card(event: Event, reviewed: Review, folder: Path) -> str:
    seen = reviewed.frames
    first, colour = seen[event.place], _COLOURS[event.severity]
    ended = f" until <b>{escape(seen[event.stop].file)}</b> ({event.stop})" if event.stop < len(seen) else ""
    between = f" It began between frames {max(event.within[0] - 1, 0)} and {event.within[1]}."
    between = between if event.p_value is not None else ""
    rows = "".join(_row(each) for each in event.evidence)
    before = max(event.place - 1, 0) if event.place else min(event.stop, len(seen) - 1)
    inside = min(event.place + 1, event.stop - 1)
    crops = _crops(folder, seen[before], "before" if event.place else "after it ended")
    crops += _crops(folder, seen[inside], "changed")
    return (
        f"<div class='event' style='border-left-color:{colour}'><b style='color:{colour}'>{event.kind}</b> from "
        f"<b>{escape(first.file)}</b> ({event.place}){ended}.{between}<br>{escape(explained(event))}"
        f"<table><tr><th>evidence<th>before<th>after<th>effect{rows}</table><div class='crops'>{crops}</div></div>"
    )


def _row(each: Evidence) -> str:
    before, after = (
        value if isinstance(value, str) else f"{value:.3g}" for value in (each.before, each.after)
    )
    effect = "" if each.effect is None else f"{each.effect:+.1f}"
    return f"<tr><td>{escape(each.subject)}<td>{escape(before)}<td>{escape(after)}<td>{effect}"


def _crops(folder: Path, frame: Seen, caption: str) -> str:
    shown = "".join(
        f"<img alt='{caption}' src='data:image/jpeg;base64,{base64.b64encode(each).decode()}'>"
        for each in crops(folder, frame)
    )
    return (
        f"<figure><div style='display:flex;gap:4px'>{shown}</div>"
        f"<figcaption><b>{caption}</b>: {escape(frame.file)}</figcaption></figure>"
    )


def _fingerprints(reviewed: Review) -> str:
    rows = "".join(
        f"<tr><td>{each.frames}<td>{escape(reviewed.frames[each.first].file)}<td>{each.format}<td>{each.size}"
        f"<td>{each.subsampling}<td>{escape(each.tables)}<td>{escape(each.camera)}<td>{escape(each.software)}"
        for each in reviewed.groups[:20]
    )
    return f"<table><tr><th>frames<th>first<th>format<th>size<th>chroma<th>tables<th>camera<th>software{rows}</table>"


def _strip(reviewed: Review) -> str:
    """Draw which stretches differ, event by event."""
    count, line = len(reviewed.frames), 16
    bars = []
    for place, event in enumerate(reviewed.events[:12]):
        x, width = event.place / count * 960, max((event.stop - event.place) / count * 960, 2)
        bars.append(
            f"<rect x='{x:.1f}' y='{place * line + 2}' width='{width:.1f}' height='{line - 4}' "
            f"fill='{_COLOURS[event.severity]}'><title>{event.kind}</title></rect>"
            f"<text x='{min(x + 4, 800):.1f}' y='{place * line + 12}' font-size='10' fill='#fff'>{event.kind}</text>"
        )
    height = max(len(bars), 1) * line
    return (
        f"<svg viewBox='0 0 960 {height}' role='img' aria-label='events over time'>{''.join(bars)}</svg>"
        if bars
        else ""
    )


def _multiples(reviewed: Review) -> Iterator[str]:
    named = [
        each.subject
        for event in reviewed.events
        for each in event.evidence
        if each.subject in Statistics._fields
    ]
    for name in dict.fromkeys([*named, *_ALWAYS]):
        values = np.array([getattr(each.statistics, name) for each in reviewed.frames], np.float64)
        if np.isfinite(values).sum() >= 2:
            yield _plot(name, values, reviewed.events)


def _plot(name: str, values: np.ndarray[tuple[int], np.dtype[np.float64]], events: Sequence[Event]) -> str:
    good = values[np.isfinite(values)]
    low, high = float(good.min()), float(good.max())
    room = max(high - low, 1e-6)
    count = len(values)
    changed = [each for each in events if each.severity != "info"]
    inside = np.zeros(count, np.bool_)
    for event in changed:
        inside[event.place : event.stop] = True
    marks = []
    for index in range(0, count, max(1, count // _POINTS)):
        if values[index] == values[index]:
            x, y = _at(index, count), 6 + (_HEIGHT - 12) * (1 - (values[index] - low) / room)
            colour = "#c0392b" if inside[index] else "#2e4053"
            marks.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='1.7' fill='{colour}'/>")
    shades = "".join(
        f"<rect x='{_at(each.place - 0.5, count):.1f}' y='0' height='{_HEIGHT}' fill='{_COLOURS[each.severity]}' "
        f"width='{max(_at(each.stop - 0.5, count) - _at(each.place - 0.5, count), 1):.1f}' fill-opacity='.12'/>"
        for each in events
    )
    unit = f" ({_UNITS[name]})" if name in _UNITS else ""
    return (
        f"<figure><svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' aria-label='{name}'>{shades}{''.join(marks)}</svg>"
        f"<figcaption><b>{name}</b>{unit}: {low:.3g} to {high:.3g}</figcaption></figure>"
    )


def _at(index: float, count: int) -> float:
    return 6 + (_WIDTH - 12) * index / max(count - 1, 1)
