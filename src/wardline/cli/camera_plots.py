"""The plots of a camera's page: one statistic over time each, and who wrote which frame, as inline SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape

import numpy as np
from numpy.typing import NDArray

from wardline.camera.events import Event, Review
from wardline.camera.folder import Seen
from wardline.camera.grouping import keys
from wardline.stats.image import Statistics

SEVERITIES = "alert", "warn", "info"
"""The worst first; the page has a colour for each."""

SWATCHES = ("#5d7a99", "#c0392b", "#2471a3", "#b9770e", "#1e8449", "#7d3c98", "#7f8c8d")
"""Of the fingerprints, the most frequent first; all further ones share the last."""

_ALWAYS = (
    "exposure", "black", "tone_mid", "gain_red", "gain_blue", "saturation", "noise", "noise_correlation",
    "detail_fine", "edge_width", "overshoot", "blockiness",
)  # fmt: skip
_WORDS = {
    "exposure": "mean brightness, DN", "black": "darkest 0.5 %, DN", "white": "brightest 0.5 %, DN",
    "tone_dark": "tone curve, shadows", "tone_mid": "tone curve, middle", "tone_bright": "tone curve, lights",
    "contrast": "10th to 90th percentile, DN", "clipped_dark": "share of black pixels",
    "clipped_bright": "share of white pixels", "vignetting": "corners against centre, log",
    "gain_red": "red over green, log", "gain_blue": "blue over green, log",
    "bright_red": "red over green in the lights, log", "bright_blue": "blue over green in the lights, log",
    "dark_red": "red less green in the shadows, DN", "dark_blue": "blue less green in the shadows, DN",
    "saturation": "mean saturation", "chroma": "spread of colour, DN",
    "channel_correlation": "red with blue", "noise": "noise, DN", "noise_dark": "noise in the shadows, DN",
    "noise_mid": "noise in the middle, DN", "noise_bright": "noise in the lights, DN",
    "noise_grain": "grain of the noise, log", "noise_chroma": "colour noise over grey noise, log",
    "noise_correlation": "noise between channels", "hot_pixels": "hot pixels a million",
    "detail": "energy of the finest detail, log", "detail_fine": "sharpness: lag 1 over 2, log",
    "detail_mid": "sharpness: lag 2 over 4, log", "detail_axis": "horizontal over vertical, log",
    "detail_bend": "sharpness: bends over steps, log", "detail_tail": "rare large steps, log",
    "detail_chroma": "colour detail over grey, log",
    "detail_chroma_fine": "colour sharpness, log", "flat": "share of empty tiles",
    "edge_width": "width of edges, pixels", "overshoot": "overshoot of edges",
    "blockiness": "steps on the 8 x 8 grid, log", "blockiness_off": "steps beside the grid, log",
    "resampled": "trace of rescaling, log",
}  # fmt: skip
_WIDTH, _HEIGHT, _LEFT, _FOOT = 310, 118, 44, 16
_POINTS = 500
_FEWEST, _MOVED = 3, 6  # frames to compare, and statistics that are drawn because they moved
_GAP = 0.2  # of the whole time: a longer one would push all frames to the edges


def multiples(reviewed: Review) -> Iterator[str]:
    """Draw what speaks for the events, then what else moved with them, then what every page shows."""
    seen = [each.subject for event in reviewed.events for each in event.evidence]
    named = [name for name in seen if name in Statistics._fields]
    x, changed = moments(reviewed.frames), _changed(reviewed)
    table = np.array([each.statistics for each in reviewed.frames], np.float64)
    for name in dict.fromkeys([*named, *_moved(table, changed), *_ALWAYS]):
        values = table[:, Statistics._fields.index(name)]
        if np.isfinite(values).sum() >= 2:
            yield _plot(name, values, x, changed, reviewed)


def _changed(reviewed: Review) -> NDArray[np.bool_]:
    """Say which frames lie in an event of the camera's own."""
    changed = np.zeros(len(reviewed.frames), np.bool_)
    for event in reviewed.events:
        if event.severity != "info":
            changed[event.place : event.stop] = True
    return changed


def _moved(table: NDArray[np.float64], changed: NDArray[np.bool_]) -> list[str]:
    """Name what lies elsewhere in changed frames than in nine tenths of the others, the furthest first."""
    if min(changed.sum(), (~changed).sum()) < _FEWEST:
        return []
    found = {}
    for name, values in zip(Statistics._fields, table.T, strict=True):
        usual, others = (values[part & np.isfinite(values)] for part in (~changed, changed))
        if min(len(usual), len(others)) >= _FEWEST:
            low, middle, high = np.percentile(usual, [5, 50, 95])
            found[name] = abs(float(np.median(others) - middle)) / max(float(high - low), 1e-9)
    return sorted((name for name in found if found[name] > 1), key=lambda name: -found[name])[:_MOVED]


def moments(frames: Sequence[Seen]) -> NDArray[np.float64]:
    """Place each frame between 0 and 1: by its time where all have one, in order and without a long gap;
    else evenly.
    """
    times = [each.taken for each in frames]
    known = [each.timestamp() for each in times if isinstance(each, datetime)]
    even = np.linspace(0.0, 1.0, len(frames)) if len(frames) > 1 else np.full(len(frames), 0.5)
    if len(known) < len(frames) or len(known) < 2 or known[-1] <= known[0] or np.diff(known).min() < 0:
        return even
    span: NDArray[np.float64] = (np.array(known) - known[0]) / (known[-1] - known[0])
    return span if np.diff(span).max() <= _GAP else even


def label(frame: Seen, index: int) -> str:
    """Name a frame by its day, else by its place."""
    return f"{frame.taken:%Y-%m-%d}" if frame.taken is not None else f"#{index}"


def _plot(
    name: str,
    values: NDArray[np.float64],
    x: NDArray[np.float64],
    changed: NDArray[np.bool_],
    reviewed: Review,
) -> str:
    good = np.isfinite(values)
    low, high = float(values[good].min()), float(values[good].max())
    usual = values[good & ~changed] if (good & ~changed).any() else values[good]

    def height(value: float) -> float:
        return 6 + (_HEIGHT - _FOOT - 12) * (1 - (value - low) / max(high - low, 1e-9))

    bottom, top = (height(float(each)) for each in np.percentile(usual, [5, 95]))
    band = (
        f"<rect x='{_LEFT}' y='{top:.1f}' width='{_WIDTH - _LEFT - 4}' height='{max(bottom - top, 1):.1f}' "
        "class='band'/>"
    )
    marks, pieces = list[str](), [list[str]()]
    for index in range(0, len(values), max(1, len(values) // _POINTS)):
        if not good[index]:
            pieces.append([])  # the line breaks where nothing could be measured
            continue
        at, y = _across(x[index]), height(float(values[index]))
        pieces[-1].append(f"{at:.1f},{y:.1f}")
        kind = " class='changed'" if changed[index] else ""
        told = escape(f"{reviewed.frames[index].file}: {values[index]:.4g}")
        marks.append(f"<circle cx='{at:.1f}' cy='{y:.1f}' r='2'{kind}><title>{told}</title></circle>")
    path = "".join(f"<polyline points='{' '.join(piece)}'/>" for piece in pieces if len(piece) > 1)
    scale = "".join(
        f"<text x='{_LEFT - 4}' y='{height(value) + 3:.1f}' text-anchor='end'>{value:.3g}</text>"
        for value in ((low, high) if high > low else (low,))
    )
    return (
        f"<figure><figcaption><b>{name}</b> {escape(_WORDS.get(name, ''))}</figcaption>"
        f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' aria-label='{name} over time'>"
        f"{_shades(reviewed.events, x)}{band}<g class='path'>{path}</g>"
        f"{''.join(marks)}{scale}{_ends(reviewed.frames)}</svg></figure>"
    )


def _across(moment: float) -> float:
    return _LEFT + 4 + (_WIDTH - _LEFT - 12) * float(moment)


def _shades(events: Sequence[Event], x: NDArray[np.float64]) -> str:
    """Shade each event from its first frame to its last, with a line where it began."""
    found = []
    for event in {(each.place, each.stop): each for each in events}.values():
        start = _across((x[event.place] + x[max(event.place - 1, 0)]) / 2)
        stop = _across(x[event.stop - 1] if event.stop == len(x) else (x[event.stop - 1] + x[event.stop]) / 2)
        found.append(
            f"<rect x='{start:.1f}' y='0' width='{max(stop - start, 1.5):.1f}' height='{_HEIGHT - _FOOT}' "
            f"class='event {event.severity}'/><line x1='{start:.1f}' x2='{start:.1f}' y1='0' "
            f"y2='{_HEIGHT - _FOOT}' class='{event.severity}'>"
            f"<title>{event.kind}</title></line>"
        )
    return "".join(found)


def _ends(frames: Sequence[Seen]) -> str:
    """Write the first and the last frame's day, or place, below."""
    last, y = len(frames) - 1, _HEIGHT - 4
    return (
        f"<text x='{_LEFT}' y='{y}'>{label(frames[0], 0)}</text>"
        f"<text x='{_WIDTH - 4}' y='{y}' text-anchor='end'>{label(frames[last], last)}</text>"
    )


def writers(frames: Sequence[Seen]) -> tuple[str, list[str]]:
    """Draw which fingerprint wrote which frame; return the strip and the colours, most frequent first."""
    every = keys([each.header for each in frames])
    counted = sorted(dict.fromkeys(every), key=lambda key: -every.count(key))
    colour = {key: SWATCHES[min(place, len(SWATCHES) - 1)] for place, key in enumerate(counted)}
    starts = [place for place, key in enumerate(every) if not place or every[place - 1] != key]
    bars = [
        f"<rect x='{1000 * start / len(every):.1f}' y='0' height='14' fill='{colour[every[start]]}' "
        f"width='{max(1000 * (stop - start) / len(every), 2):.1f}'>"
        f"<title>{escape(frames[start].file)}</title></rect>"
        for start, stop in zip(starts, [*starts[1:], len(every)], strict=True)
    ]
    strip = f"<svg viewBox='0 0 1000 14' role='img' aria-label='fingerprints over time'>{''.join(bars)}</svg>"
    return strip, [colour[key] for key in counted]
