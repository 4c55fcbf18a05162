"""Means and covariances of a stream: read once, in blocks, in any split, at the same answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Moments:
    """Mean and co-moments of d-vectors, merged block by block (Chan, Golub & LeVeque 1979).

    Choose it over sums of squares, which lose every digit when the mean is large beside the spread.

    >>> moments = Moments(1)
    >>> for block in ([1e9 + 1], [1e9 + 2, 1e9 + 3]):
    ...     moments.add(np.array(block)[:, None])
    >>> moments.count, float(moments.mean[0]) - 1e9, float(moments.covariance[0, 0])
    (3, 2.0, 0.6666666666666666)
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(width)
        self._apart: NDArray[np.float64] = np.zeros((width, width))

    def add(self, block: NDArray[np.float64]) -> None:
        """Take in more vectors, shape (n, d), all finite."""
        rows = len(block)
        if not rows:
            return
        mean = block.mean(axis=0)
        centered = block - mean
        self.merge(rows, mean, centered.T @ centered)

    def merge(self, rows: int, mean: NDArray[np.float64], apart: NDArray[np.float64]) -> None:
        """Take in what was added up elsewhere: the mean of some vectors, and their products about it."""
        step = mean - self.mean
        total = self.count + rows
        self._apart += apart + np.outer(step, step) * (self.count * rows / total)
        self.mean = self.mean + step * (rows / total)
        self.count = total

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Population covariance, shape (d, d)."""
        return self._apart / max(1, self.count)
