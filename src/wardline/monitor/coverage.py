"""Whether sets and intervals hold the truth as often as they say, by labels; and the level that would."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.labelling import Labelling
from wardline.log.labelled import Labelled
from wardline.reference import Reference
from wardline.stats.intervals import wilson
from wardline.stats.realised import adapt, misses_p_value
from wardline.verdict import Coverage

BLOCK = 500
"""Labelled answers that are judged together. Each answer is judged in one block, so that the declared rate of
false alarms is that of blocks."""

_MATTERS = 0.02  # of coverage: a shortfall that is evident and smaller leaves the promise to be watched


class Realised(msgspec.Struct, frozen=True):
    """How often what a rung stated held the truth, over `rows` labelled answers, the newest whole block.

    `status` is None where there is not enough to say: then the reference's own word stands. `low` and
    `high` are Wilson's interval at 95 %; `p_value` is exact (`stats.realised`).
    """

    rung: str
    level: float
    rows: int
    covered: int
    low: float
    high: float
    p_value: float
    status: Coverage | None

    @property
    def share(self) -> float:
        """The realised coverage."""
        return self.covered / self.rows if self.rows else float("nan")


class Block(NamedTuple):
    """What is judged of a rung: which of the newest labelled answers were covered, at which stated level."""

    covered: NDArray[np.bool_]
    level: NDArray[np.float64]


def realised(known: Labelled, reference: Reference, declared: Labelling, rung: str) -> Realised:
    """Judge a rung's stated coverage on matured answers, in blocks, the newest whole block of them."""
    place = known.rung.names.index(rung) if rung in known.rung.names else -2
    about = np.flatnonzero((known.rung.codes == place) & known.has & known.stated)
    last = newest(about, len(about))
    return promised(Block(known.covered[last], known.level[last]), reference, declared, rung)


def newest(rows: Any, count: int) -> Any:
    """Return the newest whole block of `count` labelled answers; `rows` are the newest of them, in order."""
    return rows[: len(rows) - count % BLOCK][-BLOCK:] if count >= BLOCK else rows


def promised(block: Block, reference: Reference, declared: Labelling, rung: str) -> Realised:
    """Judge a block.

    `watch` where so many misses have a chance below `declared.false_rate` on rows like the calibration's;
    `void` where it is below a tenth of it and coverage is two points short for certain.
    """
    rows, covered = len(block.covered), int(block.covered.sum())
    low, high = wilson(covered, rows)
    if rows < declared.least:
        return Realised(rung, float("nan"), rows, covered, low, high, float("nan"), None)
    level = float(np.median(block.level))
    calibration = reference.rungs[rung].calibration if rung in reference.rungs else None
    scores = 0 if calibration is None else sum(map(len, calibration.scores))
    p_value = misses_p_value(rows - covered, rows, scores, level)
    status = Coverage.VALID
    if p_value < declared.false_rate:
        status = Coverage.WATCH
        if p_value < declared.false_rate / 10 and high < level - _MATTERS:
            status = Coverage.VOID
    return Realised(rung, level, rows, covered, low, high, p_value, status)


class Adapted(msgspec.Struct, frozen=True):
    """The state of adaptive conformal inference of one rung: the miss rate to ask for, and up to when it has
    seen answers (nanoseconds). The monitor keeps it; guards read the level from health."""

    alpha: float
    until: int = 0

    @property
    def level(self) -> float:
        """The level that sets and intervals are made for, so that the stated one is reached."""
        return 1.0 - self.alpha


def adapted(
    state: Adapted | None, known: Labelled, declared: Labelling, rung: str, level: float
) -> Adapted | None:
    """Take in the matured answers since `state`, in order of time; None where nothing is to be adapted."""
    if not declared.adapt:
        return None
    state = state or Adapted(1.0 - level)
    place = known.rung.names.index(rung) if rung in known.rung.names else -2
    due = (known.rung.codes == place) & known.has & known.stated & (known.time > state.until)
    if not due.any():
        return state
    alpha = adapt(state.alpha, ~known.covered[due], 1.0 - level, declared.adapt)
    return Adapted(alpha, int(known.time[due].max()))
