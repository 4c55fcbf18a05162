"""Exposure: a frame darker, brighter or flatter than its camera makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wardline.guards._camera import BOTH, DOWN, UP, AgainstCamera, Table

_FIRST = {"exposure": (BOTH, "exposure.level")}
"""Darkness flattens and clips: where the level itself is out, it is the reason."""

_TABLE = {
    **_FIRST,
    "clipped_dark": (UP, "exposure.clipped_dark"),
    "clipped_bright": (UP, "exposure.clipped_bright"),
    "contrast": (DOWN, "exposure.flat"),
}


@dataclass(frozen=True, slots=True)
class Exposure(AgainstCamera):
    """The frame is darker, brighter, more clipped or flatter than this camera's reference has it.

    Choose it for every camera. The score is how far outside the reference's range the worst of exposure,
    clipping and contrast lies, in widths of that range; night frames are held to night's.

    >>> from wardline.testing import example_batch
    >>> Exposure().check(example_batch({"x": [1.0]}).inference(0)).severity.value  # no frame, nothing said
    'ok'
    """

    name: str = "exposure"
    table: ClassVar[Table] = _TABLE
    first: ClassVar[Table] = _FIRST
    usual: ClassVar[str] = "exposure.level"
