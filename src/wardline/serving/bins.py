"""Rows by reference bin: whole counts that add up over workers and replicas, for drift over a fleet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from wardline.features import FeatureBlock, Kind
from wardline.gate import OpenGate
from wardline.monitor.plan import Binner
from wardline.monitoring import Monitoring
from wardline.reference import Profile
from wardline.stats.chi2 import quantile

Key = tuple[str, ...]

MOST = 100
"""Features that are followed: more would be a burden on whoever scrapes."""

_SLIDING = 10.0  # windows that slide are looked at so many times as often as windows side by side
_OF = ["gate", "model", "reference", "feature"]


class BinCounts:
    """Counts the features of what was answered into the counters of one worker."""

    def __init__(self, opened: OpenGate, counts: Counter[Key]) -> None:
        reference = opened.reference
        features = {} if reference is None else dict(list(reference.features.items())[:MOST])
        self._binners = {name: Binner(profile) for name, profile in features.items()}
        self._labels = [
            opened.gate.name, str(opened.schema.models[0]), "" if reference is None else reference.id
        ]  # fmt: skip
        self._monitoring = opened.gate.monitoring
        self._counts = counts
        for name, binner in self._binners.items():  # from zero, so that an increase has a beginning
            counts.update({("bin", name, str(place)): 0 for place in range(binner.size)})
            counts["strange", name] += 0

    def count(self, blocks: Sequence[FeatureBlock]) -> None:
        """Put the features of what was answered into their bins."""
        if not blocks:
            return
        numeric = blocks[0].schema.numeric
        matrix = np.concatenate([block.matrix for block in blocks])
        for name, binner in self._binners.items():
            if binner.text:
                codes, strange = _named(binner, [value for block in blocks for value in block.text[name]])
            else:
                column = matrix[:, numeric.index(name)]
                codes, strange = binner.codes(column), int(binner.strange(column).sum())
            for place, rows in enumerate(np.bincount(codes, minlength=binner.size).tolist()):
                if rows:
                    self._counts["bin", name, str(place)] += rows
            self._counts["strange", name] += strange

    def keys(self) -> dict[str, Iterator[Key]]:
        """Return the keys of each family that counts, in the order of its samples."""
        binners = self._binners.items()
        return {
            "wardline_feature_bin_rows_total": (
                ("bin", name, str(place)) for name, binner in binners for place in range(binner.size)
            ),
            "wardline_feature_strange_rows_total": (("strange", name) for name, _ in binners),
        }

    def families(self, total: Mapping[Key, int]) -> Iterator[Any]:
        """Give the counts of all workers, and what they are compared with."""
        rows = CounterMetricFamily(
            "wardline_feature_bin_rows", "Rows of each feature by bin of the reference", labels=[*_OF, "bin"]
        )
        strange = CounterMetricFamily(
            "wardline_feature_strange_rows", "Rows outside what training had", labels=_OF
        )
        known = GaugeMetricFamily(
            "wardline_reference_bin_rows", "Rows of the reference by the same bins", labels=[*_OF, "bin"]
        )
        critical = GaugeMetricFamily(
            "wardline_psi_critical", "PSI over (1/n + 1/m) that chance exceeds within the budget", labels=_OF
        )
        for name, binner in self._binners.items():
            labels = [*self._labels, name]
            for place in range(binner.size):
                label = [*labels, binner.label(place)]
                rows.add_metric(label, total.get(("bin", name, str(place)), 0))
                known.add_metric(label, int(binner.profile.counts[place]))
            strange.add_metric(labels, total.get(("strange", name), 0))
            critical.add_metric(labels, critical_of(binner.profile, self._monitoring, len(self._binners)))
        yield from (rows, strange, known, critical)


def critical_of(profile: Profile, monitoring: Monitoring, features: int) -> float:
    """Return the chi-square value that a healthy feature exceeds rarely enough for the alarm budget.

    The drift's share of the budget is split evenly over features and hourly windows; rows count as
    independent, so it is the least that must be exceeded, beside the PSI's own threshold.
    """
    degrees = max(1, int((profile.counts > 0).sum()) - 1)
    hours = monitoring.days * 24.0 * _SLIDING
    level = monitoring.false_pages * monitoring.shares.get("drift", 0.0) / (hours * features)
    return quantile(min(level, 0.5), degrees)


def _named(binner: Binner, values: list[str | None]) -> tuple[Any, int]:
    profile = binner.profile
    other, missing = binner.size - 2, binner.size - 1
    codes = [missing if value is None else binner.places.get(value, other) for value in values]
    unseen = 0
    if profile.kind is Kind.TEXT and profile.known_complete:
        unseen = sum(value is not None and value not in profile.known for value in values)
    return np.array(codes, dtype=np.intp), unseen
