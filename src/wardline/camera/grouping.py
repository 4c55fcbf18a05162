"""Frames by the encoder, camera and size that wrote them; and the runs that another one wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wardline.stats import codec

_FEW = 8  # frames a level, under which levels of one table are rate control


class Group(NamedTuple):
    """Frames of one fingerprint. `first` is the index of its first frame."""

    frames: int
    first: int
    format: str
    size: str
    subsampling: str
    tables: str
    camera: str
    software: str


class HeaderRun(NamedTuple):
    """Frames `start` to `stop` (exclusive) that show something never seen; `frames` of them do."""

    kind: str
    start: int
    stop: int
    frames: int
    changes: tuple[codec.Change, ...]


def keys(headers: Sequence[codec.Header]) -> list[tuple[object, ...]]:
    """Return one key a frame, equal where one encoder in one setting wrote both.

    Sizes, and levels of one table, tell settings apart where there are few of them; crops have any size,
    and a camera with rate control has many levels.
    """
    tables = [codec.level_of(header) or ((), 0.0) for header in headers]
    habits = [
        (codec.kind_of(each), each.exif[:2], each.exif[3:5], each.exif.software, table[0])
        for each, table in zip(headers, tables, strict=True)
    ]
    sizes = _few(habits, [(each.width, each.height) for each in headers])  # crops have any size
    levels = _few(habits, [level for _, level in tables])
    return [(*habit, *rest) for habit, *rest in zip(habits, sizes, levels, strict=True)]


def _few(habits: Sequence[object], values: Sequence[object]) -> list[object]:
    """Leave out what takes many values within one habit: it tells no settings apart."""
    frames, seen = Counter(habits), dict[object, set[object]]()
    for habit, value in zip(habits, values, strict=True):
        seen.setdefault(habit, set()).add(value)
    return [
        value if len(seen[habit]) <= max(3, frames[habit] // _FEW) else None
        for habit, value in zip(habits, values, strict=True)
    ]


def majority(headers: Sequence[codec.Header]) -> codec.Known:
    """Learn what most frames show."""
    every = keys(headers)
    most = Counter(every).most_common(1)[0][0] if every else None
    return codec.learn(header for header, key in zip(headers, every, strict=True) if key == most)


def groups(headers: Sequence[codec.Header]) -> list[Group]:
    """Tell the fingerprints apart, the most frequent first."""
    every = keys(headers)
    found = []
    for key, count in Counter(every).most_common():
        first = every.index(key)
        header = headers[first]
        exif, table = header.exif, codec.level_of(header)
        own = (
            "none"
            if table is None
            else f"libjpeg {table[1]:.0f}"
            if not table[0]
            else f"own, level {table[1]:.2f}"
        )
        size = f"{header.width} x {header.height}" + (" and others" if key[-2] is None else "")
        camera = " ".join(filter(None, (exif.make, exif.model, exif.serial)))
        tables = f"{own} and others" if key[-1] is None else own
        found.append(
            Group(count, first, header.format, size, header.subsampling, tables, camera, exif.software)
        )
    return found


def header_runs(headers: Sequence[codec.Header], known: codec.Known, most: int = 4) -> list[HeaderRun]:
    """Find the stretches whose headers show what is not known, by cause.

    One frame is enough. Where a cause comes and goes more than `most` times it is told once, from its first
    to its last frame.
    """
    found: dict[str, list[HeaderRun]] = {}
    for index, header in enumerate(headers):
        changes = codec.novelty(known, header)
        for kind in dict.fromkeys(change.cause for change in changes):
            these = tuple(change for change in changes if change.cause == kind)
            runs = found.setdefault(kind, [])
            goes_on = _going_on(runs, index, _seen(these))
            if goes_on is None:
                runs.append(HeaderRun(kind, index, index + 1, 1, these))
            else:
                start = runs[goes_on].start
                runs[goes_on] = runs[goes_on]._replace(stop=index + 1, frames=index + 1 - start)
    told = (_together(runs) if len(runs) > most else runs for runs in found.values())
    return sorted((run for runs in told for run in runs), key=lambda run: run.start)


def _going_on(runs: Sequence[HeaderRun], index: int, shown: set[str]) -> int | None:
    """Find the run that frame `index` continues, be it after others that showed yet another change."""
    reached = index
    for place in range(len(runs) - 1, -1, -1):
        run = runs[place]
        if run.stop in (reached, index):
            if _seen(run.changes) == shown:
                return place
            reached = run.start if run.stop == reached else reached
    return None


def _seen(changes: Iterable[codec.Change]) -> set[str]:
    """Name what is new, not its value: under rate control the value moves."""
    return {change.subject for change in changes}


def _together(runs: Sequence[HeaderRun]) -> list[HeaderRun]:
    frames = sum(run.frames for run in runs)
    return [runs[0]._replace(stop=runs[-1].stop, frames=frames)]
