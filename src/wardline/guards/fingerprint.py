"""Fingerprint: the bytes were not written by the encoder, firmware or camera that the reference knows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from wardline.cameras import Cameras
from wardline.guard import judge
from wardline.guards._camera import cameras_of, header_of, of_frame
from wardline.inference import Inference
from wardline.reference import Reference
from wardline.stats import codec
from wardline.verdict import Finding, Stage

_GRAVE = ("codec.requantised", "identity.model")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Quantisation tables, chroma layout, marker order, identity or size that this camera never had.

    Choose it for every camera: one frame is enough. A camera with rate control has many tables of one
    shape; the set it was seen to use passes, a new kind does not. Causes in `block` stop the frame
    (`codec.requantised`, `identity.model`); the others (`identity.firmware`, `geometry.resolution`) warn.
    The score is 2 for the former and 1 for the latter.

    >>> from wardline.testing import example_batch
    >>> Fingerprint().check(example_batch({"x": [1.0]}).inference(0)).severity.value
    'ok'
    """

    block: tuple[str, ...] = _GRAVE
    name: str = "fingerprint"
    stage: ClassVar[Stage] = Stage.INPUT
    _cameras: Cameras = field(default=Cameras(), repr=False, compare=False)

    def prepare(self, reference: Reference) -> Self:
        """Take what each camera was seen to write."""
        return replace(self, _cameras=cameras_of(reference))

    def check(self, inference: Inference) -> Finding:
        """Hold the header to what its camera is known to write."""
        camera, header = of_frame(self._cameras, inference), header_of(inference)
        changes: list[codec.Change] = []
        if camera is not None and header is not None:
            changes = codec.novelty(camera.known, header, inference.row.firmware)
        if not changes:
            return judge(self, 0.0, warn=1.0, block=2.0, reason="codec.requantised")
        worst = next((each for each in changes if each.cause in self.block), changes[0])
        same = [each for each in changes if each.cause == worst.cause]
        return judge(
            self,
            2.0 if worst.cause in self.block else 1.0,
            warn=1.0,
            block=2.0,
            reason=worst.cause,
            subject=worst.subject,
            observed="; ".join(f"{each.subject}: {each.observed}" for each in same),
            expected="; ".join(each.expected for each in same),
        )
