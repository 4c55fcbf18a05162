"""Processing: the camera develops its pictures in another way than before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wardline.guards._camera import BOTH, UP, AgainstCamera, Table

_FIRST = {
    "overshoot": (UP, "isp.sharpening"),
    "gain_red": (BOTH, "isp.white_balance"),
    "gain_blue": (BOTH, "isp.white_balance"),
}
"""Causes that move other statistics along: sharpening raises noise, colour moves tone. Overshoot names a
cause and raises none by itself: in fog the few edges left are of one thing, and that may be a sharp one."""

_TABLE = {
    "gain_red": _FIRST["gain_red"],
    "gain_blue": _FIRST["gain_blue"],
    "detail_fine": (UP, "isp.sharpening"),
    "noise": (BOTH, "sensor.noise"),
    "noise_correlation": (UP, "isp.denoise"),
    "black": (UP, "isp.black_level"),
    "tone_mid": (BOTH, "isp.tone"),
    "blockiness": (UP, "codec.requantised"),
    "blockiness_off": (UP, "codec.requantised"),
    "resampled": (UP, "geometry.resolution"),
}


@dataclass(frozen=True, slots=True)
class Processing(AgainstCamera):
    """Sharpening, noise, colour, tone or compression are outside what this camera's reference has.

    Choose it to see what a firmware update did, in the first frame where the step is large; a small step
    takes the monitor's series. The reason names the likeliest stage: `isp.sharpening`, `isp.white_balance`
    and so on. The score is in widths of the statistic's range in the reference.

    >>> from wardline.testing import example_batch
    >>> Processing().check(example_batch({"x": [1.0]}).inference(0)).severity.value  # no frame, nothing said
    'ok'
    """

    name: str = "processing"
    table: ClassVar[Table] = _TABLE
    first: ClassVar[Table] = _FIRST
    usual: ClassVar[str] = "isp.tone"
