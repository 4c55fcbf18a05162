"""Occlusion: something before the lens, or the camera looks elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from wardline.cameras import Cameras, background_of
from wardline.guard import judge
from wardline.guards._camera import UP, cameras_of, of_frame, strangest
from wardline.guards._scores import ordered
from wardline.inference import Inference
from wardline.reference import Reference
from wardline.stats.image import agreement, shift, view
from wardline.verdict import Finding, Stage

_TABLE = {"flat": (UP, "optics.dirt")}
_MOVED = 0.5  # likeness after moving it back from which the view has moved rather than been covered


@dataclass(frozen=True, slots=True)
class Occlusion:
    """Much of the frame has no structure, or its structure is not that of the camera's own background.

    Choose it for fixed cameras; one that moves has no background, and only empty tiles count. The score is
    in widths of the reference's range of empty tiles, or of what agreement with the background is missing.
    The reason is `optics.dirt`, or `geometry.view` where the same view is found elsewhere in the frame.

    >>> from wardline.testing import example_batch
    >>> Occlusion().check(example_batch({"x": [1.0]}).inference(0)).severity.value
    'ok'
    """

    warn: float | None = 0.5
    block: float | None = None
    name: str = "occlusion"
    stage: ClassVar[Stage] = Stage.INPUT
    _cameras: Cameras = field(default=Cameras(), repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered(self.name, self.warn, self.block)

    def prepare(self, reference: Reference) -> Self:
        """Take what is normal for each camera."""
        return replace(self, _cameras=cameras_of(reference))

    def check(self, inference: Inference) -> Finding:
        """Hold structure to the camera's own."""
        found = strangest(self._cameras, inference, _TABLE)
        score, cause = found.score, found.cause or "optics.dirt"
        subject, observed, expected = found.subject, found.observed, found.expected
        camera, sampled = of_frame(self._cameras, inference), getattr(inference.row, "sampled", None)
        background = background_of(camera) if camera is not None else None
        if camera is not None and background is not None and sampled is not None:
            seen = view(sampled)
            alike = agreement(seen, background)
            missing = (camera.likeness - alike) / camera.likeness
            if missing > max(score, 0.0):
                cause = "optics.dirt"
                if self.warn is not None and missing >= self.warn and alike < _MOVED:
                    cause = "geometry.view" if shift(seen, background).likeness > _MOVED else cause
                score, subject, observed = missing, "background", alike
                expected = f"agreement of {camera.likeness:.2f} or more"
        return judge(
            self, score, warn=self.warn, block=self.block, reason=cause, subject=subject, observed=observed,
            expected=expected,
        )  # fmt: skip
