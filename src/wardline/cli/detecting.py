"""Changes of a whole table: columns one by one under one promise, and what changed together as one event."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wardline.cli.progress import Advance
from wardline.cli.streams import Column, Streams, usable
from wardline.stats.changes import Turn, count, turns
from wardline.stats.whitening import FEWEST

MOST_BLOCKS = 50_000
"""Blocks that a file is cut into at most: more rows make longer blocks."""

CHANCE = 0.05
"""Chance of any false event in the whole file, without a run length of one's own."""


@dataclass(frozen=True)
class Question:
    """What is asked: the reference in rows, the run length in rows (None: by `CHANCE`), and the seasons."""

    reference: int
    run_length: float | None
    seasons: tuple[str, ...]


def detect(streams: Streams, asked: Question, advance: Advance) -> dict[str, Any]:
    """Return the answer as the command's JSON: verdict, events, and how it was asked."""
    block = max(1, math.ceil(streams.rows / MOST_BLOCKS))
    reference = asked.reference // block * block
    rest = streams.rows - reference
    run_length = asked.run_length or max(1.0, rest / CHANCE)
    told: dict[str, Any] = {
        "verdict": "insufficient",
        "rows": streams.rows,
        "block": block,
        "reference": {"rows": reference, "until": streams.at(reference) if rest > 0 else None},
        "run_length": run_length,
        "seasons": list(asked.seasons),
        "events": [],
        "notes": streams.notes,
    }
    if reference // block < FEWEST or rest < block:
        streams.notes.append(
            f"{reference:,} rows of reference and {max(0, rest):,} after it are too few: {FEWEST} blocks of "
            f"{block} at least"
        )
        return told
    columns = list(usable(streams, reference))
    times = streams.times
    watched = sum(
        count(column.values[:reference], times[:reference], block=block, names=column.names is not None)
        for column in columns
    )
    told["streams"] = watched
    found: list[tuple[Column, Turn]] = []
    for column in columns:
        seen = [0]

        def reach(row: int, seen: list[int] = seen) -> None:
            advance(row - seen[0])
            seen[0] = row

        limit = run_length / block * watched
        changed = turns(
            column.values, times, reference=reference, limit=limit, block=block, seasons=asked.seasons,
            names=column.names is not None, advance=reach,
        )  # fmt: skip
        found += [(column, turn) for turn in changed]
    told["events"] = [_event(streams, group, run_length) for group in together(found)]
    told["verdict"] = "alert" if found else "ok"
    return told


def together(found: Sequence[tuple[Column, Turn]]) -> list[list[tuple[Column, Turn]]]:
    """Group changes whose intervals overlap, one a column: a cause moves several columns at once.

    The narrowest interval of a group leads: it knows the time best.
    """
    groups: list[list[tuple[Column, Turn]]] = []
    for column, turn in sorted(found, key=lambda pair: (pair[1].high - pair[1].low, pair[1].at)):
        for group in groups:
            lead = group[0][1]
            if (
                min(turn.low, turn.at) <= max(lead.high, lead.at)
                and min(lead.low, lead.at) <= max(turn.high, turn.at)
                and all(other is not column for other, _ in group)
            ):
                group.append((column, turn))
                break
        else:
            groups.append([(column, turn)])
    return sorted(groups, key=lambda group: group[0][1].at)


def _event(streams: Streams, group: list[tuple[Column, Turn]], run_length: float) -> dict[str, Any]:
    lead = group[0][1]
    last = streams.rows - 1
    ends = [turn.until for _, turn in group]
    until = max(end for end in ends if end is not None) if all(end is not None for end in ends) else None
    ranked = sorted(group, key=lambda pair: -abs(pair[1].effect))
    details = [_detail(streams, column, turn) for column, turn in ranked]
    return {
        "at": streams.at(lead.at),
        "row": lead.at,
        "until": None if until is None else streams.at(until),
        "interval": [streams.at(min(lead.low, lead.at)), streams.at(min(max(lead.high, lead.at), last))],
        "told": streams.at(min([last, *(turn.told for _, turn in group)])),
        "subjects": [detail["subject"] for detail in details],
        "kind": lead.kind.replace(" ", "_"),
        "effect": details[0]["effect"],
        "run_length": run_length,
        "explanation": "; ".join(detail["explanation"] for detail in details),
        "columns": details,
    }


def _detail(streams: Streams, column: Column, turn: Turn) -> dict[str, Any]:
    return {
        "subject": column.name,
        "kind": turn.kind.replace(" ", "_"),
        "at": streams.at(turn.at),
        "until": None if turn.until is None else streams.at(turn.until),
        "value": None if math.isnan(turn.value) else _named(column, turn.value),
        "direction": "up" if turn.after > turn.before else "down",
        "before": turn.before,
        "after": turn.after,
        "effect": turn.effect,
        "evidence": turn.evidence,
        "explanation": _sentence(column, turn),
    }


def _named(column: Column, value: float) -> str:
    return f"{value:.6g}" if column.names is None else column.names[int(value)]


def _sentence(column: Column, turn: Turn) -> str:
    rose = "rose" if turn.after > turn.before else "fell"
    if turn.kind == "level":
        return (
            f"{column.name} {rose} from {turn.before:.4g} to {turn.after:.4g} on average "
            f"({turn.effect:+.2g} standard deviations)"
        )
    if turn.kind == "spread":
        return f"the steps of {column.name} {rose} from {turn.before:.3g} to {turn.after:.3g}"
    if turn.kind == "missing":
        return f"missing {column.name} {rose} from {turn.before:.2%} to {turn.after:.2%} of rows"
    if turn.kind == "share":
        name = _named(column, turn.value)
        return f"{column.name} = {name} {rose} from {turn.before:.2%} to {turn.after:.2%} of rows"
    return f"values that {column.name} did not have before came to {turn.after:.2%} of rows"
