"""A reservoir: every row with the same chance, the same rows for the same seed."""

import numpy as np

from wardline.stats.reservoir import Reservoir


def _sample(stream, most, seed, blocks):
    reservoir = Reservoir(most, np.random.default_rng(seed))
    for block in np.array_split(stream, blocks):
        reservoir.add(block, -block)
    return reservoir


def test_a_short_stream_is_kept_whole_and_in_order():
    reservoir = _sample(np.arange(50), 100, 0, 7)
    assert reservoir.columns[0].tolist() == list(range(50))
    assert len(reservoir) == reservoir.seen == 50


def test_the_same_seed_keeps_the_same_rows_and_columns_stay_aligned():
    first, second = (_sample(np.arange(1_000), 10, 3, 9).columns for _ in range(2))
    assert first[0].tolist() == second[0].tolist()
    assert np.array_equal(first[1], -first[0])
    assert len(set(first[0].tolist())) == 10


def test_every_row_has_the_same_chance_wherever_it_stands():
    times = np.zeros(40)
    for seed in range(4_000):
        times[_sample(np.arange(40), 10, seed, 3).columns[0]] += 1
    # Binomial(4000, 1/4) has a standard deviation of 27.
    assert np.abs(times - 1_000).max() < 27 * 4


def test_it_owns_what_it_keeps():
    block = np.arange(5.0)
    reservoir = Reservoir(10, np.random.default_rng(0))
    reservoir.add(block)
    block[:] = -1
    assert reservoir.columns[0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
