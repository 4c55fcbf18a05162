"""The built-in guards: one guard, one file."""

from wardline.guards.confidence import Confidence
from wardline.guards.conformal_interval import ConformalInterval
from wardline.guards.conformal_set import ConformalSet
from wardline.guards.decode_health import DecodeHealth
from wardline.guards.exposure import Exposure
from wardline.guards.fingerprint import Fingerprint
from wardline.guards.focus import Focus
from wardline.guards.freshness import Freshness
from wardline.guards.margin import Margin
from wardline.guards.missing import Missing
from wardline.guards.new_category import NewCategory
from wardline.guards.night_mode import NightMode
from wardline.guards.occlusion import Occlusion
from wardline.guards.out_of_distribution import OutOfDistribution
from wardline.guards.output_range import OutputRange
from wardline.guards.processing import Processing
from wardline.guards.range import Range
from wardline.guards.unfamiliar import Unfamiliar

__all__ = [
    "Confidence",
    "ConformalInterval",
    "ConformalSet",
    "DecodeHealth",
    "Exposure",
    "Fingerprint",
    "Focus",
    "Freshness",
    "Margin",
    "Missing",
    "NewCategory",
    "NightMode",
    "Occlusion",
    "OutOfDistribution",
    "OutputRange",
    "Processing",
    "Range",
    "Unfamiliar",
]
