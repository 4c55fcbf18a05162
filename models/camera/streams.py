"""Streams of frame statistics of simulated cameras over real pictures: clean ones, and every change."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.camera.isp import CHANGES, SIZES, Look, Scene, changed, some_look
from wardline.stats.image import Statistics, measure

CLEAN, AFTER = 600, 24
_FOLDS = 5
SEASON = (0.35, 0.7, 1.0)
CAUSES = (*CHANGES, "scene.season")
Matrix = NDArray[np.float32]


PEERS = ("brightness", "contrast", "entropy", "hue", "saturation", "value")
"""What other monitors compute of a picture: mean, spread and entropy (bits) of its luma, its mean HSV."""


class Stream(NamedTuple):
    """One simulated camera. `clean` (CLEAN, F) goes before each of `after` (causes, sizes, AFTER, F).

    The same frames as peers see them are `clean_peers` and `after_peers`, empty where that was not asked.
    """

    camera: str
    clean: Matrix
    after: Matrix
    clean_peers: Matrix = np.zeros((0, len(PEERS)), np.float32)
    after_peers: Matrix = np.zeros((0, len(PEERS)), np.float32)


def pictures(data: Path) -> list[tuple[str, Path]]:
    """Name the real pictures that cameras are simulated over, and the camera each is left out with."""
    exif = sorted((data / "camera_exif" / "cameras").glob("*.[jJ][pP][gG]"))
    duke = sorted((data / "phenocam_images" / "dukehw_2015").glob("*.jpg"))
    others = sorted((data / "phenocam_images" / "other_sites").glob("*.jpg"))
    found = [(each.stem, each) for each in exif]
    found += [("duke", duke[place]) for place in (4, 12, 21)]
    found += [(each.stem, each) for each in others]
    for name in ("camera_A_canon_xsi_2009", "camera_B_canon_a3300_2012"):
        files = sorted((data / "aerial_camera_swap" / name).glob("*.jpg"))
        found += [(name, files[place]) for place in (2, 12, 20)]
    marsh = sorted((data / "marsh_fixed_camera_2012").rglob("*.jpg"))
    found += [("marsh", marsh[-3])]
    return [(name, each) for name, each in found if cv2.imread(str(each)) is not None]


def statistics(frames: Iterator[bytes]) -> Matrix:
    """Decode and measure."""
    return np.array(
        [measure(cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_COLOR)) for each in frames],
        np.float32,
    )


def both(frames: Iterator[bytes]) -> tuple[Matrix, Matrix]:
    """Decode and measure, as we and as peers do."""
    decoded = [cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_COLOR) for each in frames]
    seen = [measure(each) for each in decoded], [as_peers(each) for each in decoded]
    return np.array(seen[0], np.float32), np.array(seen[1], np.float32)


def as_peers(picture: NDArray[np.uint8]) -> tuple[float, ...]:
    """Measure the whole picture as peers do, in the order of `PEERS`."""
    luma = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    shares = np.bincount(luma.reshape(-1), minlength=256) / luma.size
    entropy = -float(np.sum(shares * np.log2(np.maximum(shares, 1e-12))))
    mean, spread = cv2.meanStdDev(luma)
    return (
        float(mean[0, 0]),
        float(spread[0, 0]),
        entropy,
        *cv2.mean(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV))[:3],
    )


def stream(camera: str, picture: Path, seed: int) -> Stream:
    """Simulate one camera: a long clean stretch, then every change from the same moment on."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([7, seed])
    scene, look = Scene(cv2.imread(str(picture)), rng), some_look(rng)
    clean, clean_peers = both(scene.frames(look, CLEAN))
    after = np.empty((len(CAUSES), len(SIZES), AFTER, len(Statistics._fields)), np.float32)
    after_peers = np.empty((len(CAUSES), len(SIZES), AFTER, len(PEERS)), np.float32)
    for place, cause in enumerate(CAUSES):
        for size in range(len(SIZES)):
            after[place, size], after_peers[place, size] = both(_later(scene, look, cause, size))
    return Stream(camera, clean, after, clean_peers, after_peers)


def _later(scene: Scene, look: Look, cause: str, size: int) -> Iterator[bytes]:
    if cause == "scene.season":
        return scene.browned(SEASON[size]).frames(look, AFTER)
    later = copy.deepcopy(scene)
    return later.frames(changed(look, cause, size, scene.rng), AFTER)


def over(data: Path, one: Callable[[str, Path, int], Stream], workers: int = 2) -> list[Stream]:
    """Simulate `one` camera (its name, picture and seed) over every picture."""
    jobs = [(name, path, seed) for seed, (name, path) in enumerate(pictures(data))]
    with Pool(workers) as pool:
        return pool.starmap(one, jobs, chunksize=1)


def simulate(data: Path, workers: int = 2) -> list[Stream]:
    """Simulate every camera; some fifteen minutes on two cores."""
    return over(data, stream, workers)


def kept(streams: list[Stream], path: Path) -> None:
    """Keep streams in a file."""
    fields = {name: np.array([getattr(each, name) for each in streams]) for name in Stream._fields}
    np.savez_compressed(path, cameras=fields.pop("camera"), **fields)


def read(path: Path) -> list[Stream]:
    """Read them again; a file from before peers were measured has none."""
    held = np.load(path)
    names = [name for name in Stream._fields[1:] if name in held]
    fields = {name: held[name] for name in names}
    return [
        Stream(str(camera), **{name: fields[name][place] for name in names})
        for place, camera in enumerate(held["cameras"])
    ]


def folds(every: list[Stream]) -> list[tuple[list[Stream], list[Stream]]]:
    """Split by camera."""
    names = sorted({each.camera for each in every})
    order = np.random.default_rng(1).permutation(len(names))
    parts = [{names[place] for place in order[fold::_FOLDS]} for fold in range(_FOLDS)]
    return [
        ([each for each in every if each.camera not in part], [each for each in every if each.camera in part])
        for part in parts
    ]


def main() -> None:
    import sys  # noqa: PLC0415 - only as a program

    kept(simulate(Path(sys.argv[1])), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
