"""Weeks of simulated cameras: what a slow detector learns from, and tone and colour that change for a day.

    python -m models.camera.days DATA DAYS.npz

One frame each twenty minutes for two weeks over every real picture, at a quarter of the pixels: tone and
colour do not need more. Day, clouds, haze, moving shade and passers-by are as in `models.camera.isp`. Seeded.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import cv2
import numpy as np

from models.camera.isp import HEIGHT, SIZES, WIDTH, Scene, changed, some_look
from models.camera.streams import Stream, kept, over, statistics
from wardline.stats.image import Statistics

A_DAY = 72
DAYS = 14
EVERY = 288 // A_DAY
CAUSES = ("isp.white_balance", "isp.tone", "isp.black_level")
_SHAPE = (HEIGHT // 2, WIDTH // 2)


def weeks(camera: str, picture: Path, seed: int) -> Stream:
    """Simulate one camera: `clean` (DAYS * A_DAY, F), then changes (causes, sizes, A_DAY, F) from there."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([11, seed])
    scene, look = Scene(cv2.imread(str(picture)), rng, shape=_SHAPE), some_look(rng)
    clean = statistics(scene.frames(look, DAYS * A_DAY, EVERY))
    after = np.empty((len(CAUSES), len(SIZES), A_DAY, len(Statistics._fields)), np.float32)
    for place, cause in enumerate(CAUSES):
        for size in range(len(SIZES)):
            later, other = copy.deepcopy(scene), changed(look, cause, size, scene.rng)
            after[place, size] = statistics(later.frames(other, A_DAY, EVERY))
    return Stream(camera, clean, after)


def simulate(data: Path, workers: int = 2) -> list[Stream]:
    """Simulate every camera; some five minutes on two cores."""
    return over(data, weeks, workers)


def main() -> None:
    kept(simulate(Path(sys.argv[1]), int(sys.argv[3]) if len(sys.argv) > 3 else 2), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
