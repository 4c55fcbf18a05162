"""The breaker opens after failures in a row, and lets one probe find out."""

from __future__ import annotations

from wardline.breaker import Breaker, State


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(failures=2, reset_s=10)
    for second in range(10):
        breaker.failed(second)
        breaker.succeeded()
    assert breaker.state is State.CLOSED


def test_it_opens_probes_and_closes() -> None:
    breaker = Breaker(failures=2, reset_s=10)
    breaker.failed(0)
    breaker.failed(1)
    assert not breaker.allows(10.9)
    assert breaker.allows(11)
    assert breaker.state is State.HALF_OPEN
    assert not breaker.allows(12)
    breaker.succeeded()
    assert breaker.allows(12)


def test_a_failed_probe_opens_it_for_another_while() -> None:
    breaker = Breaker(failures=1, reset_s=10)
    breaker.failed(0)
    assert breaker.allows(10)
    breaker.failed(11)
    assert not breaker.allows(20.9)
    assert breaker.allows(21)


def test_a_probe_that_never_reports_does_not_hold_the_door_for_ever() -> None:
    breaker = Breaker(failures=1, reset_s=10)
    breaker.failed(0)
    assert breaker.allows(10)
    assert not breaker.allows(19)
    assert breaker.allows(20)
