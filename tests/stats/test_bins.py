"""Frozen bins: what is cut, what is counted, and that counts merge exactly."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wardline.stats import bins

NUMBERS = arrays(
    np.float64,
    st.integers(0, 200),
    elements=st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.integers(-3, 3).map(float)),
)


@given(NUMBERS, st.integers(1, 12), st.integers(1, 1000))
def test_cuts_are_few_sorted_and_finite(values, most, window):
    edges, atoms = bins.cut(values, most=most, window=window)
    assert len(edges) + len(atoms) <= most or len(edges) == 0
    assert np.isfinite(edges).all()
    assert np.all(np.diff(edges) > 0)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_counts_of_parts_add_up_to_the_count_of_the_whole(reference, first, second):
    cuts = bins.cut(reference)
    whole = bins.count(*cuts, np.concatenate([first, second]))
    assert np.array_equal(bins.count(*cuts, first) + bins.count(*cuts, second), whole)
    assert whole.sum() == len(first) + len(second)
    assert whole.dtype == np.int64
    assert len(whole) == cuts.size


def test_continuous_data_gets_ten_bins_of_equal_weight():
    values = np.random.default_rng(1).normal(size=100_000)
    cuts = bins.cut(values)
    counts = bins.count(*cuts, values)
    assert cuts.atoms == ()
    assert counts[:10].tolist() == [10_000] * 10
    assert counts[10:].tolist() == [0, 0]


def test_every_bin_expects_five_rows_in_the_smallest_window():
    values = np.random.default_rng(2).lognormal(size=5_000)
    for window in (10, 25, 50, 100):
        edges, atoms = bins.cut(values, window=window)
        counts = bins.count(edges, atoms, values)[: len(edges) + 1]
        assert counts.min() * window / len(values) >= 5 or len(counts) == 1


def test_a_heavy_value_has_a_bin_of_its_own():
    values = np.concatenate([np.zeros(600), np.random.default_rng(3).exponential(size=400)])
    cuts = bins.cut(values)
    assert cuts.atoms == (0.0,)
    assert bins.count(*cuts, values)[len(cuts.edges) + 1] == 600


def test_a_value_the_reference_never_saw_still_finds_an_open_bin():
    cuts = bins.cut(np.repeat([1.0, 2.0], 50))
    assert cuts.atoms == (1.0, 2.0)
    assert bins.count(*cuts, np.array([7.0, 1.0, -7.0])).tolist() == [2, 1, 0, 0, 0]


def test_null_and_nonfinite_have_bins_and_shape_no_edge():
    values = np.concatenate([np.arange(100.0), np.full(50, np.nan), [np.inf, -np.inf]])
    cuts = bins.cut(values)
    assert np.array_equal(cuts.edges, bins.cut(np.arange(100.0)).edges)
    assert bins.count(*cuts, values)[-2:].tolist() == [50, 2]


def test_one_absurd_value_cannot_blind_the_bins():
    values = np.random.default_rng(4).normal(size=2_000)
    assert np.allclose(bins.cut(np.append(values, 1e300)).edges, bins.cut(values).edges, atol=0.01)


def test_no_data_gives_one_open_bin():
    for values in (np.zeros(0), np.full(5, np.nan)):
        cuts = bins.cut(values)
        assert bins.count(*cuts, np.array([1.0, np.nan])).tolist() == [1, 1, 0]


@given(st.lists(st.sampled_from(["a", "b", "c", None])), st.lists(st.sampled_from(["a", "z", None])))
def test_category_counts_merge_exactly_too(first, second):
    parts = bins.count_categories(("b", "a"), first) + bins.count_categories(("b", "a"), second)
    assert parts.tolist() == bins.count_categories(("b", "a"), first + second).tolist()
    assert parts.sum() == len(first) + len(second)


def test_codes_and_text_are_named_alike():
    codes = np.array([1.0, 2.0, 2.0, np.nan, 9.0])
    text = ["1", "2", "2", None, "9"]
    assert bins.tally(codes) == bins.tally(text)
    assert bins.count_categories(("2", "1"), codes).tolist() == [2, 1, 1, 1]


def test_the_top_is_by_weight_then_by_name():
    assert bins.top({"b": 2, "a": 2, "c": 5, None: 9}, 2) == ("c", "a")
