"""What changes of cameras that were left out are called: right or wrong, and how surely."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.camera.causes import HEADER, Shown
from models.camera.quick import Held
from models.camera.streams import CAUSES
from wardline.stats.camera_change import naming

Array = NDArray[np.float64]


class Named(NamedTuple):
    """What medium and large changes of cameras that were left out are called: a row each.

    `odds` (P, causes) are from pixels alone; `told` are after the header has had its say.
    """

    cause: NDArray[np.intp]
    odds: Array
    told: Array


def named(held: list[Held], count: int = 24) -> Named:
    """Name every change by its first `count` frames."""
    labels, rows = [], []
    for each in held:
        shown = Shown(each.stream, each.known)
        for place, sizes in enumerate(shown.differences(0, count)[:, 1:]):
            for drawn in sizes:
                odds = dict(naming.causes(drawn, shown.usual, shown.together, float(count), each.known))
                labels.append(place)
                rows.append([odds[cause] for cause in CAUSES])
    cause, odds = np.array(labels), np.array(rows)
    return Named(cause, odds, headed(cause, odds))


def headed(cause: NDArray[np.intp], odds: Array) -> Array:
    """Let headers speak: one that is as before is no new compression, and one that is not is."""
    codec = CAUSES.index(HEADER)
    told = odds.copy()
    told[:, codec] = 0.0
    told[cause == codec] = np.eye(len(CAUSES))[codec]
    return told / told.sum(axis=1, keepdims=True)


def confused(found: Named) -> NDArray[np.intp]:
    """Count causes named by causes done, headers read."""
    confusion = np.zeros((len(CAUSES), len(CAUSES)), np.intp)
    np.add.at(confusion, (found.cause, found.told.argmax(axis=1)), 1)
    return confusion


def printed(found: Named) -> None:
    """Print how often causes are named right, which is taken for which, and how far to trust it."""
    for label, odds in (("pixels alone", found.odds), ("and the header", found.told)):
        order = np.argsort(-odds, axis=1)
        right = order[:, 0] == found.cause
        second = right | (order[:, 1] == found.cause)
        print(
            f"cause named right from 24 frames, medium and large, {label}: {right.mean():.3f}, "
            f"among the first two {second.mean():.3f}"
        )
        sure = odds.max(axis=1)
        for low, high in ((0.0, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.01)):
            here = (sure >= low) & (sure < high)
            if here.any():
                print(
                    f"  sure {low:.1f} to {min(high, 1.0):.1f}: {here.mean():.2f} of them, "
                    f"said {sure[here].mean():.2f}, right {right[here].mean():.2f}"
                )
    for cause, row in zip(CAUSES, confused(found), strict=True):
        print(f"  {cause:20}", *(f"{each:3d}" for each in row))
