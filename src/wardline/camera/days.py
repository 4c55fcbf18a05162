"""A folder whose frames span days: tone and colour held to the same time of its other days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import NamedTuple

import numpy as np

from wardline.camera.events import Event, Evidence
from wardline.camera.folder import Seen
from wardline.stats.camera_change.day import Day
from wardline.stats.camera_change.hours import Change, Hours
from wardline.stats.camera_change.series import LEVEL
from wardline.stats.camera_change.template import A_DAY, LEARNED_S, SLOT_S, slot_of


class _Timed(NamedTuple):
    at: float
    place: int  # among the frames that are judged; negative: of the reference
    frame: Seen


def of_days(seen: Sequence[Seen], reference: Sequence[Seen] = ()) -> list[Event]:
    """Tell changes of white balance, tone and black level over hours; none where days were not photographed.

    It takes times (EXIF or names), a frame each half hour or more often, and more than a week. What the
    monitor would only warn of is left out: rarer than `LEVEL` over all of the folder's days, or not told.
    """
    frames = _timed(seen, reference)
    if not frames or frames[-1].at - frames[0].at <= LEARNED_S:
        return []
    judged_s = frames[-1].at - frames[0].at - LEARNED_S
    told = [_event(change, frames, ended, judged_s) for change, ended in _followed(frames)]
    return [event for event in told if event is not None and (event.p_value or 0.0) <= LEVEL]


def by_day(events: Sequence[Event], seen: Sequence[Seen], reference: Sequence[Seen] = ()) -> list[Event]:
    """Name anew what only pixels show and what lasts a day or more, by the whole day after it.

    It takes times, two days before and frames in two of three slots; what has less keeps its name.
    """
    frames, inside = _timed(seen, reference), np.zeros(len(seen), np.bool_)
    for event in events:
        inside[event.place : event.stop] = True
    usual = [each for each in frames if each.place < 0 or not inside[each.place]]
    return [_renamed(event, frames, usual) if event.p_value is not None else event for event in events]


def _renamed(event: Event, frames: Sequence[_Timed], usual: Sequence[_Timed]) -> Event:
    changed = [each for each in frames if max(event.place, event.within[1]) <= each.place < event.stop]
    if not changed or changed[-1].at - changed[0].at < A_DAY * SLOT_S:
        return event
    watch = Hours()
    for each in usual:
        if each.at < changed[0].at:
            watch.update(np.array(each.frame.statistics, np.float64), each.at)
    watch.day = Day(slot_of(changed[0].at))
    for each in changed:
        watch.update(np.array(each.frame.statistics, np.float64), each.at)
    causes = watch.day.causes(watch.template)
    if not causes:
        return event
    return event._replace(kind=causes[0][0], sure=causes[0][1], instead=causes[1], day=True)


def _timed(seen: Sequence[Seen], reference: Sequence[Seen]) -> list[_Timed]:
    """List the frames whose time is known, in its order."""
    frames = [
        _Timed(each.taken.replace(tzinfo=UTC).timestamp(), place, each)
        for place, each in enumerate((*reference, *seen), -len(reference))
        if each.taken is not None
    ]
    return sorted(frames, key=lambda each: each.at)


def _followed(frames: Sequence[_Timed]) -> list[tuple[Change, float]]:
    """List what changed, as the hours after it had it, and when it was over: infinity where it was not."""
    watch, found, last = Hours(), list[tuple[Change, float]](), None
    for each in frames:
        watch.update(np.array(each.frame.statistics, np.float64), each.at)
        if last is not None and watch.standing is None:
            found.append((last, each.at))
        last = watch.standing
    return [*found, (last, float("inf"))] if last is not None else found


def _event(change: Change, frames: Sequence[_Timed], ended: float, judged_s: float) -> Event | None:
    """Word one; None where all of it lies in the reference."""
    inside = [each.place for each in frames if each.place >= 0 and change.since < each.at < ended]
    low = [each.place for each in frames if each.place >= 0 and change.since < each.at <= change.at]
    if not inside or not low:
        return None
    (kind, sure), other = change.causes[:2]
    shown = tuple(Evidence(name, "as on other days", f"{by:+.1f}", by) for name, by in change.evidence)
    return Event(
        kind, low[len(low) // 2], max(inside) + 1, (min(low), max(low)), sure, other,
        min(1.0, change.rate * judged_s), change.score, shown,
    )  # fmt: skip
