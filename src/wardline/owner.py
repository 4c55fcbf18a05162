"""Who answers for a gate, and what was settled before it may launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from wardline.errors import DeclarationError

DUTIES = ("training", "serving", "upstream", "performance", "latency")
"""The five questions a launch must answer with a team: who owns ..."""


@dataclass(frozen=True)
class Owner:
    """Who is responsible, who is paged, who is paged next, and where it says what to do.

    `overrides` names another owner for one guard or one alert rule, by its name.

    >>> rides = Owner("rides", page="rides-oncall", escalate="platform", runbook="docs/rides.md")
    >>> whole = Owner("ml", "ml-oncall", "platform", "docs/ml.md", overrides={"freshness": rides})
    >>> whole.of("freshness").page, whole.of("range").page
    ('rides-oncall', 'ml-oncall')
    """

    team: str
    page: str
    escalate: str
    runbook: str
    overrides: Mapping[str, Owner] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    def of(self, name: str) -> Owner:
        """Return who answers for the guard or alert rule called `name`."""
        return self.overrides.get(name, self)

    def blanks(self) -> tuple[str, ...]:
        """Name what was left blank: nobody can be paged by an empty name."""
        return tuple(
            name for name in ("team", "page", "escalate", "runbook") if not getattr(self, name).strip()
        )


@dataclass(frozen=True)
class Upstream:
    """What the team that sends the data has promised: who they are, how fresh, how complete.

    `fresh_s` is the most seconds a row may be behind, `complete` the least share of expected rows (or of
    values that are not null) that arrive.
    """

    owner: Owner
    fresh_s: float | None = None
    complete: float | None = None

    def __post_init__(self) -> None:
        if self.fresh_s is not None and not self.fresh_s > 0:
            raise DeclarationError(f"fresh_s={self.fresh_s:g}: give the most seconds a row may be behind")
        if self.complete is not None and not 0 < self.complete <= 1:
            raise DeclarationError(f"complete={self.complete:g}: give a share between 0 and 1, such as 0.99")


@dataclass(frozen=True)
class Business:
    """The figure the business watches, what it is now, and by how much it may get worse before people act.

    `worse` says which way is worse: a share of errors gets worse `up`, an income `down`.
    """

    metric: str
    baseline: float
    degradation: float
    worse: Literal["up", "down"] = "up"


@dataclass(frozen=True)
class Retrain:
    """What starts a retraining: an event in words, an age in days, or both."""

    when: str = ""
    every_days: float | None = None


@dataclass(frozen=True)
class Launch:
    """What `wardline check` wants settled: five owners, the business figure, rates, and room for the log.

    `training` to `latency` name the team that owns each. `fallback_rate` and `abstain_rate` are the most
    that is acceptable on rows like the reference. `rows_per_day` for `keep_days` must fit on the log's disk.
    """

    training: str = ""
    serving: str = ""
    upstream: str = ""
    performance: str = ""
    latency: str = ""
    business: Business | None = None
    retrain: Retrain | None = None
    fallback_rate: float | None = None
    abstain_rate: float | None = None
    rows_per_day: float | None = None
    keep_days: float | None = None
