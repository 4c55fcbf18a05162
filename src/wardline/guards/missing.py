"""Missing: a value that training always had is not there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.guard import judge
from wardline.guards._places import Places
from wardline.guards._scores import any_of, ordered
from wardline.inference import Batch, Inference, Screened
from wardline.reference import Reference
from wardline.verdict import Finding, Stage


class _Learned(NamedTuple):
    """Each feature's share of present values; which columns, of numbers and of text, may warn at all."""

    places: Places = Places()
    present: tuple[float, ...] = ()
    numbers: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """A missing feature that was (almost) never missing in training.

    Choose it wherever the model takes missing values in silence, as gradient boosting and imputers do. The
    score is the share of training rows that had the feature: at 1, never missing, it blocks; from `warn`
    on it warns. Where training had its gaps too, a gap is nothing to say. A row that lacks the feature
    altogether is missing it.

    >>> from wardline.testing import example_batch, example_reference
    >>> guard = Missing().prepare(example_reference({"age": [20.0, 30.0], "debt": [1.0, None]}))
    >>> [guard.check(example_batch(row).inference(0)).severity.value
    ...  for row in ({"age": [25.0], "debt": [None]}, {"age": [None], "debt": [2.0]})]
    ['ok', 'block']
    """

    fields: tuple[str, ...] | None = None
    warn: float | None = 0.99
    block: float | None = 1.0
    name: str = "missing"
    stage: ClassVar[Stage] = Stage.INPUT
    _learned: _Learned = field(default=_Learned(), repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered(self.name, self.warn, self.block)

    def prepare(self, reference: Reference) -> Self:
        """Take each feature's share of present values."""
        places = Places.of(self.name, reference, self.fields, set(Kind))
        present = tuple(1.0 - reference.features[name].null_rate for name in places.chosen)
        kinds = {name: profile.kind for name, profile in reference.features.items()}
        limit = min((limit for limit in (self.warn, self.block) if limit is not None), default=2.0)
        heard = {name for name, share in zip(places.chosen, present, strict=True) if share >= limit}
        numbers = [name in heard for name, kind in kinds.items() if kind is not Kind.TEXT]
        texts = tuple(name for name, kind in kinds.items() if kind is Kind.TEXT and name in heard)
        return replace(self, _learned=_Learned(places, present, np.array(numbers, dtype=np.bool_), texts))

    def check(self, inference: Inference) -> Finding:
        """Judge the missing feature that training missed least."""
        places, present, _, _ = self._learned
        missing = [
            (share, name)
            for value, share, name in zip(places.values(inference), present, places.chosen, strict=True)
            if value is None or value != value
        ]
        if not missing:
            return judge(self, 0.0, warn=self.warn, block=self.block, reason="missing.unusual")
        share, name = max(missing)
        return judge(
            self,
            share,
            warn=self.warn,
            block=self.block,
            reason="missing.unusual",
            subject=name,
            expected=f"present, as in {share:.2%} of the training rows",
        )

    def screen(self, batch: Batch) -> Screened:
        """Clear the rows that have every feature that matters."""
        places, _, numbers, texts = self._learned
        if not places.fits(batch):
            return Screened(np.ones(len(batch), dtype=np.bool_))
        suspect = any_of(np.isnan(batch.block.matrix) & numbers)
        for name in texts:
            column = batch.block.text[name]
            if None in column:
                suspect |= np.fromiter((value is None for value in column), np.bool_, len(column))
        return Screened(suspect)
