"""Arrays of a camera's state as bytes and back, and what is asked of them that come from a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

from wardline.stats.camera_change.unrest import Unrest


class Unrested(msgspec.Struct, array_like=True):
    """`Unrest` of one camera."""

    variances: bytearray
    correlations: bytearray

    @classmethod
    def of(cls, unrest: Unrest) -> Self:
        """Write it."""
        return cls(bytes_of(unrest.variances), bytes_of(unrest.correlations))

    def read(self, wide: int) -> Unrest:
        """Read it back, of so many statistics."""
        variances = array_of(self.variances, np.float32, (wide,))
        return Unrest(variances, array_of(self.correlations, np.int16, (wide * (wide - 1) // 2,)))


def bytes_of(values: NDArray[Any]) -> bytearray:
    """Return an array's bytes, row by row."""
    return bytearray(values.tobytes())


def array_of(data: bytearray, kind: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """Look at bytes as an array that can be written to; ValueError where they do not fit the shape."""
    return np.frombuffer(data, kind).reshape(shape)


def sound(holds: Any, what: str) -> None:
    """Raise ValueError where something does not hold."""
    if not np.all(holds):
        raise ValueError(f"{what} cannot be")


def likely(causes: Sequence[tuple[str, float]]) -> None:
    """Raise ValueError where an explanation has no second best, or a probability is none."""
    sound(len(causes) > 1 and all(0.0 <= each <= 1.0 for _, each in causes), "its causes")
