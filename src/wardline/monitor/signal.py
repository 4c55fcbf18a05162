"""A signal: one question the monitor asks of a window, and what the answer is worth."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec
import numpy as np

from wardline.stats.discovery import discoveries


class Standing(StrEnum):
    """What a signal says: nothing, something, an alert, or that there is not enough to say."""

    OK = "ok"
    WARN = "warn"
    ALERT = "alert"
    INSUFFICIENT = "insufficient"


SEVERITY = (Standing.INSUFFICIENT, Standing.OK, Standing.WARN, Standing.ALERT)
"""Standings, mildest first."""


class Moved(msgspec.Struct, frozen=True):
    """A bin that moved: its share in the reference and in the window, and its part of the whole effect."""

    bin: str
    before: float
    now: float
    part: float


class Signal(msgspec.Struct, frozen=True):
    """One measure of one window, and where it stands.

    `effect` is compared with `warn` and `alert`, in `unit`; `p_value` is the chance of it on healthy rows
    (NaN where the dependence between rows is not known yet); `rows` were there, `needed` would have been.
    `effective` is what the rows are worth as independent ones. `plain` is what the bare rule of the
    threshold would have said, without regard to chance: for those who must report it.
    """

    name: str
    subject: str = ""
    slice: str = ""
    effect: float = 0.0
    warn: float = 0.0
    alert: float = 0.0
    unit: str = ""
    p_value: float = 1.0
    rows: int = 0
    needed: int = 0
    effective: float = 0.0
    standing: Standing = Standing.INSUFFICIENT
    plain: bool = False
    moved: tuple[Moved, ...] = ()
    says: str = ""

    @property
    def family(self) -> str:
        """The kind of signal: drift, quality, model, serving or sequence."""
        return self.name.partition(".")[0]

    @property
    def key(self) -> str:
        """What it is about, in one string: `drift.psi/distance/vendor_id=2`."""
        return "/".join(filter(None, (self.name, self.subject, self.slice)))


def settle(signals: Sequence[Signal], level: float) -> list[Signal]:
    """Give every signal of a family its standing, at a false discovery rate over all of them together.

    An alert needs three things: enough rows, an effect that matters, and evidence that survives the
    others' number. Where nothing changed, the chance that any of the family alerts is at most `level`.

    >>> weak = Signal("drift.psi", "age", effect=0.3, warn=0.1, alert=0.25, p_value=0.02, rows=9, needed=5)
    >>> [settle([weak] * 3, level)[0].standing.value for level in (0.05, 0.001)]
    ['alert', 'ok']
    """
    enough = [signal.rows >= signal.needed and signal.rows > 0 for signal in signals]
    known = [
        there and signal.p_value == signal.p_value for there, signal in zip(enough, signals, strict=True)
    ]
    p_values = np.array([s.p_value for s, use in zip(signals, known, strict=True) if use])
    rejected = iter(discoveries(p_values, level).tolist())
    settled = []
    for signal, there, use in zip(signals, enough, known, strict=True):
        evident = next(rejected) if use else False
        settled.append(msgspec.structs.replace(signal, standing=_standing(signal, there, use, evident)))
    return settled


def _standing(signal: Signal, enough: bool, known: bool, evident: bool) -> Standing:
    if not enough:
        return Standing.INSUFFICIENT
    if not known:  # it may be large by dependence alone: nobody can tell
        return Standing.INSUFFICIENT if signal.effect >= signal.warn else Standing.OK
    if evident and signal.effect >= signal.alert:
        return Standing.ALERT
    return Standing.WARN if evident and signal.effect >= signal.warn else Standing.OK


def worst(signals: Sequence[Signal]) -> Standing:
    """Return the sternest standing of several signals; insufficient where none could be judged."""
    return max((signal.standing for signal in signals), key=SEVERITY.index, default=Standing.INSUFFICIENT)
