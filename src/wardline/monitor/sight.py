"""What one look at the ladder sees: the newest window of each slice, its blocks in sequence, and its past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wardline.monitor.judge import Limits, exceed
from wardline.monitor.ladder import STEPS, Ladder
from wardline.monitor.plan import Span
from wardline.monitor.signal import Signal
from wardline.stats.dependence import LEAST_BLOCKS

Counts = NDArray[np.int64]

PAST = 4
"""Windows that a slice's own past must hold before anything is compared with it."""

REACH = 4
"""Windows of history from which on the window's own stretches tell its dependence."""

LONGER = 8
"""Windows that are also looked at together: a rare value takes more rows to be sure of than a common one."""


@dataclass(frozen=True)
class View:
    """A slice in one window: `blocks` of its step in sequence, of which the last `used` are in it."""

    place: int
    name: str
    step: int
    begin: float
    end: float
    blocks: Counts
    used: int
    coarse: tuple[Counts, ...] | None = ()
    """The same slice in longer stretches, over more time; None where there are none, and the stretches here
    hold less than `REACH` windows."""

    def counts(self, span: Span) -> Counts:
        """Add up the window's counts."""
        total: Counts = span.of(self.blocks[len(self.blocks) - self.used :]).sum(axis=0)
        return total

    def series(self, span: Span) -> Counts:
        """Return the counts of each stretch, shape (stretches, size): the window and what led up to it."""
        return span.of(self.blocks)

    def slower(self, span: Span) -> tuple[Counts, ...] | None:
        """Return the counts of each longer stretch; None where it would take them to know of dependence."""
        return None if self.coarse is None else tuple(span.of(blocks) for blocks in self.coarse)

    @property
    def rows(self) -> int:
        """Rows in the window."""
        return int(self.blocks[len(self.blocks) - self.used :, 0].sum())


@dataclass(frozen=True)
class Sight:
    """The ladder as it is at `now`, in seconds: everything the signals are made of, each made once."""

    ladder: Ladder
    now: float

    @cached_property
    def rows(self) -> int:
        """The rows of a window."""
        return self.ladder.plan.watched.monitoring.rows

    @property
    def limits(self) -> Limits:
        """The limits of everything that is judged by its PSI."""
        monitoring = self.ladder.plan.watched.monitoring
        return Limits(monitoring.warn, monitoring.alert, monitoring.rows)

    def rate(self, limit: float) -> Limits:
        """The limits of a share: half of it warns."""
        return Limits(limit / 2, limit, self.rows)

    @cached_property
    def views(self) -> tuple[View, ...]:
        """The newest window of every slice that has one; all rows come first."""
        made = (self._view(place) for place in range(len(self.ladder.plan.slices)))
        return tuple(view for view in made if view is not None)

    @property
    def whole(self) -> View | None:
        """The newest window of all rows."""
        return self.views[0] if self.views and self.views[0].place == 0 else None

    def view(self, place: int) -> View | None:
        """The newest window of a slice."""
        return next((view for view in self.views if view.place == place), None)

    def longer(self, view: View) -> View | None:
        """A slice's newest `LONGER` windows together; None where there are not so many rows yet."""
        cached: dict[int, View | None] = self.__dict__.setdefault("_longer", {})
        if view.place not in cached:
            cached[view.place] = self._view(view.place, LONGER)
        return cached[view.place]

    def _view(self, place: int, windows: int = 1) -> View | None:
        for rung in range(len(STEPS)):
            numbers, blocks = self._rung(rung)
            filled = np.cumsum(blocks[::-1, place, 0])
            if len(filled) and filled[-1] >= windows * self.rows:
                used = int(np.searchsorted(filled, windows * self.rows)) + 1
                begin = float(numbers[len(numbers) - used] * STEPS[rung])
                name = self.ladder.plan.name(place)
                coarse: tuple[Counts, ...] | None = self._coarse(place, rung)
                if windows == 1 and REACH * used > len(blocks):
                    coarse = coarse or None
                return View(place, name, STEPS[rung], begin, self.ladder.now, blocks[:, place], used, coarse)
        return None

    def _coarse(self, place: int, rung: int) -> tuple[Counts, ...]:
        """A slice's counts in all longer stretches of which there are enough."""
        series = (self._rung(longer)[1][:, place] for longer in range(rung + 1, len(STEPS)))
        return tuple(blocks for blocks in series if (blocks[:, 0] > 0).sum() >= LEAST_BLOCKS)

    def cycle(self, seconds: float) -> View | None:
        """All rows of the newest whole cycle; None until one has passed."""
        if self.ladder.newest == 0 or (self.ladder.newest - self.ladder.first) / 1e9 < seconds:
            return None
        window = self.ladder.within(seconds)
        return View(0, "", window.step, window.begin, window.end, window.blocks[:, 0], len(window.blocks))

    def _rung(self, rung: int) -> tuple[list[int], Counts]:
        cached: dict[int, tuple[list[int], Counts]] = self.__dict__.setdefault("_rungs", {})
        if rung not in cached:
            cached[rung] = (sorted(self.ladder.rungs[rung]), self.ladder.history(rung).blocks)
        return cached[rung]

    def series(self, rung: int) -> tuple[list[int], Counts]:
        """The finished buckets of one step, oldest first: their numbers and counts (buckets, width)."""
        numbers, blocks = self._rung(rung)
        last = self.ladder.newest // (STEPS[rung] * 1_000_000_000)
        done = len(numbers) - 1 if numbers and numbers[-1] >= last else len(numbers)
        return numbers[:done], blocks[:done, 0]

    def past(self, view: View) -> Counts | None:
        """A slice's counts before its window, over as long as there is; None where that is too little."""
        for rung in reversed(range(len(STEPS))):
            numbers, blocks = self._rung(rung)
            before = sum((number + 1) * STEPS[rung] <= view.begin for number in numbers)
            total: Counts = blocks[:before, view.place].sum(axis=0)
            if total[0] >= PAST * self.rows:
                return total
        return None

    @cached_property
    def details(self) -> Counts:
        """The counts of all rows only, of each stretch of the window's step, shape (stretches, depth)."""
        view = self.whole
        if view is None:
            return np.zeros((0, self.ladder.plan.depth), np.int64)
        return self._details(STEPS.index(view.step))

    def _details(self, rung: int) -> Counts:
        held = self.ladder.rungs[rung]
        return np.stack([held[number].whole for number in sorted(held)])

    def detailed(self, span: Span) -> tuple[Counts, Counts]:
        """Such counts of the window together, and of its stretches in sequence."""
        series = span.of(self.details)
        used = self.whole.used if self.whole is not None else 0
        total: Counts = series[len(series) - used :].sum(axis=0)
        return total, series

    def windows(self, span: Span, least: int) -> Counts | None:
        """Return such counts by windows of whole stretches, the newest last; None where there are too few."""
        for rung in range(len(STEPS)):
            _, blocks = self._rung(rung)
            filled = np.cumsum(blocks[::-1, 0, 0])
            if not len(filled) or filled[-1] < self.rows:
                continue
            used = int(np.searchsorted(filled, self.rows)) + 1
            many = len(blocks) // used
            if many >= least:
                series = span.of(self._details(rung))[len(blocks) - many * used :]
                total: Counts = series.reshape(many, used, -1).sum(axis=1)
                return total
        return None

    def detailed_past(self, span: Span) -> Counts | None:
        """Such counts before the window, over as long as there is; None where that is too little."""
        view = self.whole
        if view is None:
            return None
        for rung in reversed(range(len(STEPS))):
            numbers, blocks = self._rung(rung)
            before = sum((number + 1) * STEPS[rung] <= view.begin for number in numbers)
            if blocks[:before, 0, 0].sum() >= PAST * self.rows:
                total: Counts = span.of(self._details(rung))[:before].sum(axis=0)
                return total
        return None

    def short(self, name: str, subjects: Iterator[str] | tuple[str, ...] = ("",)) -> Iterator[Signal]:
        """Say of some subjects that there are not enough rows yet."""
        for subject in subjects:
            yield Signal(name, subject, rows=min(self.ladder.rows, self.rows - 1), needed=self.rows)


def rate(signal: Signal, view: View, table: Callable[[View], Counts], limits: Limits) -> Signal:
    """Judge events against others; the table is of the stretches that lead up to now."""
    blocks = table(view)
    events, others = blocks[len(blocks) - view.used :].sum(axis=0).tolist()
    slower = None
    if view.coarse is not None:
        slower = [table(replace(view, blocks=longer, coarse=())) for longer in view.coarse]
    return exceed(signal, events, events + others, limits, blocks=blocks, slower=slower)
