"""Processing: the camera develops its pictures in another way than before."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from wardline.cameras import Cameras
from wardline.guard import judge
from wardline.guards._camera import BOTH, UP, cameras_of, strangest
from wardline.guards._scores import ordered
from wardline.inference import Inference
from wardline.reference import Reference
from wardline.verdict import Finding, Stage

_FIRST = {
    "overshoot": (UP, "isp.sharpening"),
    "gain_red": (BOTH, "isp.white_balance"),
    "gain_blue": (BOTH, "isp.white_balance"),
}
"""Causes that move other statistics along: sharpening raises noise, colour moves tone."""

_TABLE = {
    **_FIRST,
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
class Processing:
    """Sharpening, noise, colour, tone or compression are outside what this camera's reference has.

    Choose it to see what a firmware update did, in the first frame where the step is large; a small step
    takes the monitor's series. The reason names the likeliest stage: `isp.sharpening`, `isp.white_balance`
    and so on. The score is in widths of the statistic's range in the reference.

    >>> from wardline.testing import example_batch
    >>> Processing().check(example_batch({"x": [1.0]}).inference(0)).severity.value  # no frame, nothing said
    'ok'
    """

    warn: float | None = 0.5
    block: float | None = None
    name: str = "processing"
    stage: ClassVar[Stage] = Stage.INPUT
    _cameras: Cameras = field(default=Cameras(), repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered(self.name, self.warn, self.block)

    def prepare(self, reference: Reference) -> Self:
        """Take what is normal for each camera."""
        return replace(self, _cameras=cameras_of(reference))

    def check(self, inference: Inference) -> Finding:
        """Hold what the processing leaves in a picture to the camera's own."""
        found = strangest(self._cameras, inference, _TABLE)
        if self.warn is not None and found.score >= self.warn:
            first = strangest(self._cameras, inference, _FIRST)
            found = first._replace(score=found.score) if first.score >= self.warn else found
        return judge(
            self, found.score, warn=self.warn, block=self.block, reason=found.cause or "isp.tone",
            subject=found.subject, observed=found.observed, expected=found.expected,
        )  # fmt: skip
