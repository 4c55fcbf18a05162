"""The changes of one column: learn, watch, tell, learn anew from the change on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wardline.stats.channels import Channel, Known, channels
from wardline.stats.sequential import first, when

Floats = NDArray[np.float64]

RELEARN = 300
"""Blocks that show the new normal after a change, at least; in them nothing is watched."""

_FIFTH = 5  # of the reference's length, for amounts: level and memory take more to learn than shares

_BEYOND = 64  # blocks after the alarm that help to place the change
_BACK = 0.25  # of a change: that near to what was before, it has gone back


@dataclass(frozen=True)
class Turn:
    """A change of one column: rows `low` to `high`, likeliest `at`, told at `told`, `until` it went back.

    `kind` is level, spread, missing, share (of `value`) or new value; `before` and `after` are the mean,
    the standard deviation or the share it is about. `effect` is the change in standard deviations of single
    rows before it, for shares the difference.
    """

    at: int
    low: int
    high: int
    told: int
    kind: str
    value: float
    before: float
    after: float
    effect: float
    evidence: float
    until: int | None = None


def turns(
    values: Floats,
    times: Floats,
    *,
    reference: int,
    limit: float,
    block: int = 1,
    seasons: Sequence[str] = (),
    names: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Turn]:
    """Return the changes of a column, shape (n,), oldest first, after its first `reference` rows.

    `limit` is the evidence, in blocks, at which the detector stops; `times` are seconds, in order, and
    `seasons` names of `stats.season`, or auto. `names`: the numbers are codes. `advance` hears of progress.
    """
    return _gone_back(
        _turns(
            values, times, reference=reference, limit=limit, block=block, seasons=seasons, names=names,
            advance=advance,
        )
    )  # fmt: skip


def count(values: Floats, times: Floats, *, block: int, names: bool) -> int:
    """Say how many things will be watched of a column, by its reference: what a promise is split over."""
    return len(channels(values, times, block, known=None, seasons=(), names=names)[0])


def _turns(
    values: Floats, times: Floats, *, reference: int, limit: float, block: int, seasons: Sequence[str],
    names: bool, advance: Callable[[int], None],
) -> Iterator[Turn]:  # fmt: skip
    start, stop = 0, reference
    known: Known | None = None
    while stop + block <= len(values):
        watched, learned = channels(
            values[start:stop], times[start:stop], block, known=known, seasons=seasons, names=names
        )
        known = learned if any(channel.kind == "level" for channel in watched) else known
        earliest = _earliest(watched, values[stop:], times[stop:], limit)
        if earliest is None:
            break
        channel, alarm, evidence, place = earliest
        at, low, high = (stop + each * block for each in place)
        told = stop + (alarm + 1) * block - 1
        amounts = any(each.kind == "level" for each in watched)
        anew = max(RELEARN, reference // block // _FIFTH if amounts else 0) * block
        ahead = min(len(values), max(told + 1, at + anew))
        turn = Turn(at, low, high + block - 1, told, channel.kind, channel.value, 0, 0, 0, evidence)
        yield _told(turn, values[start : min(at, stop)], values[at:ahead])
        advance(ahead)
        start, stop = at, ahead
    advance(len(values))


def _earliest(
    watched: Sequence[Channel], values: Floats, times: Floats, limit: float
) -> tuple[Channel, int, float, tuple[int, int, int]] | None:
    """Find which of the channels stops first, and where its stream changed."""
    best: tuple[Channel, int, float, tuple[int, int, int]] | None = None
    for channel in watched:
        logs, here = channel.look(values, times)
        stopped = first(logs, here, limit)
        if stopped is None or (best is not None and stopped[0] >= best[1]):
            continue
        alarm, evidence = stopped
        beyond = alarm + 1 + min(_BEYOND, alarm + 1)
        best = channel, alarm, evidence, when(logs[:beyond], here[:beyond])
    return best


def _told(turn: Turn, before: Floats, after: Floats) -> Turn:
    """Measure the change on the rows themselves."""
    if turn.kind in ("level", "spread"):
        old, new = before[np.isfinite(before)], after[np.isfinite(after)]
        scale = max(float(old.std()), 1e-300) if len(old) else 1.0
        if turn.kind == "level":
            one, other = float(np.mean(old)), float(np.mean(new)) if len(new) else float("nan")
            return replace(turn, before=one, after=other, effect=(other - one) / scale)
        one, other = _steps(old), _steps(new)
        return replace(
            turn, before=one, after=other, effect=float(np.log(max(other, 1e-300) / one)) if one else 0.0
        )
    one, other = (_share(turn, before, part) for part in (before, after))
    return replace(turn, before=one, after=other, effect=other - one)


def _steps(values: Floats) -> float:
    """The typical step from one value to the next: what the spread of a wandering column is."""
    return float(np.median(np.abs(np.diff(values)))) if len(values) > 1 else 0.0


def _share(turn: Turn, before: Floats, part: Floats) -> float:
    if not len(part):
        return 0.0
    missing = np.isnan(part)
    if turn.kind == "missing":
        return float(missing.mean())
    seen = part[~missing]
    if not len(seen):
        return 0.0
    return float((seen == turn.value).mean() if turn.kind == "share" else (~np.isin(seen, before)).mean())


def _gone_back(found: Iterable[Turn]) -> list[Turn]:
    """A return to what was before ends a change; it is not another one."""
    kept: list[Turn] = []
    for turn in found:
        last = kept[-1] if kept else None
        if (
            last is not None
            and last.until is None
            and (last.kind, str(last.value)) == (turn.kind, str(turn.value))
            and abs(turn.after - last.before) <= _BACK * abs(last.after - last.before)
        ):
            kept[-1] = replace(last, until=turn.at)
        else:
            kept.append(turn)
    return kept
