"""Which categories a column had in training, and how rare each was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.guards._scores import any_of
from wardline.reference import Profile

_WIDEST = 4096
"""Codes from here on are looked up row by row: a table of them would be mostly air."""


class Seen(NamedTuple):
    """One column's values in training: the score of each, and of a value that is not among them."""

    scores: Mapping[Any, float]
    unseen: float
    column: int
    common: NDArray[np.float64] | frozenset[str | None]
    expected: str
    usual: frozenset[Any]
    """The common values as they stand in a row, and None: a missing value is not a new one."""


def seen_in(profile: Profile, unlisted: float, warn: float, column: int) -> Seen:
    """Score every value of one column by how few training rows held it."""
    rows = max(1, profile.rows)
    beyond = profile.known - profile.categories.keys()
    share = profile.other / rows / max(1, len(beyond))  # the rest are not counted one by one
    shares = {**dict.fromkeys(beyond, share), **{key: n / rows for key, n in profile.categories.items()}}
    number = profile.kind is Kind.CATEGORICAL
    scores = {_key(text, number): 1.0 - part for text, part in shares.items()}
    common = [text for text, share in shares.items() if 1.0 - share < warn]
    listed = sorted(profile.categories, key=lambda text: -profile.categories[text])
    expected = ", ".join(listed) if len(shares) <= 8 else f"one of {len(shares)} known values"
    return Seen(
        scores,
        1.0 if profile.known_complete else unlisted,
        column,
        np.sort([key for text in common if isinstance(key := _key(text, number), float)])
        if number
        else frozenset([*common, None]),
        expected,
        frozenset([None, *(_key(text, number) for text in common)]),
    )


class Codes(NamedTuple):
    """The common codes of all columns of codes, in one table: `known[j, code]`, for codes 0 to width - 1.

    Codes that no table of this width holds are not known here: `check` looks at their rows.
    """

    columns: NDArray[np.intp]
    known: NDArray[np.bool_]
    starts: NDArray[np.intp]

    def unlike(self, matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say which rows hold a code that is not common; a missing one is not new."""
        values = matrix.take(self.columns, axis=1)
        width = self.known.shape[1]
        with np.errstate(invalid="ignore"):
            codes = values.astype(np.intp)
        np.clip(codes, 0, width - 1, out=codes)
        good = codes == values  # a fraction, a code outside the table, and NaN are not
        good &= self.known.ravel().take(codes + self.starts)
        if good.all():
            return np.zeros(len(matrix), dtype=np.bool_)
        good |= values != values
        return any_of(~good)


def codes_of(seen: Sequence[Seen]) -> Codes | None:
    """Make the table of the columns of codes; `None` where there is no such column."""
    coded = [(each.column, each.common) for each in seen if isinstance(each.common, np.ndarray)]
    if not coded:
        return None
    highest = max(common.max(initial=0.0) for _, common in coded)
    known = np.zeros((len(coded), int(min(highest, _WIDEST - 1)) + 1), dtype=np.bool_)
    for row, (_, common) in zip(known, coded, strict=True):
        row[[int(code) for code in common if 0 <= code < len(row) and code == int(code)]] = True
    columns = np.array([column for column, _ in coded], dtype=np.intp)
    return Codes(columns, known, np.arange(len(coded)) * known.shape[1])


def _key(text: str, number: bool) -> float | str:
    """Return a value as it stands in a row: codes are numbers there, and text in the reference."""
    if not number:
        return text
    try:
        return float({"true": 1, "false": 0}.get(text.lower(), text))
    except ValueError:
        return text
