"""What a gate declares of its monitor: windows, thresholds, the alarm budget, and who hears of what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from wardline.errors import DeclarationError
from wardline.labelling import Labelling
from wardline.owner import Owner

Automatic = Literal["nothing", "hold", "retrain"]
Level = Literal["warn", "alert"]

FAMILIES = (
    "drift", "quality", "model", "serving", "sequence", "camera", "performance", "coverage", "business",
)  # fmt: skip
"""The kinds of signals: inputs against the reference, data quality, the model's own behaviour, the service,
changes in sequence, changes of single cameras where a gate is over frames; and once truth came in: how good
answers were, whether sets and intervals held it, and the figures of the business."""

DAY = 86_400.0
_OFTENEST = 3.5  # days of a camera: 5,000 frames at one a minute, and as far as limits were tried


@dataclass(frozen=True)
class AlertRule:
    """When a kind of signal becomes an alert, whom it pages, and what happens by itself.

    `signal` is a family (`drift`) or one signal of it (`drift.psi`, `quality.null`). The condition must
    last `for_s` seconds to fire and `clear_s` to resolve; after that the rule is quiet for `cool_s`. An
    alert nobody acknowledges within `escalate_s` goes to the owner's escalation too. `owner` overrides the
    gate's. `do` is what happens at once: nothing, `hold` (the gate falls back for what drifted, while it
    lasts), or `retrain` (the evidence is posted to the webhook of the environment).
    """

    signal: str
    severity: Level = "alert"
    for_s: float = 0.0
    clear_s: float = 2.0
    cool_s: float = 0.0
    escalate_s: float = 1800.0
    owner: Owner | None = None
    do: Automatic = "nothing"
    name: str = ""

    def __post_init__(self) -> None:
        if self.signal.partition(".")[0] not in FAMILIES:
            raise DeclarationError(
                f"an alert rule is about one of {', '.join(FAMILIES)} (or a signal of it, as drift.psi is), "
                f"not {self.signal!r}"
            )
        if min(self.for_s, self.clear_s, self.cool_s, self.escalate_s) < 0:
            raise DeclarationError(f"the alert rule for {self.signal} has a time below zero")

    @property
    def title(self) -> str:
        """What the rule is called in alerts and in `Owner.overrides`."""
        return self.name or self.signal

    def covers(self, signal: str) -> bool:
        """Say whether a signal is this rule's business."""
        return signal == self.signal or signal.startswith(self.signal + ".")


USUAL_RULES = (
    AlertRule("drift", do="hold"),
    AlertRule("quality"),
    AlertRule("model"),
    AlertRule("serving", for_s=5.0),
    AlertRule("sequence"),
    AlertRule("camera", do="hold"),
    AlertRule("performance"),
    AlertRule("coverage"),
    AlertRule("business"),
)
"""One rule a family: what drifted and cameras that changed are held, the rest is told."""


_SHARES = MappingProxyType(
    {
        "drift": 0.35, "quality": 0.15, "model": 0.1, "serving": 0.1, "sequence": 0.1, "camera": 0.05,
        "performance": 0.08, "coverage": 0.04, "business": 0.03,
    }
)  # fmt: skip


@dataclass(frozen=True)
class Monitoring:
    """How a gate is monitored. The defaults suit a service with some rows a second.

    `rows` is the window in rows (its bins need as many), `alert` and `warn` are PSI values, `false_pages`
    is the alarm budget: how many false pages in `days` days are acceptable, over all signals together,
    split by `shares` over the families. `cycles` names features that follow the clock, with the seconds of
    a cycle: they are judged over whole cycles only. `expected` is the least share of rows that must come
    from each source, against its own past. `age_s` is how old the monitor's health may be before the gate
    calls it stale. `camera_days` is how many days of one camera lie between two false warnings about its
    tone and colour: fewer find more. `missing_rate` and `new_rate` are shares of rows that are nothing to
    speak of. `labels` says how late the truth comes and what is done with it.
    """

    rows: int = 1000
    alert: float = 0.25
    warn: float = 0.1
    false_pages: float = 1.0
    days: float = 30.0
    shares: Mapping[str, float] = field(default_factory=lambda: _SHARES)
    cycles: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    rules: tuple[AlertRule, ...] = USUAL_RULES
    cohorts: tuple[tuple[str, str], ...] = ()
    missing_rate: float = 0.01
    new_rate: float = 0.01
    slower: float = 2.0
    expected: float = 0.5
    silent_s: float = 600.0
    age_s: float = 15.0
    camera_days: float = 30.0
    labels: Labelling = field(default_factory=Labelling)

    def __post_init__(self) -> None:
        if not 0 < self.warn <= self.alert:
            raise DeclarationError(f"warn={self.warn:g} must be above 0 and at most alert={self.alert:g}")
        if self.rows < 200:
            raise DeclarationError(f"rows={self.rows}: the reference's bins need windows of 200 rows or more")
        if self.false_pages <= 0 or self.days <= 0 or self.age_s <= 0:
            raise DeclarationError("false_pages, days and age_s must be above zero")
        if self.camera_days < _OFTENEST:
            raise DeclarationError(
                f"camera_days={self.camera_days:g}: a warning each {_OFTENEST:g} days of a camera is the most"
            )
        strange = self.shares.keys() - set(FAMILIES)
        if strange or sum(self.shares.values()) > 1.0 + 1e-9 or min(self.shares.values(), default=0.0) < 0:
            raise DeclarationError(
                f"shares= splits one budget over {', '.join(FAMILIES)}: the parts are not negative and "
                "sum to at most 1"
            )

    def rule(self, signal: str) -> AlertRule | None:
        """Return the rule that a signal falls under: the one that names it most closely."""
        covering = [rule for rule in self.rules if rule.covers(signal)]
        return max(covering, key=lambda rule: len(rule.signal), default=None)
