"""The ledger of labels: durable, exact about which label counts, honest about damage."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log.disk import Disk
from wardline.errors import LogError
from wardline.log.labels import LabelLog, read_labels
from wardline.truth import Label

SECOND = 1_000_000_000


def kept(folder: Path) -> dict[str, float]:
    found = read_labels(folder, classes=False)
    return dict(zip(found.ids.to_pylist(), found.label.to_pylist(), strict=True))


@settings(max_examples=20, deadline=None)
@given(
    came=st.lists(
        st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 5), st.integers(0, 9)), min_size=1),
        min_size=1, max_size=6,
    ),
    closed=st.integers(0, 5),
)  # fmt: skip
def test_of_each_id_the_label_observed_last_counts_and_of_two_such_the_one_that_came_last(
    came: list[list[tuple[str, int, int]]], closed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("labels")
    clock = iter(range(1, 1_000_000))
    writer = LabelLog(folder, classes=False, clock=lambda: float(next(clock)))
    wanted: dict[str, tuple[int, float]] = {}
    history: dict[str, list[float]] = {}
    for number, group in enumerate(came):
        writer.append([Label(name, float(value), at * SECOND) for name, at, value in group])
        for name, at, value in group:
            history.setdefault(name, []).append(float(value))
            if name not in wanted or at >= wanted[name][0]:
                wanted[name] = at, float(value)
        if number == closed:
            writer.close()  # sealed: the rest goes into another file
    assert kept(folder) == {name: value for name, (_, value) in wanted.items()}
    found = read_labels(folder, classes=False)
    for name, times, corrected in zip(found.ids.to_pylist(), found.times, found.corrected, strict=True):
        assert times == len(history[name])
        assert corrected == any(value != wanted[name][1] for value in history[name])
    writer.close()
    assert kept(folder) == {name: value for name, (_, value) in wanted.items()}


def test_a_full_disk_is_told_and_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    disk = Disk()
    writer = LabelLog(tmp_path, classes=False, opener=disk.open)
    writer.append([Label("a", 1.0, 0)])
    disk.broken = True
    with pytest.raises(LogError, match="No space left"):
        writer.append([Label("b", 2.0, 0)])
    disk.broken = False
    writer.append([Label("c", 3.0, 0)])
    assert kept(tmp_path) == {"a": 1.0, "c": 3.0}
    writer.close()


def test_a_flipped_bit_costs_the_labels_it_lies_in_and_is_named(tmp_path: Path) -> None:
    writer = LabelLog(tmp_path, classes=False)
    for number in range(3):
        writer.append([Label(f"label-{number}", float(number), 0)])
    (file,) = tmp_path.glob("*.arrow")
    data = bytearray(file.read_bytes())
    data[data.index(b"label-1")] ^= 1
    file.write_bytes(data)
    problems: list[str] = []
    found = read_labels(tmp_path, classes=False, on_problem=problems.append)
    assert found.ids.to_pylist() == ["label-0", "label-2"]
    assert "damaged" in problems[0]
    writer.close()


def test_labels_are_as_they_were_known_at_a_time(tmp_path: Path) -> None:
    clock = iter([1.0, 1.0, *[5.0] * 10])
    writer = LabelLog(tmp_path, classes=True, clock=lambda: next(clock))
    writer.append([Label("a", "yes", 0)])
    writer.append([Label("a", "no", 1), Label("b", "no", 1)])
    then = read_labels(tmp_path, classes=True, until=2 * SECOND)
    now = read_labels(tmp_path, classes=True)
    assert (then.ids.to_pylist(), then.label.to_pylist()) == (["a"], ["yes"])
    assert (now.ids.to_pylist(), now.label.to_pylist()) == (["a", "b"], ["no", "no"])
    assert len(read_labels(tmp_path / "none", classes=True)) == 0
    writer.close()
