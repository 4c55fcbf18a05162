"""The page of `wardline camera`: one file with the frames, what changed in them, and every statistic over time."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from wardline.camera.crops import crops, small
from wardline.camera.events import Event, Evidence, Review, explained
from wardline.camera.folder import Seen
from wardline.cli.camera_plots import SEVERITIES, label, multiples, writers

_SHOWN = 12  # frames at the top of the page
_STYLE = """
:root{color-scheme:light dark;--text:#1c2833;--soft:#566573;--line:#d5d8dc;--ground:#fff;--plot:#fbfcfc;--point:#2e4053;--path:#aeb6bf;--alert:#c0392b;--warn:#b9770e;--info:#2471a3}
@media(prefers-color-scheme:dark){:root{--text:#e5e8e8;--soft:#aab2bd;--line:#3b434d;--ground:#15191e;--plot:#1b2026;--point:#aebfd1;--path:#5b6671;--alert:#ec7063;--warn:#e5a63f;--info:#5dade2}}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1040px;padding:0 1rem;color:var(--text);background:var(--ground)}
h1{font-size:1.5rem;margin:0;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}
.badge{color:#fff;border-radius:3px;padding:.1rem .5rem;font-size:.9rem;vertical-align:middle}
.badge.ok{background:#1e8449}.badge.alert{background:#c0392b}.badge.warn{background:#b9770e}.badge.insufficient{background:#2471a3}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:1rem}
.strip{display:grid;grid-template-columns:repeat(6,1fr);gap:.5rem}.strip img{width:100%;display:block;border-radius:3px}
.strip figure.changed img{outline:3px solid var(--alert);outline-offset:-3px}
figure{margin:0;min-width:0}figcaption{font-size:.82rem;color:var(--soft);overflow-wrap:anywhere}figcaption b{color:var(--text)}
.event{border:1px solid var(--line);border-left:5px solid var(--info);border-radius:4px;padding:.8rem 1rem;margin:.9rem 0}
.event.alert{border-left-color:var(--alert)}.event.warn{border-left-color:var(--warn)}.event ul{margin:.4rem 0;padding-left:1.1rem}
b.alert{color:var(--alert)}b.warn{color:var(--warn)}b.info{color:var(--info)}
.crops{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:.8rem;margin:.6rem 0}
.pair{display:flex;gap:4px;align-items:flex-start}.pair img{display:block;min-width:0;max-height:200px;border:1px solid var(--line)}.pair img+img{image-rendering:pixelated}
.wide{overflow-x:auto}.swatch{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}
table{border-collapse:collapse;font-size:.86rem}td,th{text-align:left;padding:.18rem .8rem .18rem 0;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums;vertical-align:top}
.event td:nth-child(-n+2),.event td:last-child{white-space:nowrap}
svg{display:block;width:100%;height:auto;background:var(--plot)}svg text{font-size:9.5px;fill:var(--soft)}
svg .band{fill:var(--point);fill-opacity:.1}svg .path{fill:none;stroke:var(--path);stroke-width:.8}svg circle{fill:var(--point)}svg circle.changed{fill:var(--alert)}
svg rect.alert{fill:var(--alert)}svg rect.warn{fill:var(--warn)}svg rect.info{fill:var(--info)}svg rect.event{fill-opacity:.1}
svg line{stroke-dasharray:3 2}svg line.alert{stroke:var(--alert)}svg line.warn{stroke:var(--warn)}svg line.info{stroke:var(--info)}
.note{color:var(--soft);font-size:.86rem}
@media(max-width:600px){body{margin:1rem auto}.strip{grid-template-columns:repeat(3,1fr)}}
"""


def page(reviewed: Review, folder: Path, title: str) -> str:
    """Return one self-contained HTML page; frames are read again from `folder` for their pictures."""
    seen = reviewed.frames
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}: camera</title>"
        f"<style>{_STYLE}</style><body><h1>{escape(title)} <span class='badge {reviewed.verdict}'>"
        f"{reviewed.verdict}</span></h1><p>{_summary(reviewed)}</p>"
    ]
    if seen:
        parts.append(_contact(reviewed, folder))
    if reviewed.events:
        parts.append("<h2>What changed</h2>")
        for _, same in groupby(reviewed.events, key=lambda event: event.place):
            parts.append(_card(list(same), reviewed, folder))
    if seen:
        parts.append(
            "<h2>Statistics over time</h2><p class='note'>What moved most comes first. The grey band holds nine "
            "tenths of the unchanged frames; shaded stretches are events; a point names its file when it is "
            "pointed at.</p>"
            f"<div class='grid'>{''.join(multiples(reviewed))}</div>"
        )
        parts.append("<h2>Who wrote the files</h2>" + _fingerprints(reviewed))
    if reviewed.refused:
        rows = "".join(
            f"<tr><td>{escape(each.file)}<td>{each.reason}<td>{escape(each.observed)}"
            for each in reviewed.refused[:50]
        )
        parts.append(
            f"<h2>Refused files</h2><div class='wide'><table><tr><th>file<th>reason<th>seen{rows}</table></div>"
        )
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


def _contact(reviewed: Review, folder: Path) -> str:
    """Show frames from first to last; those in an event have a frame of their own."""
    seen = reviewed.frames
    count = min(_SHOWN, len(seen))
    chosen = sorted({round(place * (len(seen) - 1) / max(count - 1, 1)) for place in range(count)})
    shown = []
    for place in chosen:
        picture = small(folder, seen[place])
        if picture is None:
            continue
        changed = any(each.place <= place < each.stop for each in reviewed.events if each.severity != "info")
        shown.append(
            f"<figure{' class=changed' if changed else ''}>{_image(picture, seen[place].file)}"
            f"<figcaption>{label(seen[place], place)}</figcaption></figure>"
        )
    return f"<div class='strip'>{''.join(shown)}</div>" if shown else ""


def _card(events: Sequence[Event], reviewed: Review, folder: Path) -> str:
    """Tell what began at one frame, with one pair of pictures for all of it."""
    seen, first = reviewed.frames, events[0]
    worst = min(events, key=lambda event: SEVERITIES.index(event.severity))
    told = "".join(_told(event, reviewed) for event in events)
    rows = "".join(_row(event.kind, each) for event in events for each in event.evidence)
    before = max(first.place - 1, 0) if first.place else min(first.stop, len(seen) - 1)
    inside = min(first.place + 1, first.stop - 1)
    pictures = _crops(folder, seen[before], "before" if first.place else "after it ended")
    pictures += _crops(folder, seen[inside], "changed")
    return (
        f"<div class='event {worst.severity}'>"
        f"<b>{escape(seen[first.place].file)}</b>, frame {first.place}<ul>{told}</ul>"
        f"<div class='crops'>{pictures}</div>"
        f"<div class='wide'><table><tr><th>of<th>evidence<th>before<th>after<th>effect{rows}</table></div></div>"
    )


def _told(event: Event, reviewed: Review) -> str:
    seen = reviewed.frames
    ended = f", until {escape(seen[event.stop].file)}" if event.stop < len(seen) else ""
    began = f"; it began between frames {max(event.within[0] - 1, 0)} and {event.within[1]}"
    return (
        f"<li><b class='{event.severity}'>{event.kind}</b>{ended}"
        f"{began if event.p_value is not None else ''}. {escape(explained(event))}"
    )


def _row(kind: str, each: Evidence) -> str:
    before, after = (
        value if isinstance(value, str) else f"{value:.3g}" for value in (each.before, each.after)
    )
    effect = "" if each.effect is None else f"{each.effect:+.1f}"
    return f"<tr><td>{kind}<td>{escape(each.subject)}<td>{escape(before)}<td>{escape(after)}<td>{effect}"


def _image(picture: bytes, words: str) -> str:
    return f"<img alt='{escape(words)}' src='data:image/jpeg;base64,{base64.b64encode(picture).decode()}'>"


def _crops(folder: Path, frame: Seen, caption: str) -> str:
    shown = "".join(_image(each, caption) for each in crops(folder, frame))
    return (
        f"<figure><div class='pair'>{shown}</div><figcaption><b>{caption}</b>: {escape(frame.file)}; "
        "beside it, its middle enlarged</figcaption></figure>"
    )


def _fingerprints(reviewed: Review) -> str:
    strip, colours = writers(reviewed.frames)
    rows = "".join(
        f"<tr><td><span class='swatch' style='background:{colour}'></span>{each.frames}"
        f"<td>{escape(reviewed.frames[each.first].file)}<td>{each.format}<td>{each.size}"
        f"<td>{each.subsampling}<td>{escape(each.tables)}<td>{escape(each.camera or 'not named')}"
        f"<td>{escape(each.software or 'not named')}"
        for each, colour in zip(reviewed.groups[:20], colours, strict=False)
    )
    return (
        f"{strip}<div class='wide'><table><tr><th>frames<th>first<th>format<th>size<th>chroma<th>tables<th>camera<th>software"
        f"{rows}</table></div>"
    )
