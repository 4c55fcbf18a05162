"""The watchdog's one thread: exact for usual runs, quick for hurried ones, asleep without any."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.waiting import until
from wardline.predictors.watchdog import Watchdog


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    made = Watchdog(usual_s=600.0)
    yield made
    made.close()


def options() -> SimpleNamespace:
    return SimpleNamespace(terminate=False)


def test_a_hurried_run_is_stopped_though_the_usual_one_has_minutes(watchdog: Watchdog) -> None:
    usual, hurried = options(), options()
    watchdog.guard(time.monotonic() + 600, usual)
    began = time.monotonic()
    watchdog.guard(began + 0.05, hurried)
    until(lambda: hurried.terminate)
    assert time.monotonic() >= began + 0.05
    assert not usual.terminate


def test_a_run_that_came_back_is_let_alone_and_what_comes_later_is_watched(watchdog: Watchdog) -> None:
    back, late = options(), options()
    watchdog.release(watchdog.guard(time.monotonic() + 0.05, back))
    watchdog.guard(time.monotonic() + 0.1, late)
    until(lambda: late.terminate)
    assert not back.terminate


def test_it_wakes_from_its_sleep_for_a_new_run(watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardline.predictors.watchdog._IDLE_S", 0.0)
    first, second = options(), options()
    key = watchdog.guard(time.monotonic() + 0.01, first)
    until(lambda: first.terminate)
    watchdog.release(key)
    watchdog.guard(time.monotonic() + 0.01, second)
    until(lambda: second.terminate)
