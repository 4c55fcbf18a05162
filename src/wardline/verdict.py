"""The verdict: what is said of one row, and the pure policy that says it.

Three places, three jobs: `wardline.stats` measures, a guard judges one score against two thresholds, and
`decide` here turns all findings into one action.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Stage(StrEnum):
    """Where on the path a finding was made."""

    CONTRACT = "contract"
    FEATURES = "features"
    INPUT = "input"
    CHAIN = "chain"
    OUTPUT = "output"


class Severity(StrEnum):
    """How much a finding weighs: `ok` says nothing, `warn` is said aloud, `block` stops a rung's answer."""

    OK = "ok"
    WARN = "warn"
    BLOCK = "block"


class Action(StrEnum):
    """What the gate did with a row, mildest first."""

    SERVE = "serve"
    FLAG = "flag"
    FALLBACK = "fallback"
    ABSTAIN = "abstain"
    REJECT = "reject"


ACTIONS = tuple(Action)
"""The actions in order of sternness; an action's place here is its code in columns."""

STERNNESS = {action: place for place, action in enumerate(ACTIONS)}


class Risk(StrEnum):
    """What a fault of ours costs: `closed` withholds the answer, `open` gives it with a warning.

    Choose `open` only where a missing answer does more harm than an unguarded one.
    """

    CLOSED = "closed"
    OPEN = "open"


class Coverage(StrEnum):
    """Whether the stated coverage of a set or interval may be relied on now."""

    VALID = "valid"
    WATCH = "watch"
    VOID = "void"

    def weaker(self, other: Coverage) -> Coverage:
        """Return the one that promises less."""
        return self if _PROMISE.index(self) >= _PROMISE.index(other) else other


_PROMISE = (Coverage.VALID, Coverage.WATCH, Coverage.VOID)


class Measured(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a guard measured on the way to its finding, for the answer's uncertainty."""

    confidence: float | None = None
    members: tuple[bool, ...] | None = None
    interval: tuple[float, float] | None = None
    ood_p: float | None = None


class Finding(msgspec.Struct, frozen=True):
    """What one guard found about one row.

    `reason` is stable, dotted and one of few; the field it is about goes in `subject`. `score` grows with
    trouble and is compared with `threshold`; `observed` and `expected` are for the person who reads it.
    """

    guard: str
    stage: Stage
    severity: Severity
    reason: str
    subject: str = ""
    observed: float | str | None = None
    expected: str = ""
    score: float = 0.0
    threshold: float = 0.0
    measured: Measured | msgspec.UnsetType = msgspec.UNSET


class Uncertainty(msgspec.Struct, frozen=True):
    """How far an answer may be trusted.

    `set` (classes) or `interval` (numbers) holds the truth with probability `level`, so long as
    `coverage_status` is not `void`; `ood_p` is the row's rank among reference rows: small means unlike them.
    """

    confidence: float | None = None
    set: tuple[str, ...] | None = None
    interval: tuple[float, float] | None = None
    level: float | None = None
    coverage_status: Coverage = Coverage.VOID
    ood_p: float | None = None


class Verdict(msgspec.Struct, frozen=True):
    """The whole answer for one row."""

    request_id: str
    trace_id: str
    action: Action
    prediction: float | str | None
    served_by: str | None
    rung: int | None
    uncertainty: Uncertainty
    findings: tuple[Finding, ...]
    model: str
    features_version: str
    reference: str


def decide(findings: Iterable[Finding], rung: int | None) -> Action:
    """Turn what was found, and which rung answered (`None`: none did), into one action.

    Whether a rung *may* answer is decided on the path, before this; here is only how the outcome is named.
    A broken contract is a `reject` whatever else is known. Adding a finding, or answering from a later
    rung, never makes the action milder.

    >>> warn = Finding("range", Stage.INPUT, Severity.WARN, "range.outside")
    >>> [decide([], 0).value, decide([warn], 0).value, decide([], 1).value, decide([], None).value]
    ['serve', 'flag', 'fallback', 'abstain']
    """
    warned = False
    for finding in findings:
        if finding.severity is not Severity.OK:
            if finding.stage is Stage.CONTRACT and finding.severity is Severity.BLOCK:
                return Action.REJECT
            warned = True
    if rung is None:
        return Action.ABSTAIN
    if rung > 0:
        return Action.FALLBACK
    return Action.FLAG if warned else Action.SERVE


def doubt(findings: Iterable[Finding]) -> Coverage:
    """Say what findings leave of a row's stated coverage.

    Conformal coverage holds for rows exchangeable with the calibration's. A row that an input guard blocks
    is not one of them, so nothing is promised; one that it warns of may not be. A row whose earlier answer
    was blocked is a harder row than the fallback was calibrated on.
    """
    left = Coverage.VALID
    for finding in findings:
        if finding.stage is Stage.INPUT and finding.severity is Severity.BLOCK:
            return Coverage.VOID
        if (finding.stage is Stage.INPUT and finding.severity is Severity.WARN) or (
            finding.stage is Stage.OUTPUT and finding.severity is Severity.BLOCK
        ):
            left = Coverage.WATCH
    return left
