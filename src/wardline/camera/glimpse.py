"""A frame small enough to keep for a person who asks what the model saw."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from wardline.camera.frame import Frame, Pixels

_PIXELS = 16_000  # what a person needs to see what it shows; statistics make do with fewer
_QUALITY = 80


def glimpse(row: Any) -> Pixels | None:
    """Return a frame's small picture: every so many-eth pixel, some 20 µs of a request that is kept.

    It holds nothing of the whole frame.
    """
    if not isinstance(row, Frame):
        return None
    pixels = row.pixels
    height, width = pixels.shape[:2]
    step = max(1, round(math.sqrt(height * width / _PIXELS)))
    small = cv2.resize(pixels, (width // step, height // step), interpolation=cv2.INTER_NEAREST)
    return np.asarray(small, np.uint8)


def encoded(small: Pixels) -> bytes:
    """Return it as JPEG; for a thread that no request waits for."""
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
