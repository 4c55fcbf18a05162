"""Do a few tiles say what the whole frame says? Correlation over real frames, statistic by statistic.

python -m bench.camera_tiles DATA
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from wardline.camera.folder import listed
from wardline.stats.image import LEAST_HEIGHT, LEAST_WIDTH, Statistics, sample, statistics

FOLDERS = {
    "phenocam_images": 1, "marsh_fixed_camera_2012": 1, "aerial_camera_swap": 1, "camera_exif/cameras": 1,
    "coffee_leaf/symptom/val": 4,
}  # fmt: skip
"""Where real frames are, and every how many-th is taken."""

TILE, INSIDE = 48, 0.875


def pictures(data: Path) -> list[NDArray[np.uint8]]:
    found = [
        cv2.imread(str(file)) for name, every in FOLDERS.items() for file in listed(data / name)[::every]
    ]
    return [
        np.asarray(each, np.uint8)
        for each in found
        if each is not None and each.shape[0] >= LEAST_HEIGHT and each.shape[1] >= LEAST_WIDTH
    ]


def everywhere(picture: NDArray[np.uint8]) -> Statistics:
    """Measure with tiles all over the frame, side by side."""
    rows, columns = (max(1, int(INSIDE * length) // TILE) for length in picture.shape[:2])
    return statistics(sample(picture, grid=(rows, columns)))


def main() -> None:
    given = pictures(Path(sys.argv[1]))
    few = np.array([statistics(sample(each)) for each in given])
    whole = np.array([everywhere(each) for each in given])
    print(f"{len(given)} frames; correlation of a few tiles with tiles all over the frame")
    for name, a, b in zip(Statistics._fields, few.T, whole.T, strict=True):
        good = np.isfinite(a) & np.isfinite(b)
        print(f"{name:20} {np.corrcoef(a[good], b[good])[0, 1]:.3f}  ({good.sum()} frames)")


if __name__ == "__main__":
    main()
