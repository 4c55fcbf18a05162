"""A folder whose frames span days: tone and colour held to the same time of its other days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import NamedTuple

import numpy as np

from wardline.camera.events import Event, Evidence
from wardline.camera.folder import Seen
from wardline.stats.camera_change.hours import Change, Hours
from wardline.stats.camera_change.series import LEVEL
from wardline.stats.camera_change.template import LEARNED_S


class _Timed(NamedTuple):
    at: float
    place: int  # among the frames that are judged; negative: of the reference
    frame: Seen


def of_days(seen: Sequence[Seen], reference: Sequence[Seen] = ()) -> list[Event]:
    """Tell changes of white balance, tone and black level over hours; none where days were not photographed.

    It takes times (EXIF or names), a frame each half hour or more often, and more than a week. What the
    monitor would only warn of is left out: rarer than `LEVEL` over all of the folder's days, or not told.
    """
    frames = [
        _Timed(each.taken.replace(tzinfo=UTC).timestamp(), place, each)
        for place, each in enumerate((*reference, *seen), -len(reference))
        if each.taken is not None
    ]
    frames.sort(key=lambda each: each.at)
    if not frames or frames[-1].at - frames[0].at <= LEARNED_S:
        return []
    judged_s = frames[-1].at - frames[0].at - LEARNED_S
    told = [_event(change, frames, ended, judged_s) for change, ended in _followed(frames)]
    return [event for event in told if event is not None and (event.p_value or 0.0) <= LEVEL]


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
    shown = tuple(Evidence(name, "as on other days", f"{by:+.1f}", by) for name, by in change.evidence())
    return Event(
        kind, low[len(low) // 2], max(inside) + 1, (min(low), max(low)), sure, other,
        min(1.0, change.rate * judged_s), change.score, shown,
    )  # fmt: skip
