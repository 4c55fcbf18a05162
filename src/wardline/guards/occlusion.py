"""Occlusion: something before the lens, or the camera looks elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wardline.cameras import background_of
from wardline.guards._camera import UP, AgainstCamera, Strange, Table, of_frame
from wardline.inference import Inference
from wardline.stats.image import agreement, shift, structure, view
from wardline.verdict import Finding

_MOVED = 0.5  # likeness after moving it back from which the view has moved rather than been covered


@dataclass(frozen=True, slots=True)
class Occlusion(AgainstCamera):
    """Much of the frame has no structure, or its structure is not that of the camera's own background.

    Choose it for fixed cameras; one that moves has no background, and only empty tiles count. The score is
    in widths of the reference's range of empty tiles, or of what agreement with the background is missing.
    The reason is `optics.dirt`, or `geometry.view` where the same view is found elsewhere in the frame.

    >>> from wardline.testing import example_batch
    >>> Occlusion().check(example_batch({"x": [1.0]}).inference(0)).severity.value
    'ok'
    """

    name: str = "occlusion"
    table: ClassVar[Table] = {"flat": (UP, "optics.dirt")}
    usual: ClassVar[str] = "optics.dirt"

    def check(self, inference: Inference) -> Finding:
        """Hold structure to the camera's own."""
        found = self.strangest(inference)
        camera, sampled = of_frame(self._cameras, inference), getattr(inference.row, "sampled", None)
        background = background_of(camera) if camera is not None else None
        if camera is None or background is None or sampled is None:
            return self.told(found)
        alike = agreement(structure(sampled), background)
        missing = (camera.likeness - alike) / camera.likeness
        if not missing > max(found.score, 0.0):
            return self.told(found)
        cause = "optics.dirt"
        if self.warn is not None and missing >= self.warn and alike < _MOVED:
            cause = "geometry.view" if shift(view(sampled), background).likeness > _MOVED else cause
        expected = f"agreement of {camera.likeness:.2f} or more"
        return self.told(Strange(missing, cause, "background", alike, expected))
