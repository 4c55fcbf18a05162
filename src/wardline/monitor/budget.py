"""The alarm budget: so many false pages in so many days, split over everything that may page."""

from __future__ import annotations

from dataclasses import dataclass

from wardline.monitoring import DAY, FAMILIES, Monitoring

LOOK_S = 1.0
"""Seconds between two looks: each may spend its part of the budget, however it comes out."""

LABELS_S = 30.0
"""The same of what came in late: labels and figures are judged no oftener."""

LATE = ("performance", "coverage", "business")
"""The families that are judged by what comes in late."""


@dataclass(frozen=True)
class Budget:
    """What each family of signals may spend at each look.

    The expected number of false pages is at most the sum over looks of the chance that any signal of any
    family alerts on healthy rows: a union bound, so neither dependence between looks, nor between families,
    nor how many signals share a family can break it. Looks that do not come spend nothing.

    >>> budget = Budget(Monitoring(false_pages=1.0, days=30.0))
    >>> f"{budget.level('drift'):.3g}", f"{budget.pages_a_month:.3g}"
    ('1.35e-07', '1')
    """

    monitoring: Monitoring

    def looks(self, family: str) -> float:
        """Looks in the days of the promise."""
        return self.monitoring.days * DAY / (LABELS_S if family in LATE else LOOK_S)

    def level(self, family: str) -> float:
        """Chance of a false alert that a family may spend at one look."""
        share = self.monitoring.shares.get(family, 0.0)
        return min(0.05, self.monitoring.false_pages * share / self.looks(family))

    @property
    def pages_a_month(self) -> float:
        """False pages in thirty days, at most."""
        month = 30.0 / self.monitoring.days
        return sum(self.level(family) * self.looks(family) for family in FAMILIES) * month
