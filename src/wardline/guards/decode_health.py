"""DecodeHealth: part of the picture is what a decoder fills in where the data was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from wardline.guard import judge
from wardline.guards._scores import ordered
from wardline.inference import Inference
from wardline.verdict import Finding, Stage


@dataclass(frozen=True, slots=True)
class DecodeHealth:
    """The frame ends in rows of one flat colour: its data broke off and the decoder filled the rest.

    Choose it for every camera over a network. The score is the share of the frame's height that is filled.

    >>> from wardline.testing import example_batch
    >>> DecodeHealth().check(example_batch({"x": [1.0]}).inference(0)).severity.value
    'ok'
    """

    warn: float | None = 0.02
    block: float | None = 0.1
    name: str = "decode_health"
    stage: ClassVar[Stage] = Stage.INPUT

    def __post_init__(self) -> None:
        ordered(self.name, self.warn, self.block)

    def check(self, inference: Inference) -> Finding:
        """Count the flat rows at the end, in the thumbnail."""
        sampled = getattr(inference.row, "sampled", None)
        share = 0.0
        if sampled is not None and _one_colour(sampled.thumbnail[-1].tobytes()):
            share = _filled(sampled.thumbnail)
        return judge(
            self, share, warn=self.warn, block=self.block, reason="decode.torn",
            subject="picture" if share else "", observed=share or None, expected="data to the last row",
        )  # fmt: skip


def _one_colour(pixels: bytes) -> bool:
    return pixels == pixels[:3] * (len(pixels) // 3)


def _filled(thumbnail: NDArray[np.uint8]) -> float:
    """Return the share of rows at the end that all have the colour of the last pixel."""
    same = (thumbnail == thumbnail[-1, 0]).all(axis=(1, 2))
    if same.all():  # a wholly flat frame is not torn
        return 0.0
    return int(same[::-1].argmin()) / len(same)
