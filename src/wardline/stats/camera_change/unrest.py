"""How far one camera's steps usually go and how they hang together, learned as it is watched."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_WHOLE = 32_767  # a correlation of one
_CALMEST = 1e-6  # variance under which a statistic that is never measured does not fall


class Unrest:
    """A covariance that forgets, (F, F), in two bytes an entry.

    Choose it where many cameras are to be held in memory. It is kept as variances and as correlations in
    whole 32,767ths: even steps, for each look moves a correlation by some 2,000ths, which half precision
    rounds away where the correlation is high.
    """

    __slots__ = ("correlations", "variances")

    def __init__(self, variances: NDArray[np.float32], correlations: NDArray[np.int16]) -> None:
        self.variances, self.correlations = variances, correlations

    @classmethod
    def of(cls, covariance: Array) -> Self:
        """Start with what is given (F, F)."""
        variances = np.diag(covariance).astype(np.float32)
        together = covariance.take(_places(len(covariance))[0]) / _pairs(np.sqrt(np.diag(covariance)))
        return cls(variances, np.rint(together * _WHOLE).astype(np.int16))

    @property
    def possible(self) -> bool:
        """Whether no variance is nought or less, and no correlation beyond one."""
        good = np.isfinite(self.variances) & (self.variances > 0.0)
        return bool(good.all() and (self.correlations >= -_WHOLE).all())

    @property
    def deviations(self) -> Array:
        """How far each goes, (F,)."""
        return np.sqrt(self.variances.astype(np.float64))

    @property
    def correlation(self) -> Array:
        """How they hang together, (F, F)."""
        wide = len(self.variances)
        whole, together = np.eye(wide), self.correlations / _WHOLE
        for places in _places(wide):
            whole.put(places, together)
        return whole

    @property
    def covariance(self) -> Array:
        """Both in one, (F, F)."""
        deviations = self.deviations
        return self.correlation * np.outer(deviations, deviations)

    def learn(self, seen: Array, share: float) -> None:
        """Let one step (F,) count for this share of what is known."""
        before = self.deviations
        self.variances += (share * (seen**2 - self.variances)).astype(np.float32)
        np.maximum(self.variances, _CALMEST, out=self.variances)
        now = self.deviations
        kept, added = math.sqrt(1.0 - share) * before / now, math.sqrt(share * _WHOLE) * seen / now
        self.correlations = np.rint(self.correlations * _pairs(kept) + _pairs(added)).astype(np.int16)


def _pairs(values: Array) -> Array:
    """Multiply each by each that stands behind it."""
    return np.outer(values, values).take(_places(len(values))[0])


@lru_cache(4)
def _places(wide: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Name the places above a symmetric matrix' diagonal, and those below that say the same."""
    one, other = np.triu_indices(wide, 1)
    return one * wide + other, other * wide + one
