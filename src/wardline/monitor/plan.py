"""What is counted of each record: every answer of the monitor is a sum of whole numbers laid out here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.log.columns import Coded
from wardline.monitoring import Monitoring
from wardline.owner import Launch, Owner
from wardline.record import STAGES
from wardline.reference import Profile, Reference
from wardline.verdict import ACTIONS, Coverage

OOD_BINS = 10
EDGES_US = np.array([10.0 * 1.5**i for i in range(32)])
"""Upper edges of the latency counts in microseconds: half again each, from 10 µs to 2.9 s."""

PRINTS = 32
"""A value's fingerprint is one of so many: a column that stopped moving has one."""

ROW_PRINTS = 1024
"""The same of a whole row: rows that come twice meet in one."""

MOST_SLICES = 24
"""Values of a slice column that are followed one by one; the rest are followed together."""

OTHER = "(other)"


@dataclass(frozen=True)
class Watched:
    """What the monitor knows of a gate: everything is plain data, nothing is opened."""

    name: str
    reference: Reference
    features: Mapping[str, Kind]
    rungs: Sequence[str]
    classes: Sequence[str] = ()
    slices: Sequence[str] = ()
    owner: Owner | None = None
    launch: Launch = field(default_factory=Launch)
    upstream: Any = None
    monitoring: Monitoring = field(default_factory=Monitoring)


class Span(NamedTuple):
    """Where some counts stand among all of them."""

    start: int
    size: int

    def of(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Cut them out of the last axis."""
        return counts[..., self.start : self.start + self.size]


class Binner:
    """Puts the values of one column into its frozen bins, a whole column at a time."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.text = profile.kind is Kind.TEXT
        self.size = len(profile.counts)
        self.places: dict[str, int] = {}
        if profile.kind is Kind.CONTINUOUS:
            return
        self.places = {name: place for place, name in enumerate(profile.categories)}
        if not self.text:
            self._values, self._order = _keys(self.places)
            self._known, _ = _keys(dict.fromkeys(profile.known, 0))

    def codes(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the bin of each value, in the order of the profile's counts."""
        profile = self.profile
        if profile.kind is Kind.CONTINUOUS:
            bins = len(profile.edges) + 1
            codes: NDArray[np.intp] = np.searchsorted(profile.edges, values, side="right")
            for place, atom in enumerate(profile.atoms):
                codes[values == atom] = bins + place
            if not np.isfinite(values).all():
                null = np.isnan(values)
                codes[null] = self.size - 2
                codes[~null & ~np.isfinite(values)] = self.size - 1
            return codes
        codes = np.full(len(values), self.size - 2)
        if len(self._values):
            near = np.minimum(np.searchsorted(self._values, values), len(self._values) - 1)
            codes = np.where(self._values[near] == values, self._order[near], codes)
        codes[np.isnan(values)] = self.size - 1
        return codes

    def strange(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say which values training never had: outside its extremes, or no category of it."""
        profile = self.profile
        if profile.kind is Kind.CONTINUOUS:
            return (values < profile.minimum) | (values > profile.maximum)
        if not profile.known_complete or not len(self._known):
            return np.zeros(len(values), dtype=np.bool_)
        near = np.minimum(np.searchsorted(self._known, values), len(self._known) - 1)
        strange: NDArray[np.bool_] = (self._known[near] != values) & ~np.isnan(values)
        return strange

    def names(self, column: Coded) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the bins of a column of names, and which of them training never had."""
        codes = column.lookup(self.places, self.size - 2, self.size - 1)
        known = dict.fromkeys(self.profile.known, 0)
        unseen = column.lookup(known, int(self.profile.known_complete), 0).astype(np.bool_)
        return codes, unseen

    def label(self, place: int) -> str:
        """Name a bin as a person reads it."""
        profile = self.profile
        if profile.kind is not Kind.CONTINUOUS:
            return [*profile.categories, "other", "missing"][place]
        bins = len(profile.edges) + 1
        if place < bins:
            low = "" if place == 0 else f"{profile.edges[place - 1]:.6g}"
            high = "" if place == bins - 1 else f"{profile.edges[place]:.6g}"
            return f"{low} … {high}".strip() if low or high else "any"
        return [*(f"= {atom:.6g}" for atom in profile.atoms), "missing", "not finite"][place - bins]


def _keys(places: Mapping[str, int]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return names of codes as sorted numbers, with their places."""
    pairs = sorted((number, place) for name, place in places.items() if (number := _number(name)) is not None)
    return np.array([n for n, _ in pairs], dtype=np.float64), np.array([p for _, p in pairs], dtype=np.intp)


def _number(name: str) -> float | None:
    try:
        return float({"true": 1, "false": 0}.get(name.lower(), name))
    except ValueError:
        return None


@dataclass(frozen=True)
class Plan:
    """Where each count stands: `sliced` counts are kept for every slice, `whole` ones for all rows only."""

    watched: Watched

    @cached_property
    def binners(self) -> dict[str, Binner]:
        """The features, by name."""
        return {name: Binner(profile) for name, profile in self.watched.reference.features.items()}

    @cached_property
    def answers(self) -> dict[str, Binner]:
        """Each rung's predictions, by rung."""
        rungs = self.watched.reference.rungs
        return {name: Binner(rungs[name].predictions) for name in self.watched.rungs if name in rungs}

    @cached_property
    def confidence(self) -> Binner | None:
        """The primary's confidence, where the reference has it."""
        rungs = self.watched.reference.rungs
        primary = rungs.get(self.watched.rungs[0])
        return None if primary is None or primary.confidence is None else Binner(primary.confidence)

    @cached_property
    def sliced(self) -> dict[str, Span]:
        """The counts of every slice, by name."""
        sizes = {"rows": 1}
        sizes |= {f"feature.{name}": binner.size for name, binner in self.binners.items()}
        sizes |= {f"strange.{name}": 1 for name in self.binners}
        sizes |= {f"answer.{name}": binner.size for name, binner in self.answers.items()}
        if self.confidence is not None:
            sizes["confidence"] = self.confidence.size
        sizes |= {"action": len(ACTIONS), "rung": len(self.watched.rungs) + 1, "ood": OOD_BINS}
        sizes |= {"coverage": len(Coverage), "held": 1, "error": 1, "compared": 1, "differs": 1}
        return _laid(sizes)

    @cached_property
    def whole(self) -> dict[str, Span]:
        """The counts kept for all rows together."""
        sizes = {f"us.{stage}": len(EDGES_US) + 1 for stage in STAGES}
        sizes |= {f"print.{name}": PRINTS for name in self.moving}
        sizes["print"] = ROW_PRINTS
        return _laid(sizes)

    @cached_property
    def moving(self) -> tuple[str, ...]:
        """Features that take many values, so that one value for long means a sensor that froze."""
        return tuple(
            name
            for name, profile in self.watched.reference.features.items()
            if profile.kind is Kind.CONTINUOUS and len(np.unique(profile.percentiles)) > 20
        )

    @cached_property
    def slices(self) -> tuple[tuple[str, str], ...]:
        """All rows, then every followed value of every slice column and the rest of it."""
        found: list[tuple[str, str]] = [("", "")]
        rungs = self.watched.reference.rungs
        primary = rungs.get(self.watched.rungs[0])
        for column in self.watched.slices:
            seen = [key.partition("=")[2] for key in (primary.slices if primary else {}) if
                    key.partition("=")[0] == column]  # fmt: skip
            found += [(column, value) for value in seen[:MOST_SLICES]]
            found.append((column, OTHER))
        known = set(found)
        found += [pair for pair in self.watched.monitoring.cohorts if pair not in known]
        return tuple(found)

    @cached_property
    def columns(self) -> dict[str, dict[str, int]]:
        """For each slice column, the place of each followed value."""
        placed: dict[str, dict[str, int]] = {}
        for place, (column, value) in enumerate(self.slices):
            if column:
                placed.setdefault(column, {})[value] = place
        return placed

    @cached_property
    def width(self) -> int:
        """How many counts a slice has."""
        return sum(span.size for span in self.sliced.values())

    @cached_property
    def depth(self) -> int:
        """How many counts there are of all rows only."""
        return sum(span.size for span in self.whole.values())

    @cached_property
    def id(self) -> str:
        """A fingerprint of the layout: counts of another plan cannot be added to these."""
        reference = self.watched.reference
        counts = [profile.counts.tolist() for profile in reference.features.values()]
        told = (reference.id, counts, self.slices, tuple(self.sliced.items()), tuple(self.whole.items()))
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def name(self, place: int) -> str:
        """Name a slice as a person reads it; all rows have no name."""
        column, value = self.slices[place]
        return f"{column}={value}" if column else ""


def _laid(sizes: Mapping[str, int]) -> dict[str, Span]:
    spans, start = {}, 0
    for name, size in sizes.items():
        spans[name] = Span(start, size)
        start += size
    return spans
