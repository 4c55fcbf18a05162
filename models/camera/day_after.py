"""Two days before every change and a day after it: what causes are named by when a day of frames is there.

    python -m models.camera.day_after DATA DAY_AFTER.npz

One frame each half hour over every real picture, at the size and with the weather of `models.camera.streams`;
medium and large changes. Seeded.
"""

from __future__ import annotations

import copy
import sys
from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np

from models.camera.isp import Scene, changed, some_look
from models.camera.streams import CAUSES, SEASON, Stream, kept, pictures, statistics
from wardline.stats.image import Statistics

A_DAY = 48
BEFORE = 2 * A_DAY
EVERY = 288 // A_DAY
_SIZES = (1, 2)


def day_after(camera: str, picture: Path, seed: int) -> Stream:
    """Simulate one camera: `clean` (BEFORE, F), then every change (causes, 2 sizes, A_DAY, F) from there."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([13, seed])
    scene, look = Scene(cv2.imread(str(picture)), rng), some_look(rng)
    clean = statistics(scene.frames(look, BEFORE, EVERY))
    after = np.empty((len(CAUSES), len(_SIZES), A_DAY, len(Statistics._fields)), np.float32)
    for place, cause in enumerate(CAUSES):
        for number, size in enumerate(_SIZES):
            if cause == "scene.season":
                later, other = scene.browned(SEASON[size]), look
            else:
                later, other = copy.deepcopy(scene), changed(look, cause, size, scene.rng)
            after[place, number] = statistics(later.frames(other, A_DAY, EVERY))
    return Stream(camera, clean, after)


def simulate(data: Path, workers: int = 2) -> list[Stream]:
    """Simulate every camera; some fifteen minutes on two cores."""
    jobs = [(name, path, seed) for seed, (name, path) in enumerate(pictures(data))]
    with Pool(workers) as pool:
        return pool.starmap(day_after, jobs, chunksize=1)


def main() -> None:
    kept(simulate(Path(sys.argv[1]), int(sys.argv[3]) if len(sys.argv) > 3 else 2), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
