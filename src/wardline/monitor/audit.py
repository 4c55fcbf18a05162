"""Audits: which answers to label next, and what their labels then say of all answers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.log.labelled import ClassLabelled, Labelled
from wardline.stats.audit import Stratum, allocate, estimate
from wardline.stats.performance import Measure

_SCORE_PARTS = 4  # quarters of the answers by how sure they are
_PER_STRATUM = 4  # rows each stratum should get on average: below, there are too many strata


class Drawn(msgspec.Struct, frozen=True):
    """One stratum of an audit: `size` answers without a label, and the `ids` drawn of them at random."""

    name: str
    size: int
    ids: tuple[str, ...]

    @property
    def probability(self) -> float:
        """The chance that each of its answers had to be drawn."""
        return len(self.ids) / self.size


class Audit(msgspec.Struct, frozen=True):
    """A probability sample of the answers that had no label at `drawn_at` (nanoseconds).

    `labelled` others had one, with mean loss `known`: they count as they are. Labels that come later for
    answers outside the sample do not enter: who sends labels unasked may not be like the rest.
    """

    gate: str
    drawn_at: int
    seed: int
    labelled: int
    known: float
    strata: tuple[Drawn, ...]

    @property
    def rows(self) -> int:
        """How many answers it speaks of."""
        return self.labelled + sum(stratum.size for stratum in self.strata)


class Audited(msgspec.Struct, frozen=True):
    """What an audit says of the mean loss (share of wrong classes, or mae) of `rows` answers.

    `labelled` of the `drawn` have a label. `measure` is None until any has. Of classes `lowest` and
    `highest` are what the estimate could be at most, whatever the missing labels say.
    """

    rows: int
    drawn: int
    labelled: int
    measure: Measure | None
    lowest: float | None
    highest: float | None


def draw(known: Labelled, gate: str, total: int, *, by: str | None, at: int, seed: int) -> Audit:
    """Draw `total` answers to label, at random within strata of how sure they are and of slice `by`.

    More are drawn where answers are less sure, for errors vary more there; each has a known chance above
    zero, so the estimate is unbiased whatever the model believes.
    """
    has = known.has
    open_ = np.flatnonzero(~has & np.isfinite(known.value))
    names, place = _strata(known.take(open_), total, by)
    sizes = np.bincount(place, minlength=len(names))
    spread = _spread(known.take(open_))
    spreads = [float(spread[place == i].mean()) if sizes[i] else 0.0 for i in range(len(names))]
    rng = np.random.default_rng(seed)
    strata = []
    for i, count in enumerate(allocate(sizes.tolist(), spreads, total)):
        if sizes[i]:
            chosen = np.sort(rng.choice(open_[place == i], count, replace=False))
            strata.append(Drawn(names[i], int(sizes[i]), tuple(known.ids[chosen].tolist())))
    loss = known.loss[has]
    return Audit(gate, at, seed, int(has.sum()), float(loss.mean()) if len(loss) else 0.0, tuple(strata))


def audited(audit: Audit, known: Labelled) -> Audited:
    """Read an audit with the labels there are by now; `known` holds at least the answers drawn."""
    wanted = {name for stratum in audit.strata for name in stratum.ids}
    mine = known.take(np.array([name in wanted for name in known.ids], np.bool_) & known.has)
    losses: Mapping[str, float] = dict(zip(mine.ids.tolist(), mine.loss.tolist(), strict=True))
    shares = isinstance(known, ClassLabelled)
    seen = [np.array([losses[name] for name in s.ids if name in losses]) for s in audit.strata]
    count = sum(map(len, seen))
    if not count:
        return Audited(audit.rows, len(wanted), 0, None, None, None)
    strata = [Stratum(stratum.size, some) for stratum, some in zip(audit.strata, seen, strict=True)]
    lowest = highest = None
    if shares:
        bounds = [
            [Stratum(s.size, np.append(some, np.full(len(s.ids) - len(some), fill)))
             for s, some in zip(audit.strata, seen, strict=True)]
            for fill in (0.0, 1.0)
        ]  # fmt: skip
        lowest, highest = (_whole(audit, estimate(each, shares=True)).value for each in bounds)
    measure = _whole(audit, estimate(strata, shares=shares))
    return Audited(audit.rows, len(wanted), count, measure, lowest, highest)


def _whole(audit: Audit, part: Measure) -> Measure:
    """Join what was estimated of the unlabelled with what is known of the labelled."""
    share = audit.labelled / audit.rows
    return Measure(*(share * audit.known + (1.0 - share) * each for each in part))


def _strata(some: Labelled, total: int, by: str | None) -> tuple[list[str], NDArray[np.intp]]:
    """Name the strata and give each answer's; a slice column only where each stratum still gets rows."""
    unsure = _unsure(some)
    if not len(unsure):
        return ["none"], np.zeros(0, np.intp)
    cuts = np.unique(np.quantile(unsure, np.arange(1, _SCORE_PARTS) / _SCORE_PARTS))
    place = np.searchsorted(cuts, unsure, side="right").astype(np.intp)
    names = [f"sure {i + 1} of {len(cuts) + 1}" for i in range(len(cuts) + 1)]
    if by is None:
        return names, place
    coded = some.slices[by]
    most = max(1, total // (_PER_STRATUM * len(names)))
    heavy = np.argsort(-np.bincount(coded.codes + 1, minlength=len(coded.names) + 1)[1:])[:most].tolist()
    groups = [f"{by}={coded.names[code]}" for code in heavy] + [f"{by}: others"]
    table = np.full(len(coded.names) + 1, len(heavy))
    table[heavy] = np.arange(len(heavy))
    return [f"{group}, {name}" for group in groups for name in names], table[coded.codes] * len(names) + place


def _unsure(some: Labelled) -> NDArray[np.float64]:
    """Return how unsure each answer is, by what it stated: confidence, the size of its set, its interval."""
    stated = 1.0 - some.confidence if not np.isnan(some.confidence).all() else some.width
    return np.nan_to_num(stated, nan=np.inf if np.isfinite(stated).any() else 0.0)


def _spread(some: Labelled) -> NDArray[np.float64]:
    """Return how much each answer's loss may vary: never nothing, for a sure model may be wrong."""
    if isinstance(some, ClassLabelled):
        sure = np.clip(np.nan_to_num(some.confidence, nan=0.5), 0.05, 0.95)
        return np.sqrt(sure * (1.0 - sure))
    known = some.width[np.isfinite(some.width)]
    return np.where(np.isfinite(some.width), some.width, known.max() if len(known) else 1.0) + 1e-9
