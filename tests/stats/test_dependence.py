"""What dependent rows are worth, and that nobody claims to know it from too little."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from wardline.stats.dependence import Dependence
from wardline.stats.dependence import dependence as _dependence


def dependence(counts: np.ndarray, slower: Sequence[np.ndarray] | None = ()) -> Dependence:
    """Of the mean rank of ten bins."""
    return _dependence(counts, np.arange(10.0), slower)


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
    both = [dependence(blocks(rng, 0.99, 30), [blocks(rng, 0.99, 300)]) for _ in range(20)]
    known = [each.effect for each in both if each.known]
    assert len(known) > 10
    # An AR(0.99)'s mean rank is worth a row in 170 or so; 30 rows alone show a tenth of that.
    assert 90 < np.median(known) < 350


def test_a_chi_square_over_the_effect_along_itself_is_no_larger_than_of_independent_rows() -> None:
    rng = np.random.default_rng(6)
    worst = []
    for _ in range(60):  # one bin comes in turns, the others at random
        turns = np.repeat(rng.binomial(1, 0.5, 32), 2) * 50
        counts = np.column_stack([[rng.multinomial(100 - turn, np.full(9, 1 / 9)) for turn in turns], turns])
        window = counts[-10:].sum(axis=0)
        expected = np.append(np.full(9, 0.75 / 9), 0.25) * window.sum()
        given = _dependence(counts, (window - expected) / expected)
        if given.known:
            worst.append(float((((window - expected) ** 2) / expected).sum()) / given.effect)
    assert len(worst) > 20
    assert np.mean(np.array(worst) > 33.7) < 0.05  # 1e-4 of chi-square with 9 degrees


def test_where_the_longer_stretches_are_too_few_nothing_is_known() -> None:
    fine = blocks(np.random.default_rng(3), 0.5, 40)
    assert dependence(fine).known
    assert not dependence(fine, None).known


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
