"""The camera gate: frames as rows, their contract, and what they say about the camera that took them."""

from wardline.camera.contract import Frames
from wardline.camera.features import frame_features
from wardline.camera.frame import Frame
from wardline.camera.inspection import Limits

__all__ = ["Frame", "Frames", "Limits", "frame_features"]
