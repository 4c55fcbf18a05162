"""How restless a camera is: learned as a plain covariance would be, in half the bytes."""

from __future__ import annotations

import numpy as np

from wardline.stats.camera_change.unrest import Unrest


def learned(steps: np.ndarray, memory: int) -> tuple[Unrest, np.ndarray]:
    """Learn from steps (n, F), once as the class does and once in whole double precision."""
    unrest, plain = Unrest.of(np.eye(steps.shape[1])), np.eye(steps.shape[1])
    for seen in steps:
        unrest.learn(seen, 1.0 / memory)
        plain += (np.outer(seen, seen) - plain) / memory
    return unrest, plain


def test_thousands_of_steps_teach_what_double_precision_would_hold() -> None:
    rng = np.random.default_rng(0)
    mixed = np.linalg.cholesky(0.95 * np.ones((8, 8)) + 0.05 * np.eye(8))  # much alike, as neighbours are
    steps = rng.normal(size=(3_000, 8)) @ mixed.T * np.geomspace(0.2, 30.0, 8)
    unrest, plain = learned(steps, 500)
    units = np.sqrt(np.diag(plain))
    apart = (unrest.covariance - plain) / np.outer(units, units)
    assert np.abs(apart).max() < 1e-3
    assert np.linalg.norm(apart, 2) < 0.1 * np.linalg.eigvalsh(plain / np.outer(units, units)).min()


def test_it_starts_with_what_it_is_given_and_takes_two_bytes_an_entry() -> None:
    given = np.array([[4.0, -1.0, 0.0], [-1.0, 1.0, 0.5], [0.0, 0.5, 9.0]])
    unrest = Unrest.of(given)
    assert np.allclose(unrest.covariance, given, atol=1e-3)
    assert (unrest.correlations.nbytes, unrest.variances.nbytes) == (6, 12)


def test_a_statistic_that_is_never_measured_stays_a_variance() -> None:
    steps = np.random.default_rng(1).normal(size=(60_000, 2)) * [1.0, 0.0]
    unrest, _ = learned(steps, 500)
    assert np.isfinite(unrest.covariance).all()
    assert (unrest.variances > 0.0).all()
