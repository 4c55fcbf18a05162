"""Audit samples: unbiased, with intervals that hold what they say at forty rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline.stats.audit import Stratum, allocate, estimate


@given(
    strata=st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1)), min_size=1, max_size=12),
    total=st.integers(1, 60),
)
def test_all_rows_asked_for_are_shared_out_and_no_stratum_gives_more_than_it_has(strata, total) -> None:
    sizes, spreads = zip(*strata, strict=True)
    given = allocate(sizes, spreads, total)
    assert all(0 <= n <= size for n, size in zip(given, sizes, strict=True))
    assert sum(given) >= min(total, sum(sizes))
    if 2 * len(sizes) <= total:
        assert all(n >= min(2, size) for n, size in zip(given, sizes, strict=True))


@pytest.mark.parametrize("kind", ["wrong", "rarely", "error"])
def test_intervals_of_forty_rows_hold_the_whole_as_often_as_they_say(kind: str) -> None:
    rng = np.random.default_rng(3)
    sizes = [2000, 1500, 800, 300]
    rates = {"wrong": [0.02, 0.1, 0.3, 0.5], "rarely": [0.0, 0.01, 0.02, 0.1]}.get(kind)
    if rates is None:
        losses = [rng.gamma(2.0, 1.0 + i, size) for i, size in enumerate(sizes)]
    else:
        losses = [(rng.uniform(size=n) < p) * 1.0 for n, p in zip(sizes, rates, strict=True)]
    truth = float(np.concatenate(losses).mean())
    drawn = allocate(sizes, [0.15, 0.3, 0.45, 0.5], 40)
    held, values = 0, []
    for _ in range(1000):
        strata = [
            Stratum(n, rng.choice(loss, k, replace=False))
            for n, loss, k in zip(sizes, losses, drawn, strict=True)
        ]
        found = estimate(strata, shares=rates is not None)
        held += found.low <= truth <= found.high
        values.append(found.value)
    assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / np.sqrt(1000))
    assert held / 1000 >= 0.95 - 0.03


def test_a_census_has_no_error_and_nothing_labelled_says_nothing() -> None:
    whole = np.array([0.0, 1.0, 1.0])
    found = estimate([Stratum(3, whole)], shares=True)
    assert found.value == found.low == found.high == pytest.approx(2 / 3)
    assert np.isnan(estimate([Stratum(3, np.zeros(0))], shares=True).value)
