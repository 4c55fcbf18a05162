"""Joining as things come gives what joining everything at once gives, whatever the order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardline.log.joining import Joiner
from wardline.log.labels import counting, label_schema

CLASSES = ("no", "yes", "maybe")
IDS = "abcdef"

answers = st.tuples(
    st.just("answer"), st.lists(st.tuples(st.sampled_from(IDS), st.integers(0, 9)), max_size=4)
)
labels = st.tuples(
    st.just("label"),
    st.lists(st.tuples(st.sampled_from(IDS), st.integers(0, 2), st.integers(0, 5)), max_size=4),
)


def records(rows: list[tuple[str, int]], first: int, *, classes: bool) -> pa.Table:
    """Answers of a gate; `first` numbers them on, so that each is its own."""
    count = len(rows)
    own = [first + place for place in range(count)]
    numbers: dict[str, Any] = {
        "time": pa.array([at for _, at in rows], pa.timestamp("ns", tz="UTC")),
        "request_id": pa.array([name for name, _ in rows], pa.string()),
        "served_by": pa.array(["m"] * count, pa.string()),
        "confidence": pa.array([float(each) for each in own], pa.float64()),
        "level": pa.array([0.9] * count, pa.float64()),
        "slice.region": pa.array([f"r{each % 3}" for each in own], pa.string()),
    }
    if classes:
        numbers["prediction"] = pa.array([CLASSES[each % 3] for each in own], pa.string())
        numbers["set"] = pa.array([list(CLASSES[: each % 4]) for each in own], pa.list_(pa.string()))
    else:
        numbers["prediction"] = pa.array([float(each % 3) for each in own], pa.float64())
        numbers["interval_low"] = pa.array([each % 3 - 1.5 for each in own], pa.float64())
        numbers["interval_high"] = pa.array([each % 3 + 0.5 for each in own], pa.float64())
    return pa.table(numbers)


def ledger(rows: list[tuple[str, int, int]], *, classes: bool) -> pa.Table:
    value = [CLASSES[code] if classes else float(code) for _, code, _ in rows]
    columns = [[7] * len(rows), range(len(rows)), [row[0] for row in rows], value, [row[2] for row in rows]]
    schema = label_schema(classes=classes)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


@settings(max_examples=150, deadline=None)
@given(came=st.lists(st.one_of(answers, labels), max_size=8), classes=st.booleans())
def test_what_came_in_any_order_is_joined_as_a_reader_would_by_hand(came: list[Any], classes: bool) -> None:
    joiner = Joiner(CLASSES if classes else (), ("region",))
    rows: list[tuple[int, str, int]] = []  # time, id, own number
    known: dict[str, list[tuple[int, int]]] = {}
    for what, some in came:
        if what == "answer":
            joiner.answered(records(some, len(rows), classes=classes))
            rows += [(at, name, len(rows) + place) for place, (name, at) in enumerate(some)]
        else:
            joiner.labelled(counting(ledger(some, classes=classes), classes=classes))
            for name, code, at in some:
                known.setdefault(name, []).append((at, code))
    found = joiner.joined()
    rows.sort(key=lambda row: (row[0], row[2]))
    assert found.confidence.tolist() == [row[2] for row in rows]
    newest = {name: own for _, name, own in rows}
    for place, (at, name, own) in enumerate(rows):
        assert (found.time[place], found.ids[place]) == (at, name)
        assert found.slices["region"].names[found.slices["region"].codes[place]] == f"r{own % 3}"
        history = known.get(name, [])
        if not history or newest[name] != own:
            assert math.isnan(found.label[place])
            continue
        seen, code = max(history, key=lambda each: each[0])
        last = [each for each in history if each[0] == seen][-1]
        assert (found.label[place], found.lag_s[place]) == (last[1], pytest.approx((seen - at) / 1e9))
        inside = last[1] < own % 4 if classes else own % 3 - 1.5 <= last[1] <= own % 3 + 0.5
        assert found.covered[place] == inside
        assert found.loss[place] == (float(own % 3 != last[1]) if classes else abs(own % 3 - last[1]))
    assert found.unknown == len(known.keys() - newest.keys())
    corrected = {name for name in known.keys() & newest.keys() if len({c for _, c in known[name]}) > 1}
    assert found.corrected == len(corrected)


def test_memory_holds_the_newest_answers_and_labels_that_wait_only() -> None:
    joiner = Joiner(most=1000)
    for first in range(0, 200_000, 20_000):
        joiner.answered(records([(f"i{n}", n) for n in range(first, first + 20_000)], first, classes=False))
        joiner.labelled(counting(ledger([(f"x{first}", 1, 0)] * 3, classes=False), classes=False))
    assert len(joiner) <= 100_000
    found = joiner.joined()
    assert found.time[-1] == 199_999
    assert found.unknown == 10
    joiner.forget(int(found.time[-1]) + 1)
    assert len(joiner) == 0
    assert len(joiner.joined()) == 0


def test_a_gate_without_answers_has_none_to_judge() -> None:
    assert len(Joiner(CLASSES, ("region",)).joined()) == 0
    joiner = Joiner()
    joiner.labelled(counting(ledger([("a", 1, 1)], classes=False), classes=False))
    joiner.answered(records([("a", 5)], 0, classes=False))
    assert joiner.joined().label.tolist() == [1.0]
    assert np.isnan(joiner.joined().lag_s[0]) or joiner.joined().lag_s[0] < 0
