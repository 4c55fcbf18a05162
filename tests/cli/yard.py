"""A gate over frames that answers every one of them."""

from wardline import Chain, Gate, Rule
from wardline.camera import Frame, Frames, frame_features


def brightness(frame: Frame) -> float:
    return float(frame.pixels.mean())


gate = Gate(
    "yard",
    contract=Frames(Frame, examples=[{"camera": "yard-1", "firmware": "1"}]),
    features=frame_features(Frame),
    chain=Chain(Rule(brightness)),
)
