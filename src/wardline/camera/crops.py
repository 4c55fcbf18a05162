"""Pictures of a frame for people: all of it, small, and a piece of its middle, enlarged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from wardline.camera.folder import Seen
from wardline.camera.inspection import decode

HEIGHT = 240
_PIECE = 120  # pixels of the frame itself, shown twice as large


def crops(folder: Path, frame: Seen) -> list[bytes]:
    """Read a frame of a folder again; return both as JPEGs, `HEIGHT` pixels high. Empty where it is gone."""
    try:
        pixels = decode((folder / frame.file).read_bytes(), frame.header)
    except OSError:
        return []
    if not isinstance(pixels, np.ndarray):
        return []
    height, width = pixels.shape[:2]
    y, x = max(0, (height - _PIECE) // 2), max(0, (width - _PIECE) // 2)
    piece = pixels[y : y + _PIECE, x : x + _PIECE]
    whole = cv2.resize(pixels, (max(1, round(HEIGHT * width / height)), HEIGHT), interpolation=cv2.INTER_AREA)
    large = cv2.resize(piece, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    return [
        cv2.imencode(".jpg", each, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes() for each in (whole, large)
    ]
