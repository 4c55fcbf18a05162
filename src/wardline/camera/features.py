"""A frame's features: its physical statistics and its encoder's habits, as one named vector."""

from __future__ import annotations

import math
import zlib
from functools import lru_cache
from typing import Any

from wardline.camera.frame import Frame
from wardline.features import Feature, Features, FeatureSchema, Kind, source_hash
from wardline.stats import codec
from wardline.stats.image import Statistics

_AMOUNTS = (*Statistics._fields, "level", "bytes_per_pixel", "width", "height")
SCHEMA = FeatureSchema(
    (
        *(Feature(name, Kind.CONTINUOUS, "float64") for name in _AMOUNTS),
        Feature("encoder", Kind.TEXT, "string"),
    )
)


def frame_features(row: type[Frame], *, version: str = "1") -> Features:
    """Declare the features of a gate over frames: `features=frame_features(Leaf)`.

    They are `stats.image.Statistics`, then `level` (libjpeg's quality, or the scale of the camera's own
    tables), `bytes_per_pixel`, `width`, `height` (pixels) and `encoder`, a short hash of the header's
    habits. The model sees the picture; guards, log, drift and dashboard see these.
    """
    return Features(measured, version, SCHEMA, source_hash(measured, encoder_of), row)


def measured(frame: Frame) -> tuple[Any, ...]:
    """Measure an admitted frame, in the order of `SCHEMA`. What has no meaning for it is missing."""
    height, width = frame.pixels.shape[:2]
    header = frame.header
    if header is None:
        return (*frame.statistics, math.nan, math.nan, width, height, encoder_of(None))
    table = codec.level_of(header)
    level = table[1] if table is not None else math.nan
    size = len(frame.picture) / (width * height)
    return (*frame.statistics, level, size, width, height, encoder_of(header))


def encoder_of(header: codec.Header | None) -> str:
    """Name the encoder: equal as long as its habits are, whatever its rate control does."""
    if header is None:
        return "pixels"
    return _name(codec.kind_of(header))


@lru_cache(256)
def _name(kind: codec.Kind) -> str:
    return f"{kind.format}-{zlib.crc32(repr(kind).encode()):08x}"
