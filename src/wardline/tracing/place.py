"""Where a value stands among the reference's: what a model saw, told so that the unusual comes first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from wardline.features import Kind
from wardline.reference import Profile


class Placed(msgspec.Struct, frozen=True):
    """A feature's value and its place among the reference's.

    `rank` is the share of reference values below it (amounts), `share` how often the reference had it
    (names); both in percent, None where that says nothing. `named` says that a finding is about it.
    """

    name: str
    value: object
    rank: float | None = None
    share: float | None = None
    named: bool = False

    @property
    def unusual(self) -> float:
        """How unusual it is, from 0 to 1: the share of reference values that are less so."""
        if self.rank is not None:
            return abs(self.rank - 50) / 50
        return 0.0 if self.share is None else max(0.0, 1 - self.share / 5)

    @property
    def words(self) -> str:
        """Its place in a few words."""
        if self.rank is not None:
            if self.rank <= 0:
                return "below all of the reference"
            if self.rank >= 100:
                return "above all of the reference"
            return f"above {self.rank:.0f} % of the reference"
        if self.share is not None:
            return "never in the reference" if self.share == 0 else f"{self.share:.3g} % of the reference"
        return ""


def placed(
    values: Mapping[str, object], profiles: Mapping[str, Profile], subjects: Iterable[str] = ()
) -> list[Placed]:
    """Place each value; those that findings are about come first, then the most unusual."""
    named = set(subjects)
    found = [_placed(name, value, profiles.get(name), name in named) for name, value in values.items()]
    return sorted(found, key=lambda each: (not each.named, -each.unusual))


def _placed(name: str, value: object, profile: Profile | None, named: bool) -> Placed:
    if profile is None:
        return Placed(name, value, named=named)
    if profile.kind is Kind.CONTINUOUS:
        if not isinstance(value, int | float) or not len(profile.percentiles):
            return Placed(name, value, named=named)
        if value < profile.minimum or value > profile.maximum:
            return Placed(name, value, 0.0 if value < profile.minimum else 100.0, named=named)
        cut = profile.percentiles
        rank = (
            (np.searchsorted(cut, value, "left") + np.searchsorted(cut, value, "right")) / 2 / (len(cut) - 1)
        )
        return Placed(name, value, float(np.clip(rank * 100, 0.1, 99.9)), named=named)
    key = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    rows = profile.categories.get(key)
    if rows is None and key in profile.known:
        return Placed(name, value, named=named)  # one of the many rare ones
    return Placed(name, value, share=100 * (rows or 0) / max(profile.rows, 1), named=named)
