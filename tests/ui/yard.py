"""A gate over frames of a yard: a model, a rule behind it, and a guard that speaks of dark frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wardline import Chain, Finding, Gate, Inference, Python, Rule, Stage, judge
from wardline.camera import Frame, Frames, frame_features


@dataclass(frozen=True)
class Dark:
    """Blocks a frame too dark to answer from."""

    least: float = 60.0
    name: str = "dark"
    stage: Stage = Stage.INPUT

    def check(self, inference: Inference) -> Finding:
        exposure = inference.feature("exposure") or 0.0
        missing = max(0.0, self.least - exposure)
        return judge(
            self, missing, warn=None, block=1e-9, reason="dark.too_dark", subject="exposure",
            observed=exposure, expected=f"at least {self.least:g}",
        )  # fmt: skip


def brightness(block: Any) -> Any:
    return np.asarray(block.matrix[:, 0], dtype=np.float64)


gate = Gate(
    "yard",
    contract=Frames(Frame, examples=[{"camera": "north", "firmware": "1"}], thumbnails=True),
    features=frame_features(Frame),
    chain=Chain(Python(lambda: brightness, name="model"), Rule(lambda row: -1.0, answers_blocked=True)),
    guards=[Dark()],
)
