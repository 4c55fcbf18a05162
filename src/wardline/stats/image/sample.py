"""What is looked at in a frame: a few native tiles for structure, a thumbnail for tone and colour."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
"""A decoded picture: (height, width, 3) in BGR, or (height, width) grey."""

Matrix = NDArray[np.float32]

LEAST_HEIGHT, LEAST_WIDTH = 64, 64
"""A smaller picture holds too little to tell a camera by."""

_SIDE, _TALL, _LEAST = 48, 32, 32  # pixels: whole 8x8 blocks and 16x16 chroma units
_LARGE = 900_000  # pixels from which on eighteen tiles are taken, else six
_THUMBNAIL = 6_500  # pixels; more only repeats what they say about tone and colour
LAGS = 4  # pixels: the longest step
CHROMA = 8  # one row in so many shows how chroma changes along it
_MARGIN = 16  # a sixteenth of each side is left out: banners and clocks are burnt in there


class Sample(NamedTuple):
    """Tiles stand one above the other, so that one call sees them all; their corners lie on the 8x8 grid.

    `colour` (rows, side, 3) BGR and `grey` (rows, side) are uint8 with rows = tiles x `tall`. `wide` is
    `grey` as float32, and below it red minus blue of every eighth row. `thumbnail` (h, w, 3) BGR is sampled
    without averaging: extremes and clipping stay; `luma` (h, w) is its grey. `side` and `tall` are pixels.
    """

    colour: NDArray[np.uint8]
    grey: NDArray[np.uint8]
    wide: Matrix
    thumbnail: NDArray[np.uint8]
    luma: NDArray[np.uint8]
    side: int
    tall: int


def sample(frame: Frame, grid: tuple[int, int] | None = None) -> Sample:
    """Cut tiles and a thumbnail from a frame; `grid` asks for other rows and columns of tiles than usual.

    Raises `ValueError` for what is no picture of 8 bits, or is smaller than 64 x 64.
    """
    if frame.dtype != np.uint8 or frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] != 3):
        raise ValueError(f"a frame is uint8 of (height, width, 3) or (height, width), not {frame.shape}")
    height, width = frame.shape[:2]
    if height < LEAST_HEIGHT or width < LEAST_WIDTH:
        raise ValueError(f"a frame of {width} x {height} is too small to measure: 64 x 64 is the least")
    large = height * width >= _LARGE
    step = max(1, round(math.sqrt(height * width / _THUMBNAIL)))
    size = width // step, height // step
    thumbnail = bytes_of(cv2.resize(frame, size, interpolation=cv2.INTER_NEAREST))
    tiles, tall, side = _tiles(frame, *(grid or ((3, 6) if large else (2, 3))))
    if frame.ndim == 2:
        thumbnail, tiles = (bytes_of(cv2.cvtColor(each, cv2.COLOR_GRAY2BGR)) for each in (thumbnail, tiles))
    grey = grey_of(tiles).reshape(-1, side)
    colour, rows = tiles.reshape(-1, side, 3), len(grey)
    wide = np.empty((rows + rows // CHROMA, side), np.float32)
    wide[:rows] = grey
    np.subtract(colour[::CHROMA, :, 2], colour[::CHROMA, :, 0], out=wide[rows:], dtype=np.float32)
    return Sample(colour, grey, wide, thumbnail, grey_of(thumbnail), side, tall)


def steps_of(sampled: Sample) -> Matrix:
    """Return what each pixel of `wide` differs by from others of its tile, (7, rows, side) float32.

    First the steps to the pixels 4, 2 and 1 below, 0 in a tile's last four rows; then the second difference
    along the row, and the steps to the pixels 1, 2 and 4 to the right, all 0 in the last four columns, where
    some would leave the tile. Rows follow each other in memory, so one subtraction of everything serves each.
    """
    wide, side, tall = sampled.wide, sampled.side, sampled.tall
    steps = np.empty((7, *wide.shape), np.float32)
    flat, seen = steps.reshape(7, -1), wide.reshape(-1)
    for place, ahead in ((0, 4 * side), (1, 2 * side), (2, side), (4, 1), (5, 2), (6, 4)):
        np.subtract(seen[ahead:], seen[:-ahead], out=flat[place, :-ahead])
    np.subtract(flat[4, 1:-1], flat[4, :-2], out=flat[3, :-2])
    steps[3:, :, -LAGS:] = 0.0
    rows = len(sampled.grey)
    steps[:3, :rows].reshape(3, -1, tall, side)[:, :, -LAGS:] = 0.0
    return steps


def inner_means(values: NDArray[Any]) -> list[float]:
    """Sort each row and average it without its lowest and highest fourth: steadier than a median of few."""
    values.sort(axis=1)
    found: list[float] = (values @ _inner(values.shape[1], values.shape[1] // 4)).tolist()
    return found


@lru_cache(32)
def _inner(count: int, out: int) -> Matrix:
    """Return the weights that average all but so many at either end."""
    weights = np.zeros(count, np.float32)
    weights[out : count - out] = 1 / (count - 2 * out)
    return weights


def grey_of(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return luma as JPEG and BT.601 have it: the one grey conversion of this package."""
    return bytes_of(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))


def _tiles(frame: Frame, rows: int, columns: int) -> tuple[NDArray[np.uint8], int, int]:
    """Copy tiles from the middles of even cells of the frame, without its margin, in one long row."""
    inside, cells, tile = _layout(*frame.shape[:2], rows, columns)
    tiles = frame[inside].reshape(cells)[tile].swapaxes(1, 2)
    return np.ascontiguousarray(tiles).reshape(1, -1, tiles.shape[4]), tiles.shape[2], tiles.shape[3]


@lru_cache(64)
def _layout(height: int, width: int, rows: int, columns: int) -> tuple[Any, ...]:
    """Return the slices and the shape that part a frame, less its margin, into cells and cut their tiles."""
    (top, down, rows), (left, right, columns) = _cells(height, rows), _cells(width, columns)
    tall, side = min(_TALL, down), min(_SIDE, right)
    y, x = (down - tall) // 16 * 8, (right - side) // 16 * 8
    inside = slice(top, top + rows * down), slice(left, left + columns * right)
    every = slice(None)
    return inside, (rows, down, columns, right, -1), (every, slice(y, y + tall), every, slice(x, x + side))


def _cells(length: int, count: int) -> tuple[int, int, int]:
    """Return where the first of at most so many cells starts, how long each is (whole blocks), how many."""
    margin = length // _MARGIN
    inner = length - 2 * margin
    count = min(count, inner // _LEAST)
    pitch = inner // count // 8 * 8
    return (margin + (inner - count * pitch) // 2) // 8 * 8, pitch, count


def bytes_of(picture: object) -> NDArray[np.uint8]:
    """Name the type that OpenCV's own annotations leave open."""
    return np.asarray(picture, dtype=np.uint8)
