"""The drift report as one page: small multiples of reference against window, all of it in the page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wardline.cli.comparing import Comparison, Point
from wardline.monitor.signal import SEVERITY, Signal

_WIDE, _HIGH, _LOW = 260, 90, 40  # pixels of one small picture, and of the trend below it
_STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:2rem;color:#1a1a1a;background:#fff}
h1{font-size:1.3rem;margin:0}p{margin:.4rem 0}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(280px,1fr));gap:1rem;margin-top:1rem}
figure{margin:0;padding:.6rem;border:1px solid #d5d5d5;border-radius:6px;border-left-width:6px}
figure.alert{border-left-color:#b3261e}figure.warn{border-left-color:#b26a00}
figure.ok{border-left-color:#2e7d32}figure.insufficient{border-left-color:#757575}
figcaption{font-weight:600;overflow-wrap:anywhere}small{color:#555;display:block}
.r{fill:#9aa7b5;background:#9aa7b5}.w{fill:#0b57d0;background:#0b57d0}
.l{stroke:#b26a00;stroke-dasharray:3 3}.t{fill:none;stroke:#0b57d0}
.key i{display:inline-block;width:.9em;height:.9em;margin:0 .3em 0 1em}
@media (prefers-color-scheme:dark){body{background:#16181b;color:#e8e8e8}small{color:#aaa}
figure{border-color:#3a3d42}.w{fill:#7cacf8;background:#7cacf8}}
"""


def page(made: Comparison, told: dict[str, Any]) -> str:
    """Return the whole page; figures come the sternest and largest first."""
    ranked = sorted(made.signals, key=lambda each: (-SEVERITY.index(each.standing), -each.effect))
    figures = "\n".join(_figure(made, signal) for signal in ranked)
    about = ", ".join(
        f"{key} {value}" for key, value in told.items() if key in ("gate", "reference", "window", "against")
    )
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in made.notes)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Drift: {html.escape(told["verdict"])}</title><style>{_STYLE}</style></head>
<body><h1>Drift: {html.escape(told["verdict"])}</h1><p>{html.escape(about)}</p>
<p class="key"><i class="r"></i>reference<i class="w"></i>window</p>
{notes}<main>
{figures}
</main></body></html>"""


def _figure(made: Comparison, signal: Signal) -> str:
    key = signal.slice, signal.subject
    title = html.escape(f"{signal.subject} [{signal.slice}]" if signal.slice else signal.subject)
    known = signal.p_value == signal.p_value
    facts = (
        f"PSI {signal.effect:.3f}, p {f'{signal.p_value:.2g}' if known else 'unknown'}, {signal.rows:,} rows"
    )
    return (
        f'<figure class="{signal.standing.value}"><figcaption>{title}</figcaption>'
        f"<small>{signal.standing.value}: {facts}</small>"
        f"{_bars(made.bins[signal.subject], made.before[key], made.now[key])}"
        f"{_line(made.trends.get(key, ()), signal)}</figure>"
    )


def _line(points: Sequence[Point], signal: Signal) -> str:
    """The PSI over windows, with the values that warn and alert; each point's figures are its tooltip."""
    if len(points) < 2:
        return ""
    tallest = max(1.2 * signal.alert, 1e-9, *(point.psi for point in points))
    step = _WIDE / (len(points) - 1)
    places = [(i * step, _LOW * (1.0 - point.psi / tallest)) for i, point in enumerate(points)]
    limits = "".join(
        f'<line class="l" x1="0" x2="{_WIDE}" y1="{high:.1f}" y2="{high:.1f}"/>'
        for high in (_LOW * (1.0 - limit / tallest) for limit in (signal.warn, signal.alert))
    )
    dots = "".join(
        f'<circle class="w" cx="{x:.1f}" cy="{y:.1f}" r="3">'
        f"<title>{point.psi:.3f}, {point.rows:,} rows</title></circle>"
        for (x, y), point in zip(places, points, strict=True)
    )
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    label = "PSI over windows: " + ", ".join(f"{point.psi:.3f}" for point in points)
    size = f'viewBox="-4 -4 {_WIDE + 8} {_LOW + 8}" width="100%"'
    line = f'<polyline class="t" points="{drawn}"/>'
    return f'<svg {size} role="img" aria-label="{label}">{limits}{line}{dots}</svg>'


def _bars(names: Sequence[str], before: NDArray[np.int64], now: NDArray[np.int64]) -> str:
    """Two bars a bin: the share in the reference, and in the window; the bin's name is its tooltip."""
    shares = before / max(1, before.sum()), now / max(1, now.sum())
    tallest = max(float(np.max(shares)), 1e-9)
    step = _WIDE / len(names)
    drawn = []
    for place, name in enumerate(names):
        for side, (share, style) in enumerate(zip(shares, ("r", "w"), strict=True)):
            high = float(share[place]) / tallest * _HIGH
            drawn.append(
                f'<rect class="{style}" x="{place * step + side * step * 0.42:.1f}" y="{_HIGH - high:.1f}" '
                f'width="{step * 0.4:.1f}" height="{high:.1f}"><title>{html.escape(name)}: '
                f"{share[place]:.2%}</title></rect>"
            )
    label = html.escape("; ".join(f"{n}: {b:.1%} to {w:.1%}" for n, b, w in zip(names, *shares, strict=True)))
    size = f'viewBox="0 0 {_WIDE} {_HIGH}" width="100%"'
    return f'<svg {size} role="img" aria-label="{label}">{"".join(drawn)}</svg>'
