"""NightMode: a frame in a mode that its camera's reference does not have."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from wardline.cameras import Cameras, mode_of
from wardline.guard import judge
from wardline.guards._camera import cameras_of, of_frame, statistics_of
from wardline.inference import Inference
from wardline.reference import Reference
from wardline.verdict import Finding, Stage


@dataclass(frozen=True, slots=True)
class NightMode:
    """The frame is mono, infrared or black (or in colour) where the reference never was.

    Choose it where the model was trained on daylight only: with `block=True` night frames do not reach it.
    A camera whose reference has both modes is never warned about.

    >>> from wardline.testing import example_batch
    >>> NightMode().check(example_batch({"x": [1.0]}).inference(0)).severity.value
    'ok'
    """

    block: bool = False
    name: str = "night_mode"
    stage: ClassVar[Stage] = Stage.INPUT
    _cameras: Cameras = field(default=Cameras(), repr=False, compare=False)

    def prepare(self, reference: Reference) -> Self:
        """Take what is normal for each camera."""
        return replace(self, _cameras=cameras_of(reference))

    def check(self, inference: Inference) -> Finding:
        """Look the frame's mode up among the camera's own."""
        camera, seen = of_frame(self._cameras, inference), statistics_of(inference)
        mode = "" if seen is None else mode_of(seen)
        strange = camera is not None and bool(camera.modes) and bool(mode) and mode not in camera.modes
        known = " or ".join(sorted(camera.modes)) if strange and camera is not None else ""
        return judge(
            self, float(strange), warn=1.0, block=1.0 if self.block else None, reason="light.night",
            subject="chroma" if strange else "", observed=mode if strange else None, expected=known,
        )  # fmt: skip
