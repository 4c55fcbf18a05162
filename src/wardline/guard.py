"""The one way to write a guard: a frozen dataclass with a name, a stage and `check`."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

import msgspec

from wardline.inference import Batch, Inference, Screened
from wardline.reference import Reference
from wardline.verdict import Finding, Measured, Severity, Stage


@runtime_checkable
class Guard(Protocol):
    """Judges one inference. Pure: no state over rows, no clock, no I/O; it may be called in any order."""

    @property
    def name(self) -> str:
        """The guard's name, unique in its gate."""

    @property
    def stage(self) -> Stage:
        """`Stage.INPUT` before the chain answers, `Stage.OUTPUT` after."""

    def check(self, inference: Inference) -> Finding:
        """Judge one row."""


@runtime_checkable
class Prepares(Protocol):
    """A guard that wants something of the reference takes it once, when the gate opens."""

    def prepare(self, reference: Reference) -> Self:
        """Return a guard that has what it needs. Raise OpeningError if the reference cannot give it."""


@runtime_checkable
class Screens(Protocol):
    """A guard that can clear most rows of a batch at once, for speed. `check` stays the only truth."""

    def screen(self, batch: Batch) -> Screened:
        """Say which rows need `check`; every other row is `ok`."""


def judge(
    guard: Guard,
    score: float,
    *,
    warn: float | None,
    block: float | None,
    reason: str,
    subject: str = "",
    observed: float | str | None = None,
    expected: str = "",
    measured: Measured | None = None,
) -> Finding:
    """Compare one score with two thresholds: the only way a severity comes about.

    Trouble grows with the score. At `block` or above it blocks, at `warn` or above it warns; `None`
    switches a threshold off. NaN blocks: a score that could not be computed clears nobody.

    >>> from wardline.guards import Range
    >>> judge(Range(), 0.4, warn=0.1, block=1.0, reason="range.outside", subject="age").severity.value
    'warn'
    """
    noted = msgspec.UNSET if measured is None else measured
    if score != score:
        return Finding(
            guard.name, guard.stage, Severity.BLOCK, reason, subject, observed, expected, 0.0, 0.0, noted
        )
    if block is not None and score >= block:
        severity, threshold = Severity.BLOCK, block
    elif warn is not None and score >= warn:
        severity, threshold = Severity.WARN, warn
    else:
        severity = Severity.OK
        threshold = warn if warn is not None else (block if block is not None else 0.0)
    return Finding(
        guard.name, guard.stage, severity, reason, subject, observed, expected, score, threshold, noted
    )
