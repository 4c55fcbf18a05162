"""The built-in guards: one guard, one file."""

from wardline.guards.confidence import Confidence
from wardline.guards.conformal_interval import ConformalInterval
from wardline.guards.conformal_set import ConformalSet
from wardline.guards.freshness import Freshness
from wardline.guards.margin import Margin
from wardline.guards.missing import Missing
from wardline.guards.new_category import NewCategory
from wardline.guards.out_of_distribution import OutOfDistribution
from wardline.guards.output_range import OutputRange
from wardline.guards.range import Range

__all__ = [
    "Confidence",
    "ConformalInterval",
    "ConformalSet",
    "Freshness",
    "Margin",
    "Missing",
    "NewCategory",
    "OutOfDistribution",
    "OutputRange",
    "Range",
]
