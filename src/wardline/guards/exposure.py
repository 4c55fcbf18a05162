"""Exposure: a frame darker, brighter or flatter than its camera makes them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from wardline.cameras import Cameras
from wardline.guard import judge
from wardline.guards._camera import BOTH, DOWN, UP, cameras_of, strangest
from wardline.guards._scores import ordered
from wardline.inference import Inference
from wardline.reference import Reference
from wardline.verdict import Finding, Stage

_FIRST = {"exposure": (BOTH, "exposure.level")}
"""Darkness flattens and clips: where the level itself is out, it is the reason."""

_TABLE = {
    **_FIRST,
    "clipped_dark": (UP, "exposure.clipped_dark"),
    "clipped_bright": (UP, "exposure.clipped_bright"),
    "contrast": (DOWN, "exposure.flat"),
}


@dataclass(frozen=True, slots=True)
class Exposure:
    """The frame is darker, brighter, more clipped or flatter than this camera's reference has it.

    Choose it for every camera. The score is how far outside the reference's range the worst of exposure,
    clipping and contrast lies, in widths of that range; night frames are held to night's.

    >>> from wardline.testing import example_batch
    >>> Exposure().check(example_batch({"x": [1.0]}).inference(0)).severity.value  # no frame, nothing said
    'ok'
    """

    warn: float | None = 0.5
    block: float | None = None
    name: str = "exposure"
    stage: ClassVar[Stage] = Stage.INPUT
    _cameras: Cameras = field(default=Cameras(), repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered(self.name, self.warn, self.block)

    def prepare(self, reference: Reference) -> Self:
        """Take what is normal for each camera."""
        return replace(self, _cameras=cameras_of(reference))

    def check(self, inference: Inference) -> Finding:
        """Hold light and contrast to the camera's own."""
        found = strangest(self._cameras, inference, _TABLE)
        if self.warn is not None and found.score >= self.warn:
            first = strangest(self._cameras, inference, _FIRST)
            found = first._replace(score=found.score) if first.score >= self.warn else found
        return judge(
            self, found.score, warn=self.warn, block=self.block, reason=found.cause or "exposure.level",
            subject=found.subject, observed=found.observed, expected=found.expected,
        )  # fmt: skip
