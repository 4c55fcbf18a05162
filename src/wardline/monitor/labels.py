"""Everything that labels say of a gate, in one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.labelling import Labelling
from wardline.log.columns import Coded
from wardline.log.labelled import Labelled
from wardline.monitor.business import Standings
from wardline.monitor.coverage import Realised, realised
from wardline.monitor.estimates import Estimates, estimates
from wardline.monitor.maturity import Maturity, matured, maturity
from wardline.monitor.performance import Judged, Mix, mixes, performance
from wardline.monitor.plan import Watched
from wardline.monitor.signal import Standing
from wardline.stats.segments import Segment, worst_segments
from wardline.verdict import Coverage

MOST_ROWS = 200_000
"""Labelled answers among which segments are looked for; of more, a random sample (seeded)."""


class Named(msgspec.Struct, frozen=True):
    """A segment by name, such as `region=north, channel=web`; see `stats.segments`."""

    where: str
    rows: int
    mean: float
    elsewhere: float
    p_value: float
    excess: float


class Quality(msgspec.Struct, frozen=True):
    """What is known of the answers' quality at one time."""

    gate: str
    maturity: Maturity
    answered: int
    matured: int
    labelled: int
    performance: tuple[Judged, ...]
    mixes: tuple[Mix, ...]
    coverage: tuple[Realised, ...]
    estimates: Estimates | None
    segments: tuple[Named, ...] | None = None
    business: tuple[Standings, ...] = ()

    @property
    def standing(self) -> Standing:
        """The sternest of all standings."""
        found = [each.standing for each in self.performance] + [each.standing for each in self.business]
        found += [Standing.ALERT for each in self.coverage if each.status is Coverage.VOID]
        return max(found, key=list(_ORDER).index, default=Standing.INSUFFICIENT)

    def promises(self) -> dict[str, Coverage]:
        """Return what labels leave of each rung's stated coverage: what `health.json` carries."""
        return {each.rung: each.status for each in self.coverage if each.status is not None}


_ORDER = (Standing.INSUFFICIENT, Standing.OK, Standing.WARN, Standing.ALERT)


def quality(
    watched: Watched,
    known: Labelled,
    now: float,
    *,
    find: int | None = None,
    business: Sequence[Standings] = (),
) -> Quality:
    """Judge answers by their labels; `find` looks for segments over so many slice columns at once.

    Only matured answers are judged. Where nobody can say yet what is matured there is nothing to judge, and
    every standing is "insufficient".
    """
    declared = watched.monitoring.labels
    until = maturity(known, declared, now)
    old = matured(known, until)
    fresh = known.take(known.time >= until.until)
    judged = performance(old, watched.reference, declared, watched.rungs)
    return Quality(
        gate=watched.name,
        maturity=until,
        answered=len(known),
        matured=len(old),
        labelled=int(old.has.sum()),
        performance=tuple(judged),
        mixes=tuple(mixes(judged, watched.rungs[0])),
        coverage=tuple(realised(old, watched.reference, declared, rung) for rung in watched.rungs),
        estimates=estimates(fresh, old, watched.reference, declared, watched.rungs[0]),
        segments=None if find is None else segments(old, declared, watched.slices, find),
        business=tuple(business),
    )


def segments(
    old: Labelled, declared: Labelling, columns: Sequence[str], depth: int, *, seed: int = 0
) -> tuple[Named, ...]:
    """Look for the worst segments of labelled answers, whichever rung gave them."""
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(old.has)
    if (chosen := sample(len(rows), rng)) is not None:
        rows = rows[chosen]
    some = old.take(rows)
    return segments_of(some.loss, {name: some.slices[name] for name in columns}, declared, depth, rng)


def sample(count: int, rng: np.random.Generator) -> NDArray[np.int64] | None:
    """Draw the places of the answers that are looked at, in order; None where all of them are."""
    return None if count <= MOST_ROWS else np.sort(rng.choice(count, MOST_ROWS, replace=False))


def segments_of(
    loss: NDArray[np.float64],
    columns: Mapping[str, Coded],
    declared: Labelling,
    depth: int,
    rng: np.random.Generator,
) -> tuple[Named, ...]:
    """Look for the worst segments of what answers cost."""
    codes = {name: column.codes.astype(np.intp) for name, column in columns.items()}
    level = max(declared.false_rate, 0.005)  # what 200 permutations can tell
    found = worst_segments(loss, codes, rng, depth=depth, least=declared.least, level=level)
    return tuple(_named(each, columns) for each in found)


def _named(segment: Segment, columns: Mapping[str, Coded]) -> Named:
    where = ", ".join(f"{column}={columns[column].names[code]}" for column, code in segment.where)
    return Named(where, *segment[1:])
