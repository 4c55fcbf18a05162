"""Pictures of a frame for people: all of it, small, and a piece of its middle, enlarged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from wardline.camera.folder import Seen
from wardline.camera.inspection import decode

HEIGHT = 240
_PIECE = 120  # pixels of the frame itself, shown twice as large
_SMALL = 128  # pixels high: enough to see what the weather was


def crops(folder: Path, frame: Seen) -> list[bytes]:
    """Read a frame of a folder again; return both as JPEGs, `HEIGHT` pixels high. Empty where it is gone."""
    pixels = _read(folder, frame)
    return [] if pixels is None else pieces(pixels)


def small(folder: Path, frame: Seen) -> bytes | None:
    """Read a frame again and return it small, as a JPEG; None where it is gone."""
    pixels = _read(folder, frame)
    return None if pixels is None else _jpeg(_fitted(pixels, _SMALL), 82)


def pieces(pixels: NDArray[np.uint8]) -> list[bytes]:
    """Return a decoded frame as two JPEGs: small, and its middle at twice its size."""
    height, width = pixels.shape[:2]
    y, x = max(0, (height - _PIECE) // 2), max(0, (width - _PIECE) // 2)
    piece = pixels[y : y + _PIECE, x : x + _PIECE]
    large = cv2.resize(piece, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    return [_jpeg(_fitted(pixels, HEIGHT), 92), _jpeg(np.asarray(large, np.uint8), 92)]


def _read(folder: Path, frame: Seen) -> NDArray[np.uint8] | None:
    try:
        pixels = decode((folder / frame.file).read_bytes(), frame.header)
    except OSError:
        return None
    return pixels if isinstance(pixels, np.ndarray) else None


def _fitted(pixels: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    size = max(1, round(height * pixels.shape[1] / pixels.shape[0])), height
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
