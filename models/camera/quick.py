"""What the detector of streams is taught: how far steps usually go, and which steps changes make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.camera.streams import CAUSES, Stream, folds
from wardline.stats.camera_change.contrast import Fleet
from wardline.stats.camera_change.online import FIRST, RUN_LENGTH, Detector
from wardline.stats.camera_change.vector import NAMES, vectors
from wardline.stats.camera_change.window import AFTER, BEFORE, Window

Array = NDArray[np.float64]
QUICK = (
    "codec.requantised", "isp.sharpening", "isp.denoise", "sensor.noise", "optics.focus",
    "geometry.resolution", "light.night",
)  # fmt: skip
"""What a stream can show within frames; the others are as fast as weather, and drown in it."""

JUDGED = int(1.2 * RUN_LENGTH)
"""Frames between two false alarms where limits are set, some more than declared: cameras differ."""

_SHRUNK = 0.5  # of the correlations between statistics: weather's are not the same anywhere
_OFTEN_NOUGHT = {"clipped_dark": 0.05, "clipped_bright": 0.05, "hot_pixels": 0.1, "flat": 0.01}
_LEAST = np.array([_OFTEN_NOUGHT.get(name, 1e-3) for name in (*NAMES, "exposure", "contrast")])
"""The least step that is called usual, more for statistics that are mostly nought."""
_FEW = 0.01  # of the usual step: what hardly ever moves has no correlations
_OFTEN = 10


def joined(rows: NDArray[np.floating]) -> Array:
    """Put the light behind what is compared, as the detector of streams does."""
    return np.hstack(vectors(rows))


def steps(rows: Array, first: int, every: int = 1) -> Array:
    """Step from the frames before to the last ones, at each frame from the one numbered `first`."""
    window, found = Window(), []
    for end, row in enumerate(rows, 1):
        window.take(row)
        if end >= first and (end - first) % every == 0:
            found.append(window.step())
    return np.array(found)


def quick(every: list[Stream]) -> dict[str, Any]:
    """Learn the fields of `Fleet` that find changes; a large one is more than a medium one twice."""
    clean = [steps(joined(each.clean), FIRST, 2) for each in every]
    own = [np.sqrt(np.mean(each**2, axis=0)) for each in clean]
    still = np.maximum(np.median(own, axis=0), _LEAST)
    scaled = [
        np.clip(each / np.maximum(usual, _FEW * still), -5, 5) for each, usual in zip(clean, own, strict=True)
    ]
    together = np.mean([each.T @ each / len(each) for each in scaled], axis=0)
    usual = np.maximum(np.sqrt(np.diag(together)), 1e-3)
    together = (1 - _SHRUNK) * together / np.outer(usual, usual)
    together[np.diag_indices_from(together)] = 1.0
    found = [
        np.median(np.concatenate([shift(each, cause, size) / still for each in every]), axis=0)
        for cause in QUICK
        for size in (1, 2)
    ]
    kinds = tuple(cause for cause in QUICK for _ in (1, 2))
    return {"still": still, "together": together, "quick": np.array(found), "quick_kinds": kinds}


def shift(each: Stream, cause: str, size: int) -> Array:
    """Step from a camera's last clean frames to those of a change, at frames in which most are changed."""
    after = each.after[CAUSES.index(cause), size, : AFTER + 2]
    return steps(joined(np.concatenate([each.clean[-BEFORE:], after])), BEFORE + 6)


class Held(NamedTuple):
    """A camera that was left out: what it was judged by, and its detector's scores of its clean frames."""

    stream: Stream
    known: Fleet
    scores: Array
    fold: int


def crossed(every: list[Stream], taught: Callable[[list[Stream]], Fleet]) -> list[Held]:
    """Score every camera by what the others taught."""
    held = []
    for fold, (shown, left) in enumerate(folds(every)):
        known = taught(shown)
        held += [Held(each, known, np.array(list(scored(each, known))), fold) for each in left]
    return held


def scored(each: Stream, known: Fleet) -> Iterator[float]:
    """Score a clean stream frame by frame; no frame alarms."""
    detector = Detector(known)
    for row in each.clean:
        detector.take(row)
        if detector.window.filled >= FIRST:
            yield detector.judge()[0]


def episodes(values: Array, limit: float) -> list[float]:
    """Peaks of alarms: what stays above, or comes again within the frames after an alarm, is one."""
    peaks: list[float] = []
    last = -100
    for index in np.flatnonzero(values > limit).tolist():
        if index - last > FIRST - AFTER:
            peaks.append(float(values[index]))
        else:
            peaks[-1] = max(peaks[-1], float(values[index]))
        last = index
    return peaks


def tail(clean: list[Array], frames: int) -> tuple[float, float]:
    """Return the limit that makes one false alarm in so many frames, by the tail of clean scores.

    Peaks over a threshold that is passed often, `_OFTEN` times as often, lie exponentially above it
    (Pickands 1975, with shape 0): dozens of peaks tell more than the handful beyond the limit itself. Also
    returns by how many e-folds scores get rarer a limit more.
    """
    often = limit_for(clean, frames // _OFTEN)
    peaks = [peak for each in clean for peak in episodes(each, often)]
    excess = float(np.mean(peaks)) - often
    limit = often + excess * float(np.log(frames * len(peaks) / sum(map(len, clean))))
    return limit, limit / excess


def limit_for(clean: list[Array], frames: int) -> float:
    """Return the least limit that makes one false alarm in so many frames."""
    total = sum(map(len, clean))
    limit = np.inf
    for value in np.sort(np.concatenate(clean))[::-1].tolist():
        if sum(len(episodes(each, value)) for each in clean) > total / frames:
            break
        limit = value
    return float(limit)
