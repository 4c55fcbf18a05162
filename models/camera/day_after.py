"""The day after a change: what a cause is named by, once a whole day was seen.

    python -m models.camera.day_after DATA DAY_AFTER.npz

One frame each twenty minutes, three days before and one after every change of medium and large size, over
every real picture. Light, weather and content are as in `models.camera.isp`. Seeded.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import cv2
import numpy as np

from models.camera.days import A_DAY, EVERY
from models.camera.isp import Scene, changed, some_look
from models.camera.streams import CAUSES, SEASON, Stream, kept, over, statistics
from wardline.stats.image import Statistics

DAYS = 3
SIZES = (1, 2)


def day_after(camera: str, picture: Path, seed: int) -> Stream:
    """Simulate one camera: `clean` (DAYS * A_DAY, F), then changes (causes, sizes, A_DAY, F) from there."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([13, seed])
    scene, look = Scene(cv2.imread(str(picture)), rng), some_look(rng)
    clean = statistics(scene.frames(look, DAYS * A_DAY, EVERY))
    after = np.empty((len(CAUSES), len(SIZES), A_DAY, len(Statistics._fields)), np.float32)
    for place, cause in enumerate(CAUSES):
        for at, size in enumerate(SIZES):
            if cause == "scene.season":
                later, other = scene.browned(SEASON[size]), look
            else:
                later, other = copy.deepcopy(scene), changed(look, cause, size, scene.rng)
            after[place, at] = statistics(later.frames(other, A_DAY, EVERY))
    return Stream(camera, clean, after)


def simulate(data: Path, workers: int = 2) -> list[Stream]:
    """Simulate every camera; some ten minutes on two cores."""
    return over(data, day_after, workers)


def main() -> None:
    kept(simulate(Path(sys.argv[1])), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
