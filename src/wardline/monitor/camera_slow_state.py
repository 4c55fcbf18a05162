"""The slow look at one camera as bytes, and back."""

from __future__ import annotations

import msgspec
import numpy as np

from wardline.monitor.camera_arrays import Unrested, array_of, bytes_of, likely, sound
from wardline.monitor.camera_habits import CameraEvent
from wardline.monitor.camera_hours import Slow
from wardline.stats.camera_change.hours import Change, Hours
from wardline.stats.camera_change.template import NAMES

_WIDE = len(NAMES)


class _Change(msgspec.Struct, array_like=True):
    at: float
    since: float
    score: float
    limit: float
    fall: float
    filter: int
    slots: int
    difference: bytearray
    causes: list[tuple[str, float]]


class SlowState(msgspec.Struct, array_like=True):
    """`Hours` of one camera."""

    slots: bytearray
    window: bytearray
    normal: bytearray
    moment: bytearray
    learned: int
    first: int
    unrest: Unrested
    looks: int
    waiting: bytearray
    slot: int
    frames: int
    sums: bytearray
    counts: bytearray
    quiet: int
    standing: _Change | None
    open: CameraEvent | None


def kept(slow: Slow) -> SlowState:
    """Write it."""
    hours, template, change = slow.hours, slow.hours.template, slow.hours.standing
    standing = None if change is None else _Change(*change[:7], bytes_of(change.difference), change.causes)
    return SlowState(
        bytes_of(template.slots), bytes_of(template.window), bytes_of(template.normal),
        bytes_of(template.moment), template.learned, template.first, Unrested.of(hours.unrest), hours.looks,
        bytes_of(hours.waiting), hours.slot, hours.frames, bytes_of(hours.sums), bytes_of(hours.counts),
        hours.quiet, standing, slow.open,
    )  # fmt: skip


def restored(held: SlowState) -> Slow:
    """Read it back; ValueError where the bytes do not fit."""
    slow = Slow(Hours(unrest=held.unrest.read(_WIDE)))
    hours, template = slow.hours, slow.hours.template
    template.slots = array_of(held.slots, np.int32, (-1,))
    template.window = array_of(held.window, np.float16, (len(template.slots), _WIDE))
    template.normal = array_of(held.normal, np.float32, template.normal.shape)
    template.moment = array_of(held.moment, np.float32, template.moment.shape)
    template.learned, template.first = held.learned, held.first
    hours.sums = array_of(held.sums, np.float64, hours.sums.shape)
    hours.counts = array_of(held.counts, np.int32, hours.counts.shape)
    hours.waiting = array_of(held.waiting, np.float16, (-1, _WIDE))
    hours.looks, hours.slot, hours.frames, hours.quiet = held.looks, held.slot, held.frames, held.quiet
    hours.standing, slow.open = _change(held.standing), held.open
    return slow


def _change(held: _Change | None) -> Change | None:
    if held is None:
        return None
    return Change(
        held.at, held.since, held.score, held.limit, held.fall, held.filter, held.slots,
        array_of(held.difference, np.float64, (_WIDE,)), held.causes,
    )  # fmt: skip


def checked(slow: Slow) -> None:
    """Raise ValueError where it holds what cannot be."""
    hours, template, change = slow.hours, slow.hours.template, slow.hours.standing
    sound(np.diff(template.slots) > 0, "its hours' order")
    for each in (template.normal, template.moment, hours.sums, hours.counts):
        sound(np.isfinite(each), "its days")
    sound(hours.unrest.possible, "its spread")
    sound(np.linalg.eigvalsh(hours.spread) > -1e-3, "its spread")
    sound(min(template.learned, hours.looks, hours.frames) >= 0, "its counts")
    sound((slow.open is None) == (change is None), "its change")
    if change is not None:
        numbers = *change.difference, change.at, change.since, change.score, change.fall
        sound(np.isfinite(numbers), "its change")
        sound(change.limit > 0.0 and 0 <= change.filter < len(hours.known.kinds), "its change")
        likely(change.causes)
