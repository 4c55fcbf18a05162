"""What dependent rows are worth, and that nobody claims to know it from too little."""

from __future__ import annotations

import numpy as np
import pytest

from wardline.stats.dependence import dependence


def blocks(rng: np.random.Generator, memory: float, rows: int, many: int = 64) -> np.ndarray:
    """Counts of an AR(1) in ten bins of equal weight, by stretches of so many rows."""
    steps = rng.normal(size=many * rows + 4000)
    z = np.empty_like(steps)
    z[0] = steps[0]
    for i in range(1, len(steps)):
        z[i] = memory * z[i - 1] + np.sqrt(1 - memory**2) * steps[i]
    z = z[4000:]
    edges = np.quantile(np.random.default_rng(0).normal(size=100_000), np.arange(1, 10) / 10)
    code = np.arange(len(z)) // rows * 10 + np.searchsorted(edges, z)
    return np.bincount(code, minlength=many * 10).reshape(many, 10)


def test_independent_rows_are_worth_themselves() -> None:
    rng = np.random.default_rng(1)
    found = [dependence(blocks(rng, 0.0, 40)) for _ in range(20)]
    assert all(each.known for each in found)
    assert np.median([each.effect for each in found]) < 1.3


def test_longer_stretches_see_what_a_window_cannot() -> None:
    rng = np.random.default_rng(2)
    for _ in range(10):
        fine, long = blocks(rng, 0.9, 8), blocks(rng, 0.9, 80)
        both = dependence(fine, long)
        assert not both.known or both.effect >= dependence(long).effect
        assert both.effect > 5 or not both.known


def test_where_the_longer_stretches_are_too_few_nothing_is_known() -> None:
    fine = blocks(np.random.default_rng(3), 0.9, 40)
    assert dependence(fine).known
    assert not dependence(fine, fine[:5]).known


def test_an_effect_that_still_grows_with_the_stretches_is_not_known() -> None:
    rng = np.random.default_rng(4)
    known = [dependence(blocks(rng, 0.999, 10)).known for _ in range(20)]
    assert sum(known) <= 6
    assert all(dependence(blocks(rng, 0.5, 40)).known for _ in range(20))


@pytest.mark.parametrize("rows", [40, 160])
def test_a_change_in_the_middle_is_not_taken_for_dependence(rows: int) -> None:
    rng = np.random.default_rng(5)
    one = blocks(rng, 0.0, rows)
    one[40:] = np.roll(one[40:], 3, axis=1) + np.arange(10)  # other shares from there on
    found = dependence(one)
    assert found.known
    assert found.effect < 2.0
