"""Comparing two sides by their counts, judged as the monitor judges: the answer of `wardline drift`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.cli.freezing import bin_names
from wardline.cli.sides import Counted, Counts, Side
from wardline.monitor.judge import Limits, compare
from wardline.monitor.signal import Signal, Standing, settle, worst
from wardline.stats.psi import psi

REFERENCE, WINDOW = "reference", "window"

ROWS = 200
"""Fewer rows than the bins were cut for are too few to judge."""


WINDOWS = 12
"""Points of a trend, at most: stretches of time that are put together until each has `ROWS` rows."""


class Point(NamedTuple):
    """The PSI of one window of a trend, and the seconds (or whatever orders the rows) it lies between."""

    begin: float
    end: float
    psi: float
    rows: int


@dataclass(frozen=True)
class Comparison:
    """What was compared: signals (one a slice and feature, settled), the counts behind them, and notes."""

    signals: list[Signal]
    bins: Mapping[str, list[str]]
    before: Mapping[tuple[str, str], NDArray[np.int64]]
    now: Mapping[tuple[str, str], NDArray[np.int64]]
    notes: list[str]
    trends: Mapping[tuple[str, str], list[Point]] = field(default_factory=dict)

    @property
    def verdict(self) -> Standing:
        """The sternest standing of all signals."""
        return worst(self.signals)


def contrast(
    sides: Sequence[Side],
    counts: Counts,
    columns: Sequence[Counted],
    limits: Limits,
    level: float,
    *,
    span: tuple[float, float] | None = None,
) -> Comparison:
    """Judge each feature of each slice by its counts, at a false discovery rate over all of them.

    `span` is from when to when the window's rows are: with it there is a trend.

    One side is the window; where the other is missing the profiles' own counts are the reference. A slice
    that the reference does not have apart is compared with all of it.
    """
    timed = any(side.time is not None for side in sides if side.name == WINDOW)
    paired = any(side.name == REFERENCE for side in sides)
    signals, before, now, trends = [], {}, {}, {}
    notes = []
    if not timed:
        notes.append(
            "rows count as independent: name their --time, and what their dependence costs is counted too"
        )
    unmatched = set()
    names = {column.name: bin_names(column.profile) for column in columns}
    for column in columns:
        for slice_ in sorted(
            {each for side, each, feature in counts if (side, feature) == (WINDOW, column.name)}
        ):
            blocks = counts[WINDOW, slice_, column.name]
            held = _held(counts, slice_, column, paired=paired)
            if held is None:
                unmatched.add(slice_)
                continue
            window = blocks.sum(axis=0)
            sequence = blocks
            if paired:  # a longer reference knows of slower dependence
                sequence = np.concatenate([counts[REFERENCE, slice_, column.name], blocks])
            signal = compare(
                Signal("drift.psi", column.name, slice_), held, window, limits,
                blocks=sequence if timed else None, label=names[column.name].__getitem__,
            )  # fmt: skip
            signals.append(signal)
            before[slice_, column.name], now[slice_, column.name] = held, window
            if timed and span is not None:
                trends[slice_, column.name] = trend(held, blocks, span)
    if unmatched:
        notes.append(f"only in the window: {', '.join(sorted(unmatched))}")
    return Comparison(settle(signals, level), names, before, now, notes, trends)


def trend(held: NDArray[np.int64], blocks: NDArray[np.int64], span: tuple[float, float]) -> list[Point]:
    """Return the PSI over windows of equal time; neighbours that are too thin to show anything are joined.

    >>> flat = np.full((64, 2), 5)
    >>> [(point.begin, point.rows) for point in trend(np.array([50, 50]), flat, (0.0, 64.0))]
    [(0.0, 210), (21.0, 210), (42.0, 220)]
    """
    whole = int(blocks.sum())
    many = max(1, min(WINDOWS, whole // ROWS))
    width = (span[1] - span[0]) / len(blocks)
    points: list[Point] = []
    start = 0
    for end in (np.arange(1, many + 1) * len(blocks) // many).tolist():
        counts = blocks[start:end].sum(axis=0)
        rows = int(counts.sum())
        if rows < ROWS and end < len(blocks):
            continue
        if rows:
            begin, until = span[0] + start * width, span[0] + end * width
            points.append(Point(begin, until, float(psi(held, counts).value), rows))
        start = end
    return points


def _held(counts: Counts, slice_: str, column: Counted, *, paired: bool) -> NDArray[np.int64] | None:
    if not paired:
        return column.profile.counts
    found = counts.get((REFERENCE, slice_, column.name))
    return None if found is None else found.sum(axis=0)


def tree(made: Comparison, asked: Mapping[str, Any], until: str | None, since: str | None) -> dict[str, Any]:
    """Return the answer for programs."""
    moved = [each for each in made.signals if each.standing in (Standing.WARN, Standing.ALERT)]
    return {
        "verdict": made.verdict.value,
        **asked,
        "events": [_event(each, since, until) for each in sorted(moved, key=lambda each: -each.effect)],
        "signals": [_signal(each, made.trends.get((each.slice, each.subject), [])) for each in made.signals],
        "notes": made.notes,
    }


def _event(signal: Signal, since: str | None, until: str | None) -> dict[str, Any]:
    return {
        "at": since,
        "until": until,
        "subjects": [signal.subject],
        "slice": signal.slice or None,
        "kind": signal.name,
        "severity": signal.standing.value,
        "effect": signal.effect,
        "p_value": signal.p_value,
        "explanation": sentence(signal),
    }


def _signal(signal: Signal, points: Sequence[Point]) -> dict[str, Any]:
    known = signal.p_value == signal.p_value
    return {
        "subject": signal.subject,
        "slice": signal.slice or None,
        "standing": signal.standing.value,
        "psi": signal.effect,
        "p_value": signal.p_value if known else None,
        "rows": signal.rows,
        "effective_rows": signal.effective if signal.effective == signal.effective else None,
        "plain_rule": signal.plain,
        "trend": [point._asdict() for point in points],
        "moved": [
            {"bin": each.bin, "before": each.before, "now": each.now, "part": each.part}
            for each in signal.moved
        ],
    }


def sentence(signal: Signal) -> str:
    """Say in one sentence what moved."""
    parts = ", ".join(f"{each.bin}: {each.before:.1%} to {each.now:.1%}" for each in signal.moved[:3])
    where = f" in {signal.slice}" if signal.slice else ""
    return f"{signal.subject}{where}: PSI {signal.effect:.3g} over {signal.rows:,} rows ({parts})"
