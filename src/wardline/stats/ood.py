"""How unlike the training rows a row is: Mahalanobis distance under a shrunken covariance."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_FLAT = 1e-9  # a spread this small beside the column's size is rounding, not variation
_FLOOR = 1e-8  # eigenvalues of a correlation matrix below this are numerically zero
_FAR = 1e100  # whatever is this far off is infinitely far: squaring it would overflow


class Whitening(NamedTuple):
    """Distance of x: norm((x - center) @ matrix). `center` (d,), `matrix` (d, d), both always finite."""

    center: NDArray[np.float64]
    matrix: NDArray[np.float64]


def ledoit_wolf(X: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the covariance and shrinkage of centered X (n, d), towards a multiple of the identity.

    The optimal shrinkage of Ledoit & Wolf 2004 makes it invertible also where features repeat each other
    or outnumber the rows.
    """
    n, d = X.shape
    empirical = X.T @ X / n
    mu = float(np.trace(empirical)) / d
    apart = float((empirical**2).sum()) / d - mu * mu  # |S - mu I|^2 / d
    squares = X**2
    beta = (float((squares.T @ squares).sum()) / n - float((empirical**2).sum())) / (d * n)
    shrinkage = min(1.0, max(0.0, beta / apart)) if apart > 0.0 else 0.0
    shrunken: NDArray[np.float64] = (1.0 - shrinkage) * empirical
    shrunken[np.diag_indices(d)] += shrinkage * mu
    return shrunken, shrinkage


def whiten(X: NDArray[np.float64]) -> Whitening:
    """Fit the whitening on rows of the reference, X (n, d); NaN is missing.

    Columns are standardised before they are shrunken, so units do not matter. Missing values stand at the
    center and add no distance. A column that does not vary gets no weight: what it should be is the range
    guard's to say, and one bit of rounding must not look like the end of the world.
    """
    present = np.abs(X) < _FAR  # neither NaN nor what no square could hold
    rows = np.maximum(present.sum(axis=0), 1)
    center = np.where(present, X, 0.0).sum(axis=0) / rows
    centered = np.where(present, X, center) - center
    scale = np.sqrt((centered**2).sum(axis=0) / rows)
    varies = scale > _FLAT * np.maximum(1.0, np.abs(center))
    matrix = np.zeros((X.shape[1], X.shape[1]))
    if varies.any():
        shrunken, _ = ledoit_wolf(centered[:, varies] / scale[varies])
        values, vectors = np.linalg.eigh(shrunken)
        root = vectors / np.sqrt(np.maximum(values, _FLOOR)) @ vectors.T
        matrix[np.ix_(varies, varies)] = root / scale[varies][:, None]
    return Whitening(center, matrix)


def distance(x: NDArray[np.float64], center: NDArray[np.float64], matrix: NDArray[np.float64]) -> float:
    """Return one row's distance, x (d,): the fast form for a request of one row.

    Missing values stand at the center; an infinite one is infinitely far.
    """
    delta = x - center
    if not math.hypot(*delta.tolist()) < _FAR:  # NaN is not below anything either
        delta[delta != delta] = 0.0  # NaN is not itself
        if not math.hypot(*delta.tolist()) < _FAR:
            return math.inf
    apart = delta.dot(matrix)
    return math.sqrt(apart.dot(apart))


def distances(
    X: NDArray[np.float64], center: NDArray[np.float64], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distances of many rows, X (n, d) to (n,)."""
    delta = X - center
    far = None
    size = np.abs(delta)
    if not size.max(initial=0.0) < _FAR:
        delta[np.isnan(delta)] = 0.0
        far = (size >= _FAR).any(axis=1)
        delta[far] = 0.0
    apart = delta @ matrix
    found: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", apart, apart))
    if far is not None:
        found[far] = np.inf
    return found
