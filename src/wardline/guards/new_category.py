"""NewCategory: a value that the training data never had."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import contains
from typing import Any, ClassVar, Self

import numpy as np

from wardline.errors import DeclarationError
from wardline.features import Kind
from wardline.guard import judge
from wardline.guards._places import Places
from wardline.guards._seen import Codes, Seen, codes_of, seen_in
from wardline.inference import Batch, Inference, Screened
from wardline.reference import Reference
from wardline.stats import bins
from wardline.verdict import Finding, Stage


@dataclass(frozen=True, slots=True)
class NewCategory:
    """A category, by code or by name, that the reference has never or hardly ever seen.

    Choose it where codes come from other systems: a model knows nothing of a category it was not trained
    on, and says so to nobody. The score is the share of training rows that held another value: 1 for one
    never seen, which warns, or blocks with `block=True`. With `rare` a value seen in at most that share of
    rows warns too. Where the reference's list of values is not complete, a value that is not on it might
    have been seen: it only warns.

    >>> from wardline.testing import example_batch, example_reference
    >>> guard = NewCategory().prepare(example_reference({"housing": ["own", "rent", "own"]}))
    >>> finding = guard.check(example_batch({"housing": ["boat"]}).inference(0))
    >>> finding.severity.value, finding.observed, finding.expected
    ('warn', 'boat', 'own, rent')
    """

    fields: tuple[str, ...] | None = None
    rare: float = 0.0
    block: bool = False
    name: str = "new_category"
    stage: ClassVar[Stage] = Stage.INPUT
    _places: Places = field(default=Places(), repr=False, compare=False)
    _seen: tuple[Seen, ...] = field(default=(), repr=False, compare=False)
    _usual: tuple[frozenset[Any], ...] = field(default=(), repr=False, compare=False)
    _codes: Codes | None = field(default=None, repr=False, compare=False)
    _warn: float = field(default=1.0, repr=False, compare=False)
    _fine: Finding = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0.0 <= self.rare < 1.0:
            raise DeclarationError(f"{self.name}: rare={self.rare} is a share of rows, in [0, 1)")
        fine = judge(self, 0.0, warn=self._warn, block=None, reason="category.known")
        object.__setattr__(self, "_fine", fine)  # said of nearly every row, made once

    def prepare(self, reference: Reference) -> Self:
        """Take every known value's share of the training rows."""
        places = Places.of(self.name, reference, self.fields, {Kind.CATEGORICAL, Kind.TEXT})
        profiles = [reference.features[name] for name in places.chosen]
        rows = max((profile.rows for profile in profiles), default=0)
        unlisted = 1.0 - 0.5 / (rows + 1)  # as if half a row had held it: rarer than any that is listed
        warn = min(1.0 - self.rare, unlisted)
        numeric = [name for name in places.names if reference.features[name].kind is not Kind.TEXT]
        seen = tuple(
            seen_in(profile, unlisted, warn, numeric.index(name) if name in numeric else -1)
            for name, profile in zip(places.chosen, profiles, strict=True)
        )
        usual = tuple(each.usual for each in seen)
        return replace(self, _places=places, _seen=seen, _usual=usual, _codes=codes_of(seen), _warn=warn)

    def check(self, inference: Inference) -> Finding:
        """Judge the least seen of the row's categories."""
        values = self._places.values(inference)
        if all(map(contains, self._usual, values)):  # nearly every row: one look-up a category and no more
            return self._fine
        worst, place, observed = 0.0, -1, None
        for i, value in enumerate(values):
            seen = self._seen[i]
            score = seen.scores.get(value, seen.unseen)
            if score > worst and value is not None and value == value:
                worst, place, observed = score, i, value
        block = 1.0 if self.block else None
        if worst < self._warn:
            return judge(self, worst, warn=self._warn, block=block, reason="category.known")
        seen = self._seen[place]
        return judge(
            self,
            worst,
            warn=self._warn,
            block=block,
            reason="category.rare" if observed in seen.scores else "category.new",
            subject=self._places.chosen[place],
            observed=str(bins.label(observed))[:80],
            expected=seen.expected,
        )

    def screen(self, batch: Batch) -> Screened:
        """Clear the rows whose categories are all common ones."""
        if not self._places.fits(batch):
            return Screened(np.ones(len(batch), dtype=np.bool_))
        suspect = np.zeros(len(batch), dtype=np.bool_)
        if self._codes is not None:
            suspect |= self._codes.unlike(batch.block.matrix)
        for name, seen in zip(self._places.chosen, self._seen, strict=True):
            if isinstance(seen.common, frozenset):
                texts = batch.block.text[name]
                if not seen.common.issuperset(texts):
                    suspect |= np.fromiter((text not in seen.common for text in texts), np.bool_, len(texts))
        return Screened(suspect)
