"""The built-in guards: one guard, one file."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wardline.guards.confidence import Confidence
from wardline.guards.conformal_interval import ConformalInterval
from wardline.guards.conformal_set import ConformalSet
from wardline.guards.freshness import Freshness
from wardline.guards.hold import Hold
from wardline.guards.margin import Margin
from wardline.guards.missing import Missing
from wardline.guards.new_category import NewCategory
from wardline.guards.out_of_distribution import OutOfDistribution
from wardline.guards.output_range import OutputRange
from wardline.guards.range import Range
from wardline.guards.unfamiliar import Unfamiliar

if TYPE_CHECKING:
    from wardline.guards.decode_health import DecodeHealth
    from wardline.guards.exposure import Exposure
    from wardline.guards.fingerprint import Fingerprint
    from wardline.guards.focus import Focus
    from wardline.guards.night_mode import NightMode
    from wardline.guards.occlusion import Occlusion
    from wardline.guards.processing import Processing

__all__ = [
    "Confidence",
    "ConformalInterval",
    "ConformalSet",
    "DecodeHealth",
    "Exposure",
    "Fingerprint",
    "Focus",
    "Freshness",
    "Hold",
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

_OVER_FRAMES = {
    "DecodeHealth": "decode_health",
    "Exposure": "exposure",
    "Fingerprint": "fingerprint",
    "Focus": "focus",
    "NightMode": "night_mode",
    "Occlusion": "occlusion",
    "Processing": "processing",
}


def __getattr__(name: str) -> Any:
    """Import a guard over frames when it is asked for: tables need no OpenCV."""
    if name not in _OVER_FRAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_OVER_FRAMES[name]}"), name)
