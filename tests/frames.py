"""Made-up scenes with what real ones have: edges at every size, light, and a sensor's noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


def scene(seed: int = 0, height: int = 480, width: int = 640) -> NDArray[np.float32]:
    """Paint a dead-leaves picture: discs that cover each other have the spectrum of natural scenes."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 110.0, dtype=np.float32)
    for _ in range(700):
        radius = 3.0 / rng.uniform(0.03, 1.0)
        centre = int(rng.integers(0, width)), int(rng.integers(0, height))
        luma = rng.uniform(25, 220)
        tint = luma * (1 + rng.uniform(-0.25, 0.25, 3))
        cv2.circle(picture, centre, int(radius), tint.tolist(), -1, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), 0.7).astype(np.float32)


def shot(
    painted: NDArray[np.float32], seed: int = 0, *, noise: float = 2.0, light: float = 1.0, right: int = 0
) -> Frame:
    """Take one picture of a scene: other noise each time, other light if asked, moved if turned."""
    rng = np.random.default_rng(seed)
    seen = np.roll(painted, right, axis=1) * light
    return np.clip(seen + rng.normal(0, noise, painted.shape), 0, 255).round().astype(np.uint8)


def jpeg(frame: Frame, quality: int = 85, flags: tuple[int, ...] = ()) -> bytes:
    """Encode."""
    return bytes(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality, *flags])[1])


def through_jpeg(frame: Frame, quality: int = 85) -> Frame:
    """Encode and decode."""
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg(frame, quality), np.uint8), 1), dtype=np.uint8)


def sharpened(frame: Frame, amount: float, sigma: float = 1.0) -> Frame:
    """Sharpen by an unsharp mask."""
    wide = frame.astype(np.float32)
    return np.clip(wide + amount * (wide - cv2.GaussianBlur(wide, (0, 0), sigma)), 0, 255).astype(np.uint8)
