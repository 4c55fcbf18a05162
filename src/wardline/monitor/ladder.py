"""The ladder: counts by stretches of time, fine for what is recent and coarse for what is long past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.log.columns import Columns
from wardline.monitor.plan import Plan
from wardline.monitor.tally import Tally

STEPS = (1, 10, 60, 600, 3_600, 86_400)
"""Seconds of a bucket on each rung of the ladder; each is a multiple of the one before."""

KEPT = 64
"""Buckets that are kept of each: a minute of seconds, an hour of minutes, two months of days."""

SECOND = 1_000_000_000


class Bucket:
    """The counts of one stretch of time."""

    __slots__ = ("sliced", "whole")

    def __init__(self, sliced: NDArray[np.int64], whole: NDArray[np.int64]) -> None:
        self.sliced = sliced
        self.whole = whole


class Window(NamedTuple):
    """Counts of the newest buckets of one step: `blocks` (buckets, slices, width), newest last."""

    step: int
    begin: float
    end: float
    blocks: NDArray[np.int64]

    def counts(self, place: int = 0) -> NDArray[np.int64]:
        """Add up the blocks of a slice."""
        total: NDArray[np.int64] = self.blocks[:, place].sum(axis=0)
        return total


class Ladder:
    """All that the monitor remembers of the records: a few hundred buckets, whatever came.

    The state is a function of the set of records alone, not of their order or of who read them: records
    late by hours fall into the bucket of their own time, and `merge` of two ladders over parts of a log
    gives exactly the ladder over the whole. What is older than the coarsest buckets reach is only counted
    (`rows`).
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rows = 0
        self.newest = 0
        self.first = 0
        self.sources: dict[tuple[str, int], int] = {}
        self.rungs: tuple[dict[int, Bucket], ...] = tuple({} for _ in STEPS)
        self._tally = Tally(plan)

    def add(self, records: Columns, source: str = "") -> None:
        """Count some records, all of one source."""
        if not len(records):
            return
        time = records.time
        self.rows += len(records)
        self.newest = max(self.newest, int(time.max()))
        self.first = min(self.first or int(time.min()), int(time.min()))
        hours, many = np.unique(time // (SECOND * 3600), return_counts=True)
        for hour, rows in zip(hours.tolist(), many.tolist(), strict=True):
            self.sources[source, hour] = self.sources.get((source, hour), 0) + rows
        self._prune()
        rung = np.full(len(time), len(STEPS))
        for place in reversed(range(len(STEPS))):
            rung[time // (SECOND * STEPS[place]) > self._horizon(place)] = place
        if (rung == len(STEPS)).any():
            kept = np.flatnonzero(rung < len(STEPS))
            records, time, rung = records.take(kept), time[kept], rung[kept]
        for place in np.unique(rung).tolist():
            chosen = rung == place
            some = records if chosen.all() else records.take(chosen)
            self._count(some, time[chosen] // (SECOND * STEPS[place]), place)

    def _count(self, records: Columns, buckets: NDArray[np.int64], rung: int) -> None:
        """Count records by their buckets of one step, and into the coarser buckets around them."""
        numbers, cells = np.unique(buckets, return_inverse=True)
        sliced, whole = self._tally.count(records, cells.astype(np.intp), len(numbers))
        for cell, number in enumerate(numbers.tolist()):
            for coarser in range(rung, len(STEPS)):
                at = number * STEPS[rung] // STEPS[coarser]
                self._into(coarser, at, sliced[cell], whole[cell])

    def _into(self, rung: int, at: int, sliced: NDArray[np.int64], whole: NDArray[np.int64]) -> None:
        bucket = self.rungs[rung].get(at)
        if bucket is None:
            self.rungs[rung][at] = Bucket(sliced.copy(), whole.copy())
        else:
            bucket.sliced += sliced
            bucket.whole += whole

    def merge(self, other: Ladder) -> None:
        """Add what another monitor counted over other records of the same gate."""
        if other.plan.id != self.plan.id:
            raise ValueError("these counts are of another reference or other slices: they do not add up")
        self.rows += other.rows
        self.newest = max(self.newest, other.newest)
        self.first = min(self.first or other.first, other.first or self.first)
        for source, rows in other.sources.items():
            self.sources[source] = self.sources.get(source, 0) + rows
        for rung, buckets in enumerate(other.rungs):
            for at, bucket in buckets.items():
                self._into(rung, at, bucket.sliced, bucket.whole)
        self._prune()

    def _horizon(self, rung: int) -> int:
        """Return the newest bucket that is no longer kept."""
        return self.newest // (SECOND * STEPS[rung]) - KEPT

    def _prune(self) -> None:
        for place, buckets in enumerate(self.rungs):
            horizon = self._horizon(place)
            for at in [at for at in buckets if at <= horizon]:
                del buckets[at]
        oldest = (self._horizon(len(STEPS) - 1) + 1) * 24
        for key in [key for key in self.sources if key[1] < oldest]:
            del self.sources[key]

    @property
    def now(self) -> float:
        """The time of the newest record, in seconds."""
        return self.newest / SECOND

    def buckets(self, rung: int) -> Iterator[tuple[int, Bucket]]:
        """Give the buckets of one step, oldest first."""
        return iter(sorted(self.rungs[rung].items()))

    def last(self, rows: int, place: int = 0) -> Window | None:
        """Return the smallest stretch up to now with so many rows of a slice; None where there are fewer.

        It is made of whole buckets of the finest step that reaches far enough.
        """
        for rung in range(len(STEPS)):
            chosen = sorted(self.rungs[rung].items(), reverse=True)
            total = 0
            for used, (_, bucket) in enumerate(chosen):
                total += int(bucket.sliced[place, 0])
                if total >= rows:
                    return self._window(rung, [at for at, _ in chosen[: used + 1]])
        return None

    def within(self, seconds: float) -> Window:
        """Return the newest stretch of so many seconds, in the finest step that reaches as far."""
        rung = next((i for i, step in enumerate(STEPS) if step * KEPT >= seconds), len(STEPS) - 1)
        since = int((self.now - seconds) // STEPS[rung])
        return self._window(rung, [at for at in self.rungs[rung] if at > since])

    def history(self, rung: int) -> Window:
        """Return all that is kept of one step."""
        return self._window(rung, list(self.rungs[rung]))

    def _window(self, rung: int, numbers: list[int]) -> Window:
        step, numbers = STEPS[rung], sorted(numbers)
        shape = (0, len(self.plan.slices), self.plan.width)
        held = self.rungs[rung]
        blocks = np.stack([held[at].sliced for at in numbers]) if numbers else np.zeros(shape, np.int64)
        begin = numbers[0] * step if numbers else self.now
        return Window(step, float(begin), self.now, blocks)

    def whole(self, window: Window) -> NDArray[np.int64]:
        """Return the counts of all rows only, of the buckets of a window, shape (depth,)."""
        held = self.rungs[STEPS.index(window.step)]
        chosen = [bucket.whole for at, bucket in held.items() if at * window.step >= window.begin]
        total: NDArray[np.int64] = np.sum(chosen, axis=0) if chosen else np.zeros(self.plan.depth, np.int64)
        return total
