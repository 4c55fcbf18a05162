"""What a folder of frames says about its camera: when it changed, what was changed, how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wardline.camera.days import by_day, of_days
from wardline.camera.events import Event, Evidence, Review, Verdict
from wardline.camera.folder import Refused, Seen
from wardline.camera.grouping import HeaderRun, groups, header_runs, majority
from wardline.cameras import SCENE, mode_of
from wardline.stats import codec
from wardline.stats.camera_change import series, swap
from wardline.stats.camera_change.vector import NAMES
from wardline.stats.image import Statistics

_SHOWN = 4  # statistics named as evidence
_NIGHTS = 3  # more turns between colour and mono than this are day and night


def review(found: Sequence[Seen | Refused], reference: Sequence[Seen] = ()) -> Review:
    """Look a folder's frames through; without a reference, what most of them show is normal."""
    seen = [each for each in found if isinstance(each, Seen)]
    refused = [each for each in found if isinstance(each, Refused)]
    headers = [each.header for each in seen]
    known = codec.learn(each.header for each in reference) if reference else majority(headers)
    changes = header_runs(headers, known)
    told = [_of_header(run) for run in changes] + _nights(seen, reference)
    events = [*told, *_physical(seen, reference, _stretches(changes, len(seen)))]
    for run in changes:
        if run.kind == "identity.model":
            events += [each for each in _brought(seen, reference, run) if not _told_already(each, events)]
    kinds = {event.kind for event in events}
    events += [each for each in of_days(seen, reference) if each.kind not in kinds]
    events = by_day(_joined(events), seen, reference)
    short = len(seen) + len(reference) < series.FEWEST or not seen
    return Review(_verdict(events, short=short), events, groups(headers), seen, refused, len(reference))


def _verdict(events: Sequence[Event], *, short: bool) -> Verdict:
    worst = {event.severity for event in events}
    return "alert" if "alert" in worst else "warn" if "warn" in worst else "insufficient" if short else "ok"


def _of_header(run: HeaderRun) -> Event:
    evidence = tuple(Evidence(each.subject, each.expected, each.observed, None) for each in run.changes)
    return Event(run.kind, run.start, run.stop, (run.start, run.start), 0.99, None, None, 1.0, evidence)


def _nights(seen: Sequence[Seen], reference: Sequence[Seen]) -> list[Event]:
    """Tell the runs in which a colour camera shows none; day and night in turn are no event."""
    mono = np.array([each.statistics.chroma < 2.0 for each in seen], np.bool_)
    if not len(mono) or any(each.statistics.chroma < 2.0 for each in reference) or mono.mean() > 0.5:
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mono.astype(np.int8), [0]]))).tolist()
    runs = list(zip(edges[::2], edges[1::2], strict=True))
    usual = float(np.median([each.statistics.chroma for each in (*reference, *seen)]))
    return [
        Event("light.night", start, stop, (start, start), 0.95, None, None, 1.0,
              (Evidence("chroma", usual, float(seen[start].statistics.chroma), None),))
        for start, stop in (runs if len(runs) <= _NIGHTS else ())
    ]  # fmt: skip


def _stretches(changes: Sequence[HeaderRun], count: int) -> list[tuple[int, int]]:
    """Return the stretches in which some header differs."""
    differs = np.zeros(count + 2, np.int8)
    for run in changes:
        if run.frames == run.stop - run.start:
            differs[run.start + 1 : run.stop + 1] = 1
    edges = np.flatnonzero(np.diff(differs)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _physical(
    seen: Sequence[Seen], reference: Sequence[Seen], stretches: Sequence[tuple[int, int]]
) -> list[Event]:
    """Scan the statistics of each mode, day and night apart.

    Where headers show a stretch of another kind, its pixels are judged as that stretch; then the rest is.
    """
    rows, first = [*reference, *seen], len(reference)
    modes = np.array([mode_of(each.statistics) for each in rows])
    found = []
    for mode in np.unique(modes):
        places = np.flatnonzero(modes == mode)
        if first and (places < first).sum() < series.LEAST:  # the reference never showed this mode
            continue
        for start, stop in stretches:
            inside = np.searchsorted(places, [start + first, stop + first])
            table = _table(rows, places)
            run = series.held(table, int(inside[0]), int(inside[1]))
            if run is not None:
                found.append(_of_run(run, table, places - first))
            if stop - start >= series.LEAST:
                places = np.delete(places, slice(*inside))
        table, begin = _table(rows, places), int((places < first).sum())
        found += [_of_run(run, table, places - first) for run in series.runs(table, begin)]
    return found


def _brought(seen: Sequence[Seen], reference: Sequence[Seen], run: HeaderRun) -> list[Event]:
    """Tell what another camera brought along; colours may be those of another place, so half sure at most."""
    table = _table([*reference, *seen], np.arange(len(reference) + len(seen)))
    inside = np.arange(len(table)) - len(reference)
    chosen = (inside >= run.start) & (inside < run.stop)
    found = []
    for part in swap.parts(table, run.start + len(reference), run.stop + len(reference)):
        shown = list(zip(part.names[:_SHOWN], part.differences, strict=False))
        evidence = tuple(_evidence_of(table, chosen, name, effect) for name, effect in shown)
        colour = part.kind == "isp.white_balance"
        sure, instead = min(part.share, 0.5 if colour else 0.95), ("scene.season", 0.5) if colour else None
        found.append(Event(
            part.kind, run.start, run.stop, (run.start, run.start), sure, instead, part.p_value,
            max(map(abs, part.differences)), evidence,
        ))  # fmt: skip
    return found


def _told_already(event: Event, events: Sequence[Event]) -> bool:
    return any(each.kind == event.kind and each.place == event.place for each in events)


def _table(rows: Sequence[Seen], places: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.array([rows[place].statistics for place in places], np.float64)


def _of_run(run: series.Run, table: NDArray[np.float64], places: NDArray[np.intp]) -> Event:
    (kind, sure), (other, odds) = run.causes[:2]
    inside = np.zeros(len(table), np.bool_)
    inside[run.start : run.stop] = True
    strongest = np.argsort(-np.abs(run.difference))[:_SHOWN]
    evidence = [
        _evidence_of(table, inside, NAMES[place], float(run.difference[place])) for place in strongest
    ]
    stop = int(places[run.stop]) if run.stop < len(places) else int(places[-1]) + 1
    within = int(places[run.within[0]]), int(places[run.within[1]])
    return Event(
        kind, int(places[run.start]), stop, (max(within[0], 0), within[1]), sure, (other, odds), run.p_value,
        run.score, tuple(evidence),
    )  # fmt: skip


def _evidence_of(table: NDArray[np.float64], inside: NDArray[np.bool_], name: str, effect: float) -> Evidence:
    column = table[:, Statistics._fields.index(name)]
    return Evidence(name, _middle(column[~inside]), _middle(column[inside]), effect)


def _middle(values: NDArray[np.float64]) -> float:
    good = values[np.isfinite(values)]
    return float(np.median(good)) if good.size else float("nan")


def _joined(events: Sequence[Event]) -> list[Event]:
    """Let the header name what the pixels show too: one event a change, where both say the same."""
    told = [event for event in events if event.p_value is None]
    for event in (each for each in events if each.p_value is not None):
        same = [place for place, each in enumerate(told) if _same(each, event)]
        if same:
            place = same[0]
            told[place] = told[place]._replace(evidence=(*told[place].evidence, *event.evidence))
        else:
            told.append(event)
    return sorted(told, key=lambda event: (event.place, event.p_value is not None))


def _same(one: Event, other: Event) -> bool:
    """Whether a header's event and the pixels' have one kind and one place."""
    close = one.p_value is None and abs(one.place - other.place) <= series.LEAST
    return close and other.kind in (one.kind, *SCENE) and one.place < other.stop and other.place < one.stop
