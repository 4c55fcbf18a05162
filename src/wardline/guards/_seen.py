"""Which categories a column had in training, and how rare each was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.reference import Profile


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


def _key(text: str, number: bool) -> float | str:
    """Return a value as it stands in a row: codes are numbers there, and text in the reference."""
    if not number:
        return text
    try:
        return float({"true": 1, "false": 0}.get(text.lower(), text))
    except ValueError:
        return text
