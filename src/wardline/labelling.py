"""What a gate declares of its labels: how late they come, and what is done with them."""

from __future__ import annotations

from dataclasses import dataclass

from wardline.errors import DeclarationError


@dataclass(frozen=True)
class Labelling:
    """How late truth is waited for, judged, and fed back.

    Answers are judged once they are `lag_s` seconds old; left out, once `matured` of all labels that ever
    come have come, by the lags seen so far. `least` is how few labelled answers say nothing yet.
    `false_rate` is the share of false alarms among judgements of performance and coverage; what is found
    among many slices is held to it together. `adapt` is the step of adaptive conformal inference, a few
    thousandths; at 0 sets and intervals stay as they were calibrated.
    """

    lag_s: float | None = None
    matured: float = 0.95
    least: int = 100
    false_rate: float = 0.01
    adapt: float = 0.0

    def __post_init__(self) -> None:
        if self.lag_s is not None and self.lag_s < 0:
            raise DeclarationError(f"lag_s={self.lag_s:g}: labels do not come before the answer")
        if not 0 < self.matured < 1 or not 0 < self.false_rate < 1:
            raise DeclarationError("matured and false_rate are shares between 0 and 1")
        if self.least < 10:
            raise DeclarationError(f"least={self.least}: fewer than ten labels say nothing of a rate")
        if not 0 <= self.adapt < 0.5:
            raise DeclarationError(f"adapt={self.adapt:g} is a small step, such as 0.005; 0 turns it off")
