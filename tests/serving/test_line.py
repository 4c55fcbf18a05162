"""A burst may wait; a line that stands is kept short."""

from __future__ import annotations

import asyncio

import pytest

from wardline.errors import WardlineError
from wardline.serving.admission import Line, Slots, Turns


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def line_of(clock: Clock, most_ms: float = 5.0) -> Line:
    return Line(most_ms, clock)


def work(line: Line, clock: Clock, seconds: float) -> None:
    """One is worked on and leaves."""
    clock.now += seconds
    line.__exit__()


def fill(line: Line, count: int) -> None:
    for _ in range(count):
        line.__enter__()


def overload(line: Line, clock: Clock, seconds: float, turns: int) -> list[int]:
    """One leaves each turn and four come; return how long the line was after each turn."""
    lengths = []
    for _ in range(turns):
        work(line, clock, seconds)
        for _ in range(4):
            if not line.full(0):
                line.__enter__()
        lengths.append(line.length)
    return lengths


def test_a_burst_waits_and_nobody_of_it_is_refused() -> None:
    clock = Clock()
    line = line_of(clock)
    for _ in range(50):
        assert not line.full(0)
        line.__enter__()
    for _ in range(50):
        work(line, clock, 0.001)
    assert not line.full(0)


def test_a_line_that_stands_is_kept_to_what_leaves_it_in_time() -> None:
    clock = Clock()
    line = line_of(clock, most_ms=20)
    fill(line, 1)
    lengths = overload(line, clock, 0.001, 1000)
    assert max(lengths) > 100  # the first tenth of a second is taken for a burst
    assert set(lengths[-200:]) == {21}  # one is worked on, and twenty wait a millisecond each


def test_callers_who_ask_one_after_the_other_are_never_refused_however_slow_it_is() -> None:
    clock = Clock()
    line = line_of(clock)
    fill(line, 7)
    for _ in range(1000):
        work(line, clock, 0.5)
        assert not line.full(0)
        line.__enter__()


def test_an_overload_is_over_when_the_line_was_empty_and_nobody_refused_for_a_while() -> None:
    clock = Clock()
    line = line_of(clock)
    fill(line, 1)
    overload(line, clock, 0.001, 1000)
    while line.length:
        work(line, clock, 0.001)
    assert not line.full(0)
    fill(line, 12)
    assert line.full(0)  # somebody was refused a moment ago
    for _ in range(12):
        work(line, clock, 0.02)
    assert not line.full(0)
    fill(line, 40)
    assert not line.full(0)


def test_who_comes_in_the_same_turn_of_the_loop_is_counted() -> None:
    async def crowd() -> list[bool]:
        slots = Slots(3)
        let_in = []
        for _ in range(5):
            let_in.append(not slots.full)
            if let_in[-1]:
                slots.expect()
        await asyncio.sleep(0)
        for _ in range(3):  # now they take their slots
            slots.take()
        with pytest.raises(WardlineError, match="3 requests are in flight"):
            slots.take()
        return let_in

    assert asyncio.run(crowd()) == [True, True, True, False, False]


def test_between_two_turns_the_loop_looks_who_has_come() -> None:
    async def both() -> list[str]:
        turns, said = Turns(), []

        async def one(name: str) -> None:
            async with turns:
                said.append(name)
                asyncio.get_running_loop().call_soon(said.append, f"came while {name}")

        await asyncio.gather(one("a"), one("b"))
        await asyncio.sleep(0)
        return said

    assert asyncio.run(both()) == ["a", "came while a", "b", "came while b"]
