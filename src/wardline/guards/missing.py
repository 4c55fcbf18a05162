"""Missing: a value that training always had is not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Self

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
    """The features whose absence says something, with the share of training rows that had each."""

    numbers: Places = Places()
    texts: Places = Places()
    present: Mapping[str, float] = {}
    columns: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)


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
    _fine: Finding = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered(self.name, self.warn, self.block)
        fine = judge(self, 0.0, warn=self.warn, block=self.block, reason="missing.unusual")
        object.__setattr__(self, "_fine", fine)  # said of nearly every row, made once

    def prepare(self, reference: Reference) -> Self:
        """Take each feature's share of present values, where that is enough to speak of a gap."""
        least = min((limit for limit in (self.warn, self.block) if limit is not None), default=2.0)
        profiles = reference.features
        wanted = Places.of(self.name, reference, self.fields, set(Kind)).chosen
        present = {name: 1.0 - profiles[name].null_rate for name in wanted}
        heard = [name for name, share in present.items() if share >= least]
        texts = [name for name in heard if profiles[name].kind is Kind.TEXT]
        numbers = [name for name in heard if profiles[name].kind is not Kind.TEXT]
        columns = [name in heard for name, each in profiles.items() if each.kind is not Kind.TEXT]
        learned = _Learned(
            Places.of(self.name, reference, numbers, set(Kind)),
            Places.of(self.name, reference, texts, set(Kind)),
            present,
            np.array(columns, dtype=np.bool_),
        )
        return replace(self, _learned=learned)

    def check(self, inference: Inference) -> Finding:
        """Judge the missing feature that training missed least."""
        numbers, texts, present, _ = self._learned
        values, words = numbers.values(inference), texts.values(inference)
        if _complete(values) and None not in words:
            return self._fine
        missing = [
            name
            for name, value in zip(numbers.chosen, values, strict=True)
            if value is None or value != value
        ]
        missing += [name for name, word in zip(texts.chosen, words, strict=True) if word is None]
        if not missing:
            return self._fine
        share, name = max((present[name], name) for name in missing)
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
        numbers, texts, _, columns = self._learned
        if not numbers.fits(batch):
            return Screened(np.ones(len(batch), dtype=np.bool_))
        suspect = any_of(np.isnan(batch.block.matrix) & columns)
        for name in texts.chosen:
            column = batch.block.text[name]
            if None in column:
                suspect |= np.fromiter((value is None for value in column), np.bool_, len(column))
        return Screened(suspect)


def _complete(values: tuple[Any, ...]) -> bool:
    """Say that no number is missing, in one call for most rows: a sum is finite only where every part is."""
    try:
        total = sum(values)
    except TypeError:  # a None among them
        return False
    return bool(total - total == 0.0)
