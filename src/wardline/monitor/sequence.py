"""Changes in sequence: small shifts that last, which no single window shows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.monitor.ladder import STEPS
from wardline.monitor.plan import Binner
from wardline.monitor.sight import Sight
from wardline.monitor.signal import Signal
from wardline.stats.dependence import dependence
from wardline.stats.sequential import EDetector, change_time

RUNGS = (1, 2, 3, 4)
"""Steps that are followed: 10 seconds, a minute, ten minutes, an hour; 64 stretches of each are kept."""
SLACK = 0.1
"""Standard deviations of the feature within which a mean is the reference's: no two years are equal."""
SHIFT = 0.25
"""Standard deviations from which a lasting shift alerts."""
LEAST = 5
"""Rows of a stretch that has a mean to speak of."""
FEWEST = 16
"""Stretches with rows before anything is said."""


def shifts(sight: Sight) -> Iterator[Signal]:
    """`sequence.shift`: the e-detector over mean ranks of stretches of 10 s, 1 min, 10 min and 1 h.

    A stretch's mean normal score (of the bins, by their rank in the reference) is standardised by its rows
    and their dependence; a sum over the stretches that are kept is smaller than one since the beginning,
    so its run length is at least what is declared. The p-value of a look is 1 / (evidence × seconds of a
    stretch × steps): evidence grows once a stretch, a look comes each second.
    """
    plan = sight.ladder.plan
    cycles = plan.watched.monitoring.cycles
    names = [
        name for name, binner in plan.binners.items()
        if name not in cycles and binner.profile.kind is Kind.CONTINUOUS
    ]  # fmt: skip
    found = {name: Signal("sequence.shift", name, needed=FEWEST) for name in names}
    for rung in RUNGS:
        for signal in _rung(sight, names, rung):
            if signal.p_value < found[signal.subject].p_value or not found[signal.subject].rows:
                found[signal.subject] = signal
    yield from found.values()


class _Stream(NamedTuple):
    """A feature in one step: standard values with NaN where nothing came, and what they are made of."""

    name: str
    z: NDArray[np.float64]
    means: NDArray[np.float64]
    rows: NDArray[np.int64]
    slack: float
    effect: float


def _rung(sight: Sight, names: list[str], rung: int) -> Iterator[Signal]:
    numbers, blocks = sight.series(rung)
    streams = [made for name in names if (made := _stream(sight, name, blocks)) is not None]
    if not streams:
        return
    detector = EDetector(len(streams), slack=np.array([stream.slack for stream in streams]))
    for z in np.stack([stream.z for stream in streams], axis=1):
        detector.observe(z)
    for stream, evidence in zip(streams, detector.evidence.tolist(), strict=True):
        yield _told(sight, stream, evidence, numbers, STEPS[rung])


def _stream(sight: Sight, name: str, blocks: NDArray[np.int64]) -> _Stream | None:
    plan = sight.ladder.plan
    binner, span = plan.binners[name], plan.sliced[f"feature.{name}"]
    counts = span.of(blocks)[:, : span.size - 2]  # what is missing is for `quality` to tell
    rows = counts.sum(axis=1)
    seen = rows >= LEAST
    if seen.sum() < FEWEST:
        return None
    scores, spread = _scores(binner)
    given = dependence(counts[seen], scores)
    if not given.known:
        return None
    means = counts @ scores / np.maximum(1, rows) / spread
    root = np.sqrt(rows / given.effect)
    z = np.where(seen, means * root, np.nan)
    return _Stream(name, z, means, rows, float(SLACK * np.median(root[seen])), given.effect)


def _told(sight: Sight, stream: _Stream, evidence: float, numbers: list[int], step: int) -> Signal:
    begun, low, high = change_time(stream.z, slack=stream.slack)
    since = stream.rows[begun:]
    shift = float(stream.means[begun:] @ since / max(1, since.sum()))
    at, first, last = (datetime.fromtimestamp(numbers[i] * step, UTC) for i in (begun, low, high))
    p_value = min(1.0, len(RUNGS) / max(evidence * step, 1e-300))
    return Signal(
        "sequence.shift", stream.name, effect=abs(shift), warn=SLACK, alert=SHIFT, unit="sigma",
        p_value=p_value, rows=int(stream.rows.sum()), needed=sight.rows,
        effective=float(stream.rows.sum()) / stream.effect, plain=abs(shift) >= SHIFT,
        says=f"{stream.name} lies {shift:+.2f} sigma off since {at:%Y-%m-%d %H:%M:%S} "
        f"(between {first:%H:%M:%S} and {last:%H:%M:%S} UTC)",
    )  # fmt: skip


def _scores(binner: Binner) -> tuple[NDArray[np.float64], float]:
    """Return a score of each bin, by its middle rank in the reference, centred there; and their spread.

    Atoms stand in the order of their values among the bins.
    """
    profile = binner.profile
    bins = len(profile.edges) + 1
    lows = [-math.inf, *profile.edges.tolist()]
    order = np.argsort(np.array([*lows, *profile.atoms]), kind="stable")
    weights = profile.counts[: bins + len(profile.atoms)][order].astype(np.float64)
    shares = weights / max(1.0, weights.sum())
    ranks = np.cumsum(shares) - shares / 2
    scores = np.empty(len(order))
    scores[order] = ranks - float(shares @ ranks)
    spread = math.sqrt(float(shares @ (ranks - float(shares @ ranks)) ** 2))
    return scores, max(spread, 1e-9)
