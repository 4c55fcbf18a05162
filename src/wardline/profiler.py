"""Building a reference from a stream of rows of any length, in bounded memory and two passes.

First pass, the features of the training rows: `observe`. Then `freeze`, which fixes every bin. Second pass,
the same rows again: `count`, and `answered` with what each rung said of them. Held-out rows, which trained
nothing, go to `hold_out` and `answered(..., held_out=True)`: only they calibrate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.errors import BundleError
from wardline.features import Feature, FeatureBlock, FeatureSchema, Kind
from wardline.inference import Outputs
from wardline.profiles import CategoryColumn, Column, Limits, NumberColumn, profile_classes
from wardline.reference import Ood, Profile, Reference
from wardline.rungs import RungBuilder
from wardline.stats import conformal, ood
from wardline.stats.reservoir import Reservoir

Floats = NDArray[np.float64]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What the builder cannot know of the reference it builds: where everything came from."""

    gate: str
    created: str
    target: str
    features_version: str
    features_hash: str
    contract_hash: str
    rejected: int = 0
    reject_reasons: Mapping[str, int] = {}
    period: tuple[str, str] | None = None
    data: Mapping[str, str] = {}
    libraries: Mapping[str, str] = {}
    models: Mapping[str, tuple[str, str]] = {}
    """Of each rung: its model's version or file, and sha256."""
    notes: tuple[str, ...] = ()


class ReferenceBuilder:
    """Builds one reference. The same rows, in the same order, with the same `seed` build the same one.

    Choose `classes` as the gate does: with them targets are class numbers 0..k-1, without them amounts.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        *,
        classes: Sequence[str] = (),
        seed: int = 0,
        limits: Limits | None = None,
    ) -> None:
        self.schema = schema
        self.classes = tuple(classes)
        self.limits = limits or Limits()
        self._rng = np.random.default_rng(seed)
        self._sample = Reservoir(self.limits.sample, self._rng)
        self._columns: dict[str, Column] = {each.name: self._column(each) for each in schema.columns}
        self._targets: Column = NumberColumn("target")
        self._class_counts = np.zeros(len(self.classes) + 2, dtype=np.int64)
        self._rungs: dict[str, RungBuilder] = {}
        self._spread = [  # codes are names: there is no distance between them
            each.name
            for each in schema.columns
            if each.kind is Kind.CONTINUOUS or (each.dtype == "bool" and each.kind is Kind.CATEGORICAL)
        ]
        self._whitening: ood.Whitening | None = None
        self._distances = Reservoir(10 * self.limits.scores, self._rng)
        self._counted = 0

    def observe(self, block: FeatureBlock, targets: Floats) -> None:
        """First pass: the features and targets, shape (n,), of training rows."""
        for name, column in self._columns.items():
            column.observe(block.column(name))
        self._targets.observe(targets)
        texts = [np.array(block.text[name], dtype=object) for name in self.schema.text]
        self._sample.add(block.matrix, targets, *texts)

    def freeze(self) -> None:
        """Fix bins, categories and whitening; raise BundleError where there was no row."""
        if not self._sample.seen:
            raise BundleError("not one row could be profiled: check the data against the contract")
        matrix, targets, *texts = self._sample.columns
        sample = FeatureBlock(
            self.schema, matrix, dict(zip(self.schema.text, (t.tolist() for t in texts), strict=True))
        )
        for name, column in self._columns.items():
            column.freeze(sample.column(name), self.limits.window)
        self._targets.freeze(targets, self.limits.window)
        if self._spread:
            # One random half shapes the whitening, the other half only ranks in it.
            order = self._rng.permutation(len(matrix))
            spread = self._spread_of(sample)[order]
            self._whitening = ood.whiten(spread[: (len(order) + 1) // 2])
            self._distances.add(ood.distances(spread[(len(order) + 1) // 2 :], *self._whitening))
        self._sample = Reservoir(0, self._rng)

    def count(self, block: FeatureBlock, targets: Floats) -> None:
        """Second pass: count the same training rows into what was frozen."""
        for name, column in self._columns.items():
            column.count(block.column(name))
        self._targets.count(targets)
        if self.classes:
            self._class_counts += profile_classes("target", targets, self.classes).counts
        self._counted += len(block)

    def hold_out(self, block: FeatureBlock) -> None:
        """Take the distances of rows that trained nothing."""
        if self._whitening is not None:
            self._distances.add(ood.distances(self._spread_of(block), *self._whitening))

    def answered(
        self,
        rung: str,
        outputs: Outputs,
        targets: Floats,
        slices: Mapping[str, Sequence[str]],
        *,
        held_out: bool,
    ) -> None:
        """Take what a rung answered for rows, their true targets and their values of each slice column."""
        self._rung(rung).add(outputs, targets, slices, held_out=held_out)

    def timed(self, rung: str, seconds: Floats) -> None:
        """Take how long calls of one row took a rung, shape (calls,)."""
        self._rung(rung).timed(seconds)

    def finish(self, origin: Origin) -> Reference:
        """Put everything together. The `id` comes when it is saved."""
        features = {name: column.profile() for name, column in self._columns.items()}
        rows = self._targets.profile().rows
        if self._counted != rows:
            raise BundleError(
                f"the first pass saw {rows} rows and the second {self._counted}: the data changed meanwhile"
            )
        rungs = {}
        notes = list(origin.notes)
        for name, rung in self._rungs.items():
            file, sha256 = origin.models.get(name, ("", ""))
            rungs[name] = msgspec.structs.replace(rung.profile(), file=file, sha256=sha256)
            notes += rung.notes()
        return Reference(
            id="",
            gate=origin.gate,
            created=origin.created,
            rows=rows,
            rejected=origin.rejected,
            reject_reasons=origin.reject_reasons,
            period=origin.period,
            target=origin.target,
            features_version=origin.features_version,
            features_hash=origin.features_hash,
            contract_hash=origin.contract_hash,
            data=origin.data,
            libraries=origin.libraries,
            classes=self.classes,
            features=features,
            targets=self._target_profile(),
            rungs=rungs,
            ood=self._ood(),
            notes=tuple(dict.fromkeys(notes)),
            extra={"in_sample": {name: rung.in_sample() for name, rung in self._rungs.items()}},
        )

    def _column(self, feature: Feature) -> Column:
        if feature.kind is Kind.CONTINUOUS:
            return NumberColumn(feature.name)
        return CategoryColumn(feature.name, feature.kind, self.limits)

    def _rung(self, name: str) -> RungBuilder:
        if name not in self._rungs:
            self._rungs[name] = RungBuilder(name, self.classes, self.limits, self._rng.spawn(1)[0])
        return self._rungs[name]

    def _spread_of(self, block: FeatureBlock) -> Floats:
        numeric = self.schema.numeric
        return block.matrix[:, [numeric.index(name) for name in self._spread]]

    def _target_profile(self) -> Profile:
        found = self._targets.profile()
        if not self.classes:
            return found
        counts = self._class_counts
        return Profile(
            found.name,
            Kind.CATEGORICAL,
            found.rows,
            nulls=int(counts[-1]),
            categories=dict(zip(self.classes, counts.tolist(), strict=False)),
            other=int(counts[-2]),
            known=frozenset(self.classes),
            counts=counts,
        )

    def _ood(self) -> Ood | None:
        if self._whitening is None or not len(self._distances):
            return None
        distances = conformal.thin(np.sort(self._distances.columns[0]), self.limits.scores)
        return Ood(tuple(self._spread), *self._whitening, distances)
