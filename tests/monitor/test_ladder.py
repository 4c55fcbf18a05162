"""The monitor's state: exact, mergeable, bounded, and the same however the records came."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.monitor.traffic import START, columns, read, requests, watched
from wardline.monitor import checkpoint
from wardline.monitor.ladder import KEPT, STEPS, Ladder
from wardline.monitor.plan import Plan, Watched
from wardline.stats import bins
from wardline.verdict import Finding, Severity, Stage

RNG = np.random.default_rng(7)
KNOWN = watched(RNG)
PLAN = Plan(KNOWN)


def counted(known: Watched, parts: list, plan: Plan = PLAN) -> Ladder:
    ladder = Ladder(plan)
    for part in parts:
        ladder.add(read(known, part), "host")
    return ladder


def same(one: Ladder, other: Ladder) -> bool:
    if (one.rows, one.newest, one.first, one.sources) != (
        other.rows, other.newest, other.first, other.sources,
    ):  # fmt: skip
        return False
    return all(
        left.keys() == right.keys()
        and all(
            np.array_equal(left[at].sliced, right[at].sliced)
            and np.array_equal(left[at].whole, right[at].whole)
            for at in left
        )
        for left, right in zip(one.rungs, other.rungs, strict=True)
    )


@settings(max_examples=25, deadline=None)
@given(
    starts=st.lists(st.floats(0, 40 * 86_400), min_size=2, max_size=6),
    seed=st.integers(0, 2**16),
    split=st.integers(1, 5),
)
def test_two_monitors_over_parts_of_a_log_are_one_over_the_whole(
    starts: list[float], seed: int, split: int
) -> None:
    rng = np.random.default_rng(seed)
    parts = [requests(rng, 30, at=START + start, rate=3.0, size=5) for start in starts]
    whole = counted(KNOWN, parts)
    one, other = counted(KNOWN, parts[:split]), counted(KNOWN, parts[split:])
    one.merge(other)
    assert same(one, whole)
    assert same(counted(KNOWN, parts[::-1]), whole)  # nor does the order matter


def test_counts_are_those_of_numpy_over_the_same_rows() -> None:
    rng = np.random.default_rng(1)
    odd = {"income": [-5.0, np.inf, None, 1.0, 1.0], "region": ["east", None, "north", "north", "south"]}
    made = requests(rng, 5, size=5, **odd)
    ladder = counted(KNOWN, [made])
    window = ladder.last(5)
    counts = window.counts()
    profile = KNOWN.reference.features["income"]
    values = np.array([np.nan if value is None else value for value in odd["income"]], dtype=float)
    assert (
        PLAN.sliced["feature.income"].of(counts).tolist()
        == bins.count(profile.edges, profile.atoms, values).tolist()
    )
    assert (
        PLAN.sliced["feature.region"].of(counts).tolist()
        == bins.count_categories(list(KNOWN.reference.features["region"].categories), odd["region"]).tolist()
    )
    assert PLAN.sliced["strange.region"].of(counts).tolist() == [1]
    assert PLAN.sliced["strange.income"].of(counts).tolist() == [2]


def test_a_row_counts_for_all_rows_and_for_its_slice() -> None:
    made = requests(np.random.default_rng(2), 40, channel=("web", "web", "web", "app"))
    counts = counted(KNOWN, [made]).last(40).blocks.sum(axis=0)
    rows = {PLAN.name(place): int(counts[place, 0]) for place in range(len(PLAN.slices))}
    assert rows == {"": 40, "channel=web": 30, "channel=app": 10, "channel=(other)": 0}


def test_rejected_rows_have_no_features_to_count() -> None:
    made = requests(np.random.default_rng(3), 20)
    for record in made:
        record.actions[:5] = 4
    counts = counted(KNOWN, [made]).last(20).counts()
    assert PLAN.sliced["action"].of(counts).tolist() == [15, 0, 0, 0, 5]
    assert PLAN.sliced["feature.age"].of(counts).sum() == 15


def test_findings_of_the_gate_itself_are_counted_as_errors_and_holds_as_held() -> None:
    crash = Finding("range", Stage.INPUT, Severity.BLOCK, "guard.crashed")
    hold = Finding("hold", Stage.INPUT, Severity.BLOCK, "hold.drift", "income")
    made = requests(np.random.default_rng(4), 20, findings={0: (crash, crash), 1: (hold,)})
    counts = counted(KNOWN, [made]).last(20).counts()
    assert PLAN.sliced["error"].of(counts).tolist() == [1]
    assert PLAN.sliced["held"].of(counts).tolist() == [1]


def test_a_record_that_is_late_by_hours_falls_into_its_own_time() -> None:
    rng = np.random.default_rng(5)
    ladder = counted(KNOWN, [requests(rng, 20, at=START + 7200), requests(rng, 20, at=START)])
    hours = [int(bucket.sliced[0, 0]) for _, bucket in ladder.buckets(STEPS.index(3600))]
    assert hours == [20, 20]
    assert int(ladder.within(60).counts()[0]) == 20


def test_memory_does_not_grow_with_the_log() -> None:
    rng = np.random.default_rng(6)
    ladder = Ladder(PLAN)
    for day in range(200):
        ladder.add(read(KNOWN, requests(rng, 20, at=START + day * 86_400)), "host")
    assert max(len(buckets) for buckets in ladder.rungs) <= KEPT
    assert ladder.rows == 200 * 20
    assert len(ladder.sources) <= KEPT


def test_the_last_rows_are_the_newest_buckets_of_the_finest_step_that_reaches() -> None:
    rng = np.random.default_rng(8)
    ladder = counted(KNOWN, [requests(rng, 4000, rate=100.0)])
    window = ladder.last(1000)
    assert window.step == 1
    assert 1000 <= int(window.counts()[0]) < 1200
    assert ladder.last(4001) is None
    slow = counted(KNOWN, [requests(rng, 400, rate=0.1, size=1)])
    assert slow.last(200).step == 60


def test_a_checkpoint_brings_back_exactly_what_was_saved(tmp_path: Path) -> None:
    ladder = counted(KNOWN, [requests(RNG, 300, rate=7.0)])
    checkpoint.save(tmp_path / "state.npz", ladder, {"a": 300}, {"told": 1})
    restored, positions, extra = checkpoint.restore(tmp_path / "state.npz", PLAN)
    assert same(restored, ladder)
    assert (positions, extra) == ({"a": 300}, {"told": 1})


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 nothing", None])
def test_a_damaged_checkpoint_is_no_checkpoint(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "state.npz"
    if damage is None:
        checkpoint.save(path, counted(KNOWN, [requests(RNG, 20)]), {}, {})
        path.write_bytes(path.read_bytes()[:-200])
    else:
        path.write_bytes(damage)
    assert checkpoint.restore(path, PLAN) is None


def test_counts_of_another_reference_are_not_added() -> None:
    other = Plan(watched(np.random.default_rng(99), rows=3000))
    with pytest.raises(ValueError, match="do not add up"):
        Ladder(PLAN).merge(Ladder(other))
    assert columns(RNG, 3).keys() == KNOWN.features.keys()
