"""Who answers for a gate."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Owner:
    """Who is responsible, who is paged, who is paged next, and where it says what to do."""

    team: str
    page: str
    escalate: str
    runbook: str
