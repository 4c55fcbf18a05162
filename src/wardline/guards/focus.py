"""Focus: edges softer than this camera draws them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from wardline.cameras import Cameras
from wardline.guard import judge
from wardline.guards._camera import DOWN, UP, cameras_of, strangest
from wardline.guards._scores import ordered
from wardline.inference import Inference
from wardline.reference import Reference
from wardline.verdict import Finding, Stage

_TABLE = {
    "edge_width": (UP, "optics.focus"),
    "detail_fine": (DOWN, "optics.focus"),
}


@dataclass(frozen=True, slots=True)
class Focus:
    """Edges are wider, or the finest detail is weaker, than this camera's reference has them.

    Choose it where a lens may be knocked, fogged or refocused. The score is how far outside the
    reference's range the worse of edge width and fine detail lies, in widths of that range.

    >>> from wardline.testing import example_batch
    >>> Focus().check(example_batch({"x": [1.0]}).inference(0)).severity.value  # no frame, nothing said
    'ok'
    """

    warn: float | None = 0.5
    block: float | None = None
    name: str = "focus"
    stage: ClassVar[Stage] = Stage.INPUT
    _cameras: Cameras = field(default=Cameras(), repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered(self.name, self.warn, self.block)

    def prepare(self, reference: Reference) -> Self:
        """Take what is normal for each camera."""
        return replace(self, _cameras=cameras_of(reference))

    def check(self, inference: Inference) -> Finding:
        """Hold sharpness to the camera's own."""
        found = strangest(self._cameras, inference, _TABLE)
        return judge(
            self, found.score, warn=self.warn, block=self.block, reason=found.cause or "optics.focus",
            subject=found.subject, observed=found.observed, expected=found.expected,
        )  # fmt: skip
