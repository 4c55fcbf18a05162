"""What a camera's tone and colour usually are at each time of the day, and the hours that are held to it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wardline.stats.camera_change import vector
from wardline.stats.image import Statistics

Array = NDArray[np.float64]

SLOT_S = 1200
"""Seconds of frames that are averaged first: one look each twenty minutes, however fast the camera."""

A_DAY = 86_400 // SLOT_S
"""Slots of a day, which is what a change is named by."""

HOURS = 18
"""Slots in the stretch that is judged: six hours."""

FEWEST = 12
"""Slots of those six hours without which nothing is said: fewer are noisier than what limits were set on."""

LEARNED_S = 7 * 86_400
"""Seconds by which a camera is known; what is older counts less and less."""

NAMES = (
    "black", "tenth", "median", "ninth", "white", "exposure", "contrast", "saturation", "chroma",
    "gain_red", "gain_blue", "bright_red", "bright_blue", "dark_red", "dark_blue", "channel_correlation",
    "tone_dark", "tone_mid", "tone_bright", "detail", "noise", "vignetting", "clipped_bright",
    "clipped_dark", "detail_mid",
)  # fmt: skip
"""What hours are compared by: levels of luma and amounts by their logarithm."""

DAILY = (*NAMES, *(name for name in Statistics._fields if name not in NAMES))
"""What a template knows: `NAMES`, and behind them all else that is logged, for a whole day to be named by."""

_AT = {name: place for place, name in enumerate(Statistics._fields)}
_PLAIN = [_AT[name] for name in NAMES[9:19]]
_BEHIND = [vector.NAMES.index(name) for name in DAILY[len(NAMES) :]]
_DARKEST, _DETAIL, _FAINT, _SHARE = 8.0, 0.1, 2.0, 0.01  # added before the logarithm
_TURNS = 2  # harmonics of the day
_RIDGE = np.diag([1e-6] + [2.0] * (2 * _TURNS))
_MEMORY = LEARNED_S // SLOT_S
_ENOUGH = 216  # slots, three days of them, without which nothing is known, however long it took


def toned(rows: NDArray[np.floating]) -> Array:
    """Turn (n, statistics) into (n, len(DAILY)); what was not measured is not a number.

    The deciles and the median come back from their places between black and white: as levels, light moves
    all of them alike on a logarithmic scale.
    """
    table = np.asarray(rows, np.float64).T
    black, white = table[_AT["black"]], table[_AT["white"]]
    inner = [
        black + (white - black) / (1.0 + np.exp(-table[_AT[name]]))
        for name in ("tone_dark", "tone_mid", "tone_bright")
    ]
    levels = [black, *inner, white, table[_AT["exposure"]], table[_AT["contrast"]]]
    return np.column_stack([
        *(np.log(np.maximum(each, 0.0) + _DARKEST) for each in levels),
        table[_AT["saturation"]],
        np.log(np.maximum(table[_AT["chroma"]], 0.0) + _FAINT),
        *(table[place] / (20.0 if name.startswith("dark") else 1.0)
          for name, place in zip(NAMES[9:19], _PLAIN, strict=True)),
        table[_AT["detail"]],
        np.log(np.maximum(table[_AT["noise"]], 0.0) + _DETAIL),
        table[_AT["vignetting"]],
        np.log(np.maximum(table[_AT["clipped_bright"]], 0.0) + _SHARE),
        np.log(np.maximum(table[_AT["clipped_dark"]], 0.0) + _SHARE),
        table[_AT["detail_mid"]],
        vector.vectors(rows)[0][:, _BEHIND],
    ])  # fmt: skip


def hour_of(slots: NDArray[np.integer]) -> Array:
    """Return the time of the day of slots, (n, 2 * harmonics + 1), whatever the time zone."""
    turn = 2 * np.pi * SLOT_S / 86_400 * (np.asarray(slots) % (86_400 // SLOT_S))
    parts = [wave(count * turn) for count in range(1, _TURNS + 1) for wave in (np.cos, np.sin)]
    return np.column_stack([np.ones(len(turn)), *parts])


class Template:
    """A camera's own days, by least squares on two harmonics, and its last six hours beside them.

    Hours enter the template once they are no longer judged; old days are forgotten as new ones come
    (recursive least squares), so that a season is followed.
    """

    __slots__ = ("first", "learned", "moment", "normal", "slots", "squares", "window")

    def __init__(self) -> None:
        wide = 2 * _TURNS + 1
        self.slots = np.zeros(0, np.int32)
        self.window = np.zeros((0, len(DAILY)), np.float16)
        self.normal = np.zeros((wide, wide), np.float32)
        self.moment = np.zeros((wide, len(DAILY)), np.float32)
        self.squares = np.zeros(len(DAILY), np.float32)  # mean square of what the time did not explain
        self.learned = 0
        self.first = 0

    def close(self, slot: int, values: Array, *, learn: bool = True) -> Array | None:
        """Take one slot's averages; return what the time of the day does not explain, slot by slot (n, A).

        None: too little is known, or too few frames came. With `learn` off old slots are dropped.
        """
        if slot < self.first or not (self.learned or len(self.slots)):
            self.first = slot
        leaves = self.slots <= slot - HOURS
        stays = ~leaves & (self.slots < slot)  # a clock that was set back: what is to come was not
        if learn:
            for old, row in zip(self.slots[leaves], self.window[leaves], strict=True):
                self._learn(old, row)
        self.slots = np.append(self.slots[stays], np.int32(slot))
        self.window = np.vstack([self.window[stays], values.astype(np.float16)])
        if self.learned < _ENOUGH or len(self.slots) < FEWEST:
            return None
        return self.apart(self.slots, self.window)

    def apart(self, slots: NDArray[np.integer], values: NDArray[np.floating]) -> Array:
        """Return how far values (n, A) of these slots lie from those of other days; 0 if not measured."""
        return np.asarray(np.nan_to_num(values - hour_of(slots) @ self.usual))

    @property
    def usual(self) -> Array:
        """The course of a day, (2 * harmonics + 1, A): its mean, then its waves."""
        return np.asarray(np.linalg.solve(self.normal + _RIDGE, self.moment), np.float64)

    @property
    def spread(self) -> Array:
        """How far a slot usually lies from those of other days, (A,)."""
        return np.sqrt(self.squares.astype(np.float64))

    def known(self, slot: int) -> bool:
        """Whether the camera has been watched for long enough to be judged."""
        return self.learned >= _ENOUGH and (slot - self.first) * SLOT_S >= LEARNED_S

    def _learn(self, slot: np.integer, row: NDArray[np.floating]) -> None:
        hour = hour_of(np.array([slot]))[0]
        usual = hour @ self.usual
        row = np.where(np.isfinite(row), row, usual)  # as usual, where it was not measured
        self.learned = min(self.learned + 1, _MEMORY)
        if self.learned > A_DAY:
            self.squares += ((row - usual) ** 2 - self.squares) / np.float32(self.learned - A_DAY)
        kept = 1.0 - 1.0 / _MEMORY if self.learned >= _MEMORY else 1.0
        self.normal = (kept * self.normal + np.outer(hour, hour)).astype(np.float32)
        self.moment = (kept * self.moment + np.outer(hour, row)).astype(np.float32)


def slot_of(at: float) -> int:
    """Name the slot of a moment, seconds since the epoch."""
    return math.floor(at / SLOT_S)
