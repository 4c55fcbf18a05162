"""Where the features that a guard judges lie in a row, so that one row costs no look-up by name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from operator import itemgetter
from typing import Any, NamedTuple, Self

from wardline.errors import OpeningError
from wardline.features import Kind
from wardline.inference import Batch, Inference
from wardline.reference import Profile, Reference

Pick = Callable[[tuple[Any, ...]], tuple[Any, ...]]


class Places(NamedTuple):
    """The `chosen` features among `names`, which are all of the reference's, in its order."""

    names: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    pick: Pick = itemgetter(slice(0, 0))

    @classmethod
    def of(
        cls,
        guard: str,
        reference: Reference,
        fields: Collection[str] | None,
        kinds: Collection[Kind],
        fit: Callable[[Profile], bool] = lambda _: True,
    ) -> Self:
        """Choose `fields`, or every feature of these kinds that is `fit`; refuse a field that is neither."""
        profiles = reference.features
        if fields is None:
            chosen = [name for name, profile in profiles.items() if profile.kind in kinds and fit(profile)]
        else:
            chosen = list(fields)
            for name in chosen:
                if name not in profiles:
                    raise OpeningError(
                        f"{guard}: the reference has no feature {name!r}, only {', '.join(profiles)}; "
                        "correct the guard's fields or build the reference again"
                    )
                if profiles[name].kind not in kinds or not fit(profiles[name]):
                    raise OpeningError(
                        f"{guard}: the reference has no such values of {name!r} ({profiles[name].kind}) "
                        f"to compare with; take it out of the guard's fields"
                    )
        return cls(tuple(profiles), tuple(chosen), _pick([list(profiles).index(name) for name in chosen]))

    def values(self, inference: Inference) -> tuple[Any, ...]:
        """Return the chosen values of one row, missing as NaN or None."""
        if inference.names == self.names:
            return self.pick(inference.features)
        return tuple([inference.feature(name) for name in self.chosen])

    def fits(self, batch: Batch) -> bool:
        """Say whether the batch's features are those of the reference, in the same order."""
        return batch.block.schema.names == self.names

    def columns(self, reference: Reference) -> list[int]:
        """Return the matrix columns of the chosen features that are numbers."""
        numeric = [name for name in self.names if reference.features[name].kind is not Kind.TEXT]
        return [numeric.index(name) for name in self.chosen if name in numeric]


def _pick(places: list[int]) -> Pick:
    """Return the fastest way to take these places out of a tuple."""
    if len(places) > 1 and places != list(range(places[0], places[-1] + 1)):
        return itemgetter(*places)
    return itemgetter(slice(places[0], places[-1] + 1) if places else slice(0, 0))
