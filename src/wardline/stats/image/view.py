"""Where the camera looks: the structure of the scene, blind to light, to compare with its own background."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wardline.stats.image.sample import Sample, bytes_of

_HEIGHT, _WIDTH = 36, 64  # a wide view in 2.3 kB
_BLUR = 5.0  # pixels of the view: slower changes than this are light, not structure
_GRAIN = 0.02  # structure weaker than this, in log luma, is noise
_FLOOR = 1e-6
_LOGS = np.log(np.arange(256, dtype=np.float32) + 8)


class View(NamedTuple):
    """How a view lies against another: moved right and down by these shares of the frame, and alike by this.

    `likeness` is the correlation of structure after moving it back, 1 for the same view, near 0 for another.
    """

    right: float
    down: float
    likeness: float


def view(sampled: Sample) -> NDArray[np.float32]:
    """Return the structure of the scene, (36, 64) float32 of mean square 1: log luma without its slow part.

    Light from another side moves it somewhat, brightness and tone hardly. Averages of views are a
    background.
    """
    found = structure(sampled)
    spread = math.sqrt(float(np.vdot(found, found)) / found.size)
    return np.asarray(found / np.float32(max(spread, _GRAIN)), np.float32)


def structure(sampled: Sample) -> NDArray[np.float32]:
    """Return a view before it is brought to one size: enough for `agreement`, which knows none."""
    small = bytes_of(cv2.resize(sampled.luma, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_LINEAR))
    logs = np.asarray(cv2.LUT(small, _LOGS), np.float32)
    down, across = _slow()
    return np.asarray(logs - down @ logs @ across, np.float32)


@lru_cache(1)
def _slow() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the matrices that blur down and across when multiplied: at this size faster than a filter."""
    kernel = (1, 2 * round(3 * _BLUR) + 1)
    down, across = (
        cv2.GaussianBlur(np.eye(side, dtype=np.float32), kernel, _BLUR) for side in (_HEIGHT, _WIDTH)
    )
    return np.asarray(down, np.float32), np.ascontiguousarray(across.T, np.float32)


def agreement(seen: NDArray[np.float32], background: NDArray[np.float32]) -> float:
    """Return the correlation of two views' structure as they stand: occlusion and turning lower it."""
    scale = math.sqrt(float(np.vdot(seen, seen)) * float(np.vdot(background, background)))
    return float(np.vdot(seen, background)) / max(scale, _FLOOR)


def shift(seen: NDArray[np.float32], background: NDArray[np.float32]) -> View:
    """Find how far the view has moved, by phase correlation (Kuglin & Hines 1975); whole cells of 1/64.

    Choose it after `agreement` has fallen: 0.1 ms. A likeness that stays low after moving is another scene,
    a covered lens, or a change of zoom, which this cannot follow.
    """
    window = np.outer(np.hanning(_HEIGHT), np.hanning(_WIDTH))
    cross = np.fft.rfft2(seen * window) * np.conj(np.fft.rfft2(background * window))
    surface = np.fft.irfft2(cross / (np.abs(cross) + _FLOOR), s=(_HEIGHT, _WIDTH))
    y, x = np.unravel_index(int(surface.argmax()), surface.shape)
    down = int(y) - _HEIGHT if y > _HEIGHT // 2 else int(y)
    right = int(x) - _WIDTH if x > _WIDTH // 2 else int(x)
    here, there = _overlap(seen, background, down, right)
    return View(right / _WIDTH, down / _HEIGHT, agreement(here, there))


def _overlap(
    seen: NDArray[np.float32], background: NDArray[np.float32], down: int, right: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cut out what both views show once the first is moved back."""
    rows = slice(max(0, down), _HEIGHT + min(0, down)), slice(max(0, -down), _HEIGHT + min(0, -down))
    columns = slice(max(0, right), _WIDTH + min(0, right)), slice(max(0, -right), _WIDTH + min(0, -right))
    return seen[rows[0], columns[0]], background[rows[1], columns[1]]
