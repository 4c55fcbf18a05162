"""The slice finder: right about how often it is wrong, and it names the segment that was planted."""

import numpy as np
import pytest

from wardline.stats.segments import worst_segments


def columns(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    return {
        "region": rng.choice(6, rows),
        "channel": rng.choice(3, rows, p=[0.7, 0.2, 0.1]),
        "device": rng.choice(4, rows),
        "zone": np.where(rng.uniform(size=rows) < 0.1, -1, rng.choice(2, rows)),
    }


@pytest.mark.parametrize("kind", ["wrong", "heavy"])
def test_where_no_segment_is_worse_something_is_reported_as_rarely_as_declared(kind: str) -> None:
    runs, reported = 120, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        loss = rng.lognormal(0, 2, 500) if kind == "heavy" else (rng.uniform(size=500) < 0.1) * 1.0
        reported += bool(worst_segments(loss, columns(rng, 500), rng, least=20, depth=2, level=0.1))
    assert reported / runs <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / runs)
    assert reported > 0  # nor is it deaf


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_segment_of_three_columns_is_named_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    given = columns(rng, 20_000)
    bad = (given["region"] == 2) & (given["channel"] == 0) & (given["device"] == 1)
    loss = (rng.uniform(size=20_000) < np.where(bad, 0.4, 0.1)) * 1.0
    found = worst_segments(loss, given, rng)
    assert set(found[0].where) == {("region", 2), ("channel", 0), ("device", 1)}
    assert found[0].rows == bad.sum()
    assert found[0].mean == pytest.approx(0.4, abs=0.07)
    assert found[0].elsewhere == pytest.approx(0.1, abs=0.01)
    assert all(set(found[0].where) & set(each.where) for each in found)


def test_a_bad_whole_is_told_once_and_not_with_every_part_of_it() -> None:
    rng = np.random.default_rng(0)
    given = columns(rng, 20_000)
    loss = (rng.uniform(size=20_000) < np.where(given["region"] == 2, 0.3, 0.1)) * 1.0
    assert [each.where for each in worst_segments(loss, given, rng)] == [(("region", 2),)]


def test_losses_that_say_nothing_find_nothing() -> None:
    rng = np.random.default_rng(0)
    assert worst_segments(np.zeros(500), columns(rng, 500), rng) == []
    assert worst_segments(rng.uniform(size=50), columns(rng, 50), rng) == []
    assert worst_segments(rng.uniform(size=500), {}, rng) == []
