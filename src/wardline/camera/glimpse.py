"""A frame small enough to keep for a person who asks what the model saw."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from wardline.camera.frame import Frame, Pixels

_PIXELS = 16_000  # as many as the thumbnail has that statistics are measured on
_QUALITY = 80


def glimpse(row: Any) -> Pixels | None:
    """Return a frame's small picture: the one its statistics were measured on, where they were.

    Else every so many-eth pixel; both cost a request next to nothing, and hold nothing of the whole frame.
    """
    if not isinstance(row, Frame):
        return None
    if row.measured:
        return row.sampled.thumbnail
    pixels = row.pixels
    step = max(1, round(math.sqrt(pixels.shape[0] * pixels.shape[1] / _PIXELS)))
    return np.ascontiguousarray(pixels[::step, ::step])


def encoded(small: Pixels) -> bytes:
    """Return it as JPEG; for a thread that no request waits for."""
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
