"""What is looked at in a frame: a few native tiles for structure, a thumbnail for tone and colour."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
"""A decoded picture: (height, width, 3) in BGR, or (height, width) grey."""

LEAST_HEIGHT, LEAST_WIDTH = 64, 64
"""A smaller picture holds too little to tell a camera by."""

_TILE = 48  # pixels: whole 8x8 blocks and 16x16 chroma units; twelve as float32 stay below 128 kB, where
# glibc would map and unmap fresh pages at every step and double the cost
_LARGE = 900_000  # pixels from which on twelve tiles are taken, else six
_THUMBNAIL = 16_000  # pixels; more only repeats what they say about tone and colour
_MARGIN = 16  # a sixteenth of each side is left out: banners and clocks are burnt in there


class Sample(NamedTuple):
    """Tiles stand one above the other, so that one call sees them all; their corners lie on the 8x8 grid.

    `colour` (rows, side, 3) BGR and `grey` (rows, side) are uint8 with rows = tiles x side, `wide` is
    `grey` as float32. `across` and `down` are the steps from each pixel to the next in its row and column;
    `down` steps over the tiles' joints too, see `by_tile`. `thumbnail` (h, w, 3) BGR is sampled without
    averaging: extremes and clipping stay; `luma` (h, w) is its grey. `side` is the tile's, in pixels.
    """

    colour: NDArray[np.uint8]
    grey: NDArray[np.uint8]
    wide: NDArray[np.float32]
    across: NDArray[np.float32]
    down: NDArray[np.float32]
    thumbnail: NDArray[np.uint8]
    luma: NDArray[np.uint8]
    side: int


def sample(frame: Frame, grid: tuple[int, int] | None = None) -> Sample:
    """Cut tiles and a thumbnail from a frame; `grid` asks for other rows and columns of tiles than usual.

    Raises `ValueError` for what is no picture of 8 bits, or is smaller than 64 x 64.
    """
    if frame.dtype != np.uint8 or frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] != 3):
        raise ValueError(f"a frame is uint8 of (height, width, 3) or (height, width), not {frame.shape}")
    height, width = frame.shape[:2]
    if height < LEAST_HEIGHT or width < LEAST_WIDTH:
        raise ValueError(f"a frame of {width} x {height} is too small to measure: 64 x 64 is the least")
    rows, columns = grid or ((3, 4) if height * width >= _LARGE else (2, 3))
    colour, side = _tiles(frame, rows, columns)
    step = max(1, round(math.sqrt(height * width / _THUMBNAIL)))
    size = width // step, height // step
    thumbnail = bytes_of(cv2.resize(frame, size, interpolation=cv2.INTER_NEAREST))
    if frame.ndim == 2:
        thumbnail = bytes_of(cv2.cvtColor(thumbnail, cv2.COLOR_GRAY2BGR))
    grey = grey_of(colour)
    wide = grey.astype(np.float32)
    steps = difference(wide[:, 1:], wide[:, :-1]), difference(wide[1:], wide[:-1])
    return Sample(colour, grey, wide, *steps, thumbnail, grey_of(thumbnail), side)


def difference(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract; OpenCV's loops are three times as fast as numpy's on slices."""
    return np.asarray(cv2.subtract(first, second), dtype=np.float32)


def by_tile(rows: NDArray[np.float32], side: int, lag: int = 0) -> NDArray[np.float32]:
    """Part values by row into (tiles, side - lag), without the rows that stepped over a joint."""
    whole = np.zeros(len(rows) + lag, dtype=np.float32)
    whole[: len(rows)] = rows
    return whole.reshape(-1, side)[:, : side - lag]


def median(values: NDArray[Any]) -> float:
    """Take the median of a few values; numpy's own costs ten microseconds before it looks at one."""
    ordered = np.sort(values)
    count = len(ordered)
    return float(ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def planes(picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
    """Part a colour picture into blue, green and red, float32."""
    return tuple(np.asarray(plane).astype(np.float32) for plane in cv2.split(picture))


def grey_of(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return luma as JPEG and BT.601 have it: the one grey conversion of this package."""
    return bytes_of(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))


def _tiles(frame: Frame, rows: int, columns: int) -> tuple[NDArray[np.uint8], int]:
    """Copy tiles spread evenly over the frame, without its margin, one above the other."""
    height, width = frame.shape[:2]
    top, left = height // _MARGIN, width // _MARGIN
    cell_height, cell_width = (height - 2 * top) // rows, (width - 2 * left) // columns
    side = min(_TILE, cell_height // 8 * 8, cell_width // 8 * 8)
    side = max(side, 16)  # in a very narrow picture tiles overlap rather than be blind
    tiles = np.empty((rows * columns, side, side, 3), dtype=np.uint8)
    for row in range(rows):
        y = (top + row * cell_height + max(0, cell_height - side) // 2) // 8 * 8
        for column in range(columns):
            x = (left + column * cell_width + max(0, cell_width - side) // 2) // 8 * 8
            tile = frame[y : y + side, x : x + side]
            tiles[row * columns + column] = tile if frame.ndim == 3 else tile[:, :, None]
    return tiles.reshape(-1, side, 3), side


def bytes_of(picture: object) -> NDArray[np.uint8]:
    """Name the type that OpenCV's own annotations leave open."""
    return np.asarray(picture, dtype=np.uint8)
