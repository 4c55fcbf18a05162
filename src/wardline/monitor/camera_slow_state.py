"""The slow look at one camera as bytes, and back."""

from __future__ import annotations

import msgspec
import numpy as np

from wardline.monitor.camera_arrays import Unrested, array_of, bytes_of, likely, sound
from wardline.monitor.camera_habits import CameraEvent
from wardline.monitor.camera_hours import Slow
from wardline.stats.camera_change.day import Day
from wardline.stats.camera_change.hours import Change, Hours
from wardline.stats.camera_change.template import A_DAY, DAILY, NAMES


class _Day(msgspec.Struct, array_like=True):
    began: int
    sums: bytearray
    slots: int
    frames: int
    colourless: int
    over: bool


class SlowState(msgspec.Struct, array_like=True):
    """`Hours` of one camera."""

    slots: bytearray
    window: bytearray
    normal: bytearray
    moment: bytearray
    squares: bytearray
    learned: int
    first: int
    unrest: Unrested
    looks: int
    waiting: bytearray
    loud: bytearray
    slot: int
    frames: int
    sums: bytearray
    counts: bytearray
    quiet: int
    standing: Change | None
    day: _Day | None
    open: CameraEvent | None


def kept(slow: Slow) -> SlowState:
    """Write it."""
    hours, template, day = slow.hours, slow.hours.template, slow.hours.day
    naming = None
    if day is not None:
        naming = _Day(day.began, bytes_of(day.sums), day.slots, day.frames, day.colourless, day.over)
    return SlowState(
        bytes_of(template.slots), bytes_of(template.window), bytes_of(template.normal),
        bytes_of(template.moment), bytes_of(template.squares), template.learned, template.first,
        Unrested.of(hours.unrest), hours.looks, bytes_of(hours.waiting), bytes_of(hours.loud), hours.slot,
        hours.frames, bytes_of(hours.sums), bytes_of(hours.counts), hours.quiet, hours.standing, naming,
        slow.open,
    )  # fmt: skip


def restored(held: SlowState) -> Slow:
    """Read it back; ValueError where the bytes do not fit."""
    slow = Slow(Hours(unrest=held.unrest.read(len(NAMES))))
    hours, template = slow.hours, slow.hours.template
    template.slots = array_of(held.slots, np.int32, (-1,))
    template.window = array_of(held.window, np.float16, (len(template.slots), len(DAILY)))
    template.normal = array_of(held.normal, np.float32, template.normal.shape)
    template.moment = array_of(held.moment, np.float32, template.moment.shape)
    template.squares = array_of(held.squares, np.float32, template.squares.shape)
    template.learned, template.first = held.learned, held.first
    hours.sums = array_of(held.sums, np.float64, hours.sums.shape)
    hours.counts = array_of(held.counts, np.int32, hours.counts.shape)
    hours.waiting = array_of(held.waiting, np.float16, (-1, hours.waiting.shape[1]))
    hours.loud = array_of(held.loud, np.float32, hours.loud.shape)
    hours.looks, hours.slot, hours.frames, hours.quiet = held.looks, held.slot, held.frames, held.quiet
    hours.standing, hours.day, slow.open = held.standing, _day(held.day), held.open
    return slow


def _day(held: _Day | None) -> Day | None:
    if held is None:
        return None
    day = Day(held.began)
    day.sums = array_of(held.sums, np.float32, day.sums.shape)
    day.slots, day.frames, day.colourless, day.over = held.slots, held.frames, held.colourless, held.over
    return day


def checked(slow: Slow) -> None:
    """Raise ValueError where it holds what cannot be."""
    hours, template, change = slow.hours, slow.hours.template, slow.hours.standing
    sound(np.diff(template.slots) > 0, "its hours' order")
    for each in (template.normal, template.moment, template.squares, hours.loud, hours.sums, hours.counts):
        sound(np.isfinite(each), "its days")
    sound(hours.unrest.possible, "its spread")
    sound(np.linalg.eigvalsh(hours.spread) > -1e-3, "its spread")
    sound(min(template.learned, hours.looks, hours.frames) >= 0, "its counts")
    sound((slow.open is None) == (change is None), "its change")
    if change is not None:
        effects = (effect for _, effect in change.evidence)
        numbers = *effects, change.at, change.since, change.score, change.fall
        sound(np.isfinite(numbers), "its change")
        sound(min(change.limit, change.days) > 0.0, "its change")
        sound(0 <= change.filter < len(hours.known.kinds), "its change")
        likely(change.causes)
    if (day := hours.day) is not None:
        sound(np.isfinite(day.sums), "the day after its change")
        sound(0 <= day.slots <= A_DAY and 0 <= day.colourless <= day.frames, "the day after its change")
