"""What the detector of streams is taught: how far steps usually go, and which steps changes make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.camera.streams import CAUSES, Stream, folds
from wardline.stats.camera_change.contrast import Fleet
from wardline.stats.camera_change.online import AFTER, BEFORE, RUN_LENGTH, Detector, contrast

Array = NDArray[np.float64]
QUICK = (
    "codec.requantised", "isp.sharpening", "isp.denoise", "sensor.noise", "optics.focus",
    "geometry.resolution", "light.night",
)  # fmt: skip
"""What a stream can show within frames; the others are as fast as weather, and drown in it."""

_KEPT = 50
_SHRUNK = 0.7  # of the correlations between statistics: weather's are not the same anywhere
_LEAST = 0.5
_TAIL = 0.6  # of the limit: scores beyond it show how their tail falls


def steps(rows: NDArray[np.floating], known: Fleet, every: int = 1) -> Array:
    """Contrast the last frames with those before, at each frame of a stream."""
    return np.array(
        [
            contrast(rows[end - _KEPT : end - AFTER], rows[end - AFTER : end], BEFORE, known)[0]
            for end in range(_KEPT, len(rows) + 1, every)
        ]
    )


def quick(every: list[Stream], known: Fleet) -> dict[str, Any]:
    """Learn the fields of `Fleet` that are for streams."""
    clean = [np.clip(steps(each.clean, known, 2), -30, 30) for each in every]
    still = np.maximum(np.median([np.sqrt(np.mean(each**2, axis=0)) for each in clean], axis=0), _LEAST)
    scaled = np.concatenate(
        [np.clip(each / np.maximum(np.sqrt(np.mean(each**2, axis=0)), 0.1), -5, 5) for each in clean]
    )
    covariance = scaled.T @ scaled / len(scaled) + 1e-3 * np.eye(scaled.shape[1])
    covariance = (1 - _SHRUNK) * covariance + _SHRUNK * np.diag(np.diag(covariance))
    found = []
    for cause in QUICK:
        place = CAUSES.index(cause)
        drawn = [
            steps(np.concatenate([each.clean[-_KEPT + AFTER :], each.after[place, size, :12]]), known)[1:]
            for each in every
            for size in (1, 2)
        ]
        found.append(np.median(np.clip(np.concatenate(drawn), -30, 30), axis=0))
    return {
        "still": still, "precision": np.linalg.inv(covariance), "quick": np.array(found),
        "quick_kinds": QUICK,
    }  # fmt: skip


class Held(NamedTuple):
    """A camera that was left out: what it was judged by, and its detector's scores of its clean frames."""

    stream: Stream
    known: Fleet
    scores: Array
    fold: int


def crossed(every: list[Stream], taught: Callable[[list[Stream]], Fleet]) -> tuple[float, float, list[Held]]:
    """Score every camera by what the others taught.

    Returns the limit at the declared run length, by how many e-folds scores beyond it get rarer a limit
    more, and the scores.
    """
    held = []
    for fold, (shown, left) in enumerate(folds(every)):
        known = taught(shown)
        held += [Held(each, known, np.array(list(scored(each, known))), fold) for each in left]
    limit = limit_for([each.scores for each in held], RUN_LENGTH)
    tail = np.concatenate([each.scores for each in held]) / limit
    beyond = tail[tail > _TAIL] - _TAIL
    return limit, float(1.0 / beyond.mean()), held


def scored(each: Stream, known: Fleet) -> Iterator[float]:
    """Score a clean stream frame by frame; no frame alarms."""
    detector = Detector(known._replace(limits={**known.limits, "fast": np.inf, "fall": 1.0}))
    for place, row in enumerate(each.clean):
        detector.rows = np.roll(detector.rows, -1, axis=0)
        detector.rows[-1] = row
        if place >= _KEPT - 1:
            yield detector.judge()[0]


def episodes(values: Array, limit: float) -> int:
    """Count alarms: what stays above, or comes again within the frames after an alarm, is one."""
    count, last = 0, -100
    for index in np.flatnonzero(values > limit).tolist():
        count, last = count + (index - last > _KEPT - AFTER), index
    return count


def limit_for(clean: list[Array], frames: int) -> float:
    """Return the least limit that makes one false alarm in so many frames."""
    total = sum(map(len, clean))
    limit = np.inf
    for value in np.sort(np.concatenate(clean))[::-1].tolist():
        if sum(episodes(each, value) for each in clean) > total / frames:
            break
        limit = value
    return float(limit)
