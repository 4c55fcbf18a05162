"""The day after a change, held to the days before it: what names a change best, for every hour is in it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wardline.stats.camera_change.template import A_DAY, DAILY, Template

Array = NDArray[np.float64]

ENOUGH = 48
"""Slots of that day without which it says nothing."""

KNOWN = 144
"""Slots of days before it, two of them, without which it says nothing."""

_CALMEST = 0.3  # of the fleet's unrest: no camera is calmer
_DULL = 0.9  # of the day's frames without colour: night mode, not a night


class Nets(NamedTuple):
    """Small networks over the day's difference; what they say is averaged.

    `unit` (A,) is how far slots of a camera usually lie off. `hidden` (N, A + 2, H) and `output`
    (N, H + 1, K) are the layers of N networks over `classes`, biases last.
    """

    classes: tuple[str, ...]
    unit: Array
    hidden: Array
    output: Array


@cache
def nets() -> Nets:
    """Read what ships with the package."""
    held = json.loads(files("wardline.stats.camera_change").joinpath("day.json").read_text())
    arrays = {name: np.array(held[name], np.float64) for name in Nets._fields[1:]}
    return Nets(tuple(held["classes"]), **arrays)


class Day:
    """What follows a change that was told in slot `began`, until it is `over`, a day later.

    Choose it to name a change that lasts: light, weather and passers-by average out over a day, and the same
    hours of other days are what it is held to. The camera's `Template` learns nothing meanwhile.
    """

    __slots__ = ("began", "colourless", "frames", "over", "slots", "sums")

    def __init__(self, began: int) -> None:
        self.began = began
        self.sums = np.zeros(len(DAILY), np.float32)
        self.slots = 0
        self.frames = self.colourless = 0
        self.over = False

    def see(self, slot: int, *, coloured: bool) -> None:
        """Take note of a frame: night mode shows in how many have no colour."""
        self.over = self.over or not self.began <= slot <= self.began + A_DAY  # nor once a clock was set back
        if not self.over:
            self.frames += 1
            self.colourless += not coloured

    def take(self, slot: int, values: Array, template: Template) -> None:
        """Take one slot's averages (A,)."""
        if self.began < slot <= self.began + A_DAY:
            self.sums += template.apart(np.array([slot]), values[None])[0].astype(np.float32)
            self.slots += 1

    def causes(self, template: Template, known: Nets | None = None) -> list[tuple[str, float]]:
        """Name the causes by their probability, the likeliest first; none where too little was seen."""
        dull = self.frames >= ENOUGH and self.colourless >= _DULL * self.frames
        if template.learned < KNOWN or not (dull or self.slots >= ENOUGH):
            return []
        apart = self.sums / max(self.slots, 1)
        return named(apart, template.spread, known or nets(), dull=dull)


def shown(apart: Array, spread: Array, dull: NDArray[np.bool_], unit: Array) -> Array:
    """Put together what the networks are given of differences (n, A), dull or not (n,).

    Half in the camera's own unrest, `spread` (A,), and half in the fleet's.
    """
    own = np.sqrt((np.maximum(spread, _CALMEST * unit) ** 2 + unit**2) / 2)
    return np.hstack([np.arcsinh(apart / own), dull[:, None]])


def named(apart: Array, spread: Array, known: Nets, *, dull: bool) -> list[tuple[str, float]]:
    """Name the causes of one difference (A,) of a camera by their probability, the likeliest first."""
    given = np.append(shown(apart[None], spread, np.array([dull]), known.unit), 1.0)
    inner = np.maximum(given @ known.hidden, 0.0)
    logits = np.einsum("nh,nhk->nk", np.hstack([inner, np.ones((len(inner), 1))]), known.output)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances = np.mean(odds / odds.sum(axis=1, keepdims=True), axis=0)
    return [(known.classes[place], float(chances[place])) for place in np.argsort(-chances)]
