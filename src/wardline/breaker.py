"""A circuit breaker: a rung that keeps failing is left alone for a while, then tried with one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """`closed` lets everything through, `open` nothing, `half_open` one probe at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass
class Breaker:
    """Opens after `failures` in a row, and after `reset_s` seconds lets one probe find out. Times monotonic.

    Method: Nygard, Release It! (2007), ch. 5.

    >>> breaker = Breaker(failures=2, reset_s=10.0)
    >>> breaker.failed(0.0); breaker.failed(1.0); breaker.allows(2.0)
    False
    >>> breaker.allows(11.5), breaker.allows(11.6)
    (True, False)
    >>> breaker.succeeded(); breaker.state.value
    'closed'
    """

    failures: int = 5
    reset_s: float = 30.0
    state: State = field(default=State.CLOSED, init=False)
    _in_a_row: int = field(default=0, init=False)
    _opened_at: float = field(default=0.0, init=False)

    def allows(self, now: float) -> bool:
        """Say whether a call may be made now; a True from an open breaker is the one probe."""
        if self.state is State.CLOSED:
            return True
        if now - self._opened_at >= self.reset_s:
            # A probe that never reports back (its thread hangs) must not hold the door for ever, so the
            # wait starts again with each probe, in half-open as in open.
            self.state = State.HALF_OPEN
            self._opened_at = now
            return True
        return False

    def succeeded(self) -> None:
        """Note that a call answered."""
        self._in_a_row = 0
        self.state = State.CLOSED

    def failed(self, now: float) -> None:
        """Note that a call did not answer."""
        self._in_a_row += 1
        if self.state is State.HALF_OPEN or self._in_a_row >= self.failures:
            self.state = State.OPEN
            self._opened_at = now
