"""Freshness: an input that was measured too long ago, or in the future."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from wardline.guard import judge
from wardline.guards._scores import WORST, ordered, readable
from wardline.inference import Inference
from wardline.verdict import Finding, Stage


@dataclass(frozen=True, slots=True)
class Freshness:
    """The age in seconds of a timestamp in the row, by the gate's clock.

    Choose it where a late answer is a wrong one: sensor readings, prices, positions. The contract rejects
    what may never be; this guard says that what may be is getting old. The score is the age in seconds.
    A time more than `skew_s` ahead of the clock blocks, as does one that is missing or has no time zone:
    none of them shows that the input is fresh.

    >>> from datetime import UTC, datetime
    >>> from types import SimpleNamespace
    >>> from wardline.testing import example_batch
    >>> guard = Freshness("read_at", warn_s=60, block_s=3600)
    >>> row = SimpleNamespace(read_at=datetime(2024, 5, 1, 12, 0, tzinfo=UTC))
    >>> now = datetime(2024, 5, 1, 12, 2, tzinfo=UTC).timestamp()
    >>> finding = guard.check(example_batch({"level": [1.0]}, rows=[row], now=now).inference(0))
    >>> finding.severity.value, finding.reason, finding.score
    ('warn', 'freshness.old', 120.0)
    """

    field: str
    warn_s: float | None
    block_s: float | None
    skew_s: float = 5.0
    name: str = "freshness"
    stage: ClassVar[Stage] = Stage.INPUT

    def __post_init__(self) -> None:
        ordered(self.name, self.warn_s, self.block_s)

    def check(self, inference: Inference) -> Finding:
        """Judge the age of the row's timestamp."""
        taken = getattr(inference.row, self.field, None)
        if not isinstance(taken, datetime) or taken.tzinfo is None:
            reason = "freshness.missing" if taken is None else "freshness.no_time_zone"
            return self._judge(reason, WORST, None if taken is None else str(taken)[:80])
        age = inference.now - taken.timestamp()
        if age < -self.skew_s:
            return self._judge("freshness.future", WORST, readable(age))
        if not age < WORST:  # also where the clock is not a number
            return self._judge("freshness.old", WORST, readable(age))
        return self._judge("freshness.old", max(0.0, age), age)

    def _judge(self, reason: str, score: float, observed: float | str | None) -> Finding:
        return judge(
            self,
            score,
            warn=self.warn_s,
            block=self.block_s,
            reason=reason,
            subject=self.field,
            observed=observed,
            expected="a recent time with its zone",
        )
