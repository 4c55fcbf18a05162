"""Hold: what the monitor found to have changed, as a finding about the rows that come now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from wardline.errors import DeclarationError
from wardline.guard import judge
from wardline.health import Held
from wardline.inference import Batch, Inference, Screened
from wardline.stats.bins import label
from wardline.verdict import Finding, Stage

Outcome = Literal["ok", "warn", "block"]
_SCORES: dict[str, float] = {"ok": 0.0, "warn": 1.0, "block": 2.0}


@dataclass(frozen=True, slots=True)
class Hold:
    """Blocks rows whose feature, slice or camera is held by an alert, until the alert resolves.

    Choose it for every gate that has a monitor: an alert rule with `do="hold"` then moves traffic to the
    rungs that may answer blocked rows within seconds, and back. The score is 0 for fine, 1 for warn, 2 for
    block. `stale` is the outcome where the monitor has fallen silent or its health cannot be read (what it
    held stays held), `absent` where no monitor ever ran. No statistic of its own: the false-alarm rate is
    the alarm budget of the gate's `Monitoring`.

    >>> from wardline.health import Health, Held
    >>> from wardline.testing import example_batch
    >>> held = Health("loan", at=100.0, until=115.0, holds=(Held("income", "a1", "drift.psi"),))
    >>> row = example_batch({"income": [1.5]}, now=101.0, health=held).inference(0)
    >>> finding = Hold().check(row)
    >>> finding.severity.value, finding.reason, finding.subject, finding.observed
    ('block', 'hold.held', 'income', 'drift.psi')
    """

    stale: Outcome = "warn"
    absent: Outcome = "ok"
    name: str = "hold"
    stage: ClassVar[Stage] = Stage.INPUT

    def __post_init__(self) -> None:
        for outcome in (self.stale, self.absent):
            if outcome not in _SCORES:
                raise DeclarationError(f"{self.name}: an outcome is ok, warn or block, not {outcome!r}")

    def check(self, inference: Inference) -> Finding:
        """Say whether the row is held, or whether nobody can tell."""
        health = inference.health
        if health is None:
            return self._judge(_SCORES[self.absent], "hold.absent", "", None)
        found = (0.0, "hold.held", "", "")
        if health.stale(inference.now):
            found = (_SCORES[self.stale], "hold.stale", "", f"silent since {health.at:.0f}")
        for held in health.holds:
            score = _SCORES[held.severity]
            if score > found[0] and _covers(held, inference):
                found = (score, "hold.held", held.subject, held.reason or held.alert)
        score, reason, subject, observed = found
        return self._judge(score, reason, subject, observed or None)

    def screen(self, batch: Batch) -> Screened:
        """Clear the whole batch while nothing is held and the monitor lives."""
        health = batch.health
        if health is None:
            return Screened(np.full(len(batch), self.absent != "ok"))
        return Screened(np.full(len(batch), bool(health.holds) or health.stale(batch.now)))

    def _judge(self, score: float, reason: str, subject: str, observed: str | None) -> Finding:
        return judge(
            self, score, warn=1.0, block=2.0, reason=reason, subject=subject, observed=observed,
            expected="nothing held, and a monitor that lives",
        )  # fmt: skip


def _covers(held: Held, inference: Inference) -> bool:
    """Say whether a row is one of those that are held."""
    if not held.column:
        return True
    value = getattr(inference.row, held.column, None)
    if value is None:
        value = inference.feature(held.column)
    return value is not None and (str(value) == held.value or _name(value) == held.value)


def _name(value: object) -> str | None:
    return label(value) if isinstance(value, bool | int | float | str) else None
