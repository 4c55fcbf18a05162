"""The slow look at one camera as bytes for the checkpoint, and back; what it may not hold is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

from wardline.monitor.camera_habits import CameraEvent
from wardline.monitor.camera_hours import Slow
from wardline.stats.camera_change.hours import Change, Hours
from wardline.stats.camera_change.template import NAMES
from wardline.stats.camera_change.unrest import Unrest


class Unrested(msgspec.Struct):
    """`Unrest` of one camera."""

    variances: bytes
    correlations: bytes

    @classmethod
    def of(cls, unrest: Unrest) -> Self:
        """Write it."""
        return cls(unrest.variances.tobytes(), unrest.correlations.tobytes())


class _Change(msgspec.Struct):
    at: float
    since: float
    score: float
    limit: float
    fall: float
    filter: int
    slots: int
    difference: bytes
    causes: list[tuple[str, float]]


class SlowState(msgspec.Struct):
    """`Hours` of one camera; a camera of which nothing is known yet has no bytes."""

    slots: bytes
    window: bytes
    normal: bytes
    moment: bytes
    learned: int
    first: int
    unrest: Unrested
    looks: int
    waiting: bytes
    slot: int
    frames: int
    sums: bytes
    counts: bytes
    quiet: int
    standing: _Change | None
    open: CameraEvent | None


def kept(slow: Slow) -> SlowState:
    """Write it."""
    hours, template, change = slow.hours, slow.hours.template, slow.hours.standing
    standing = None if change is None else _Change(*change[:7], change.difference.tobytes(), change.causes)
    return SlowState(
        template.slots.tobytes(), template.window.tobytes(), template.normal.tobytes(),
        template.moment.tobytes(), template.learned, template.first, Unrested.of(hours.unrest), hours.looks,
        hours.waiting.tobytes(), hours.slot, hours.frames, hours.sums.tobytes(), hours.counts.tobytes(),
        hours.quiet, standing, slow.open,
    )  # fmt: skip


def restored(held: SlowState, camera: str) -> Slow:
    """Read it back; ValueError says what cannot be."""
    slow = Slow()
    hours, template, wide = slow.hours, slow.hours.template, len(NAMES)
    template.slots = array(held.slots, np.int32, (-1,))
    template.window = array(held.window, np.float16, (len(template.slots), wide))
    sound(np.diff(template.slots) > 0, "its hours' order")
    for name, was in (("normal", template.normal), ("moment", template.moment)):
        setattr(template, name, array(getattr(held, name), np.float32, was.shape))
        sound(np.isfinite(getattr(template, name)), "its days")
    template.learned, template.first = held.learned, held.first
    unrested(hours.unrest, held.unrest)
    for name in ("sums", "counts"):
        was = getattr(hours, name)
        setattr(hours, name, array(getattr(held, name), was.dtype, was.shape))
        sound(np.isfinite(getattr(hours, name)), f"its {name}")
    sound(np.linalg.eigvalsh(hours.spread) > -1e-3, "its spread")
    hours.waiting = array(held.waiting, np.float16, (-1, wide))
    sound(min(held.learned, held.looks, held.frames) >= 0, "its counts")
    hours.looks, hours.slot, hours.frames, hours.quiet = held.looks, held.slot, held.frames, held.quiet
    hours.standing = _change(held.standing, hours)
    sound((held.open is None) == (held.standing is None), "its change")
    sound(held.open is None or held.open.camera == camera, "its change")
    slow.open = held.open
    return slow


def _change(held: _Change | None, hours: Hours) -> Change | None:
    if held is None:
        return None
    difference = array(held.difference, np.float64, (len(NAMES),))
    sound(np.isfinite([*difference, held.at, held.since, held.score, held.fall]), "its change")
    sound(held.limit > 0.0 and 0 <= held.filter < len(hours.known.kinds), "its change")
    likely(held.causes)
    return Change(
        held.at, held.since, held.score, held.limit, held.fall, held.filter, held.slots, difference,
        held.causes,
    )  # fmt: skip


def unrested(unrest: Unrest, held: Unrested) -> None:
    """Read it back; ValueError where a variance is nought or a correlation beyond one."""
    unrest.variances = array(held.variances, np.float32, unrest.variances.shape)
    unrest.correlations = array(held.correlations, np.int16, unrest.correlations.shape)
    sound(np.isfinite(unrest.variances) & (unrest.variances > 0.0), "its unrest")
    sound(unrest.correlations > np.iinfo(np.int16).min, "its unrest")


def array(data: bytes, kind: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read an array that can be written to; ValueError where the bytes do not fit the shape."""
    return np.frombuffer(data, kind).reshape(shape).copy()


def sound(holds: Any, what: str) -> None:
    """Raise ValueError where something does not hold."""
    if not np.all(holds):
        raise ValueError(f"{what} cannot be")


def likely(causes: Sequence[tuple[str, float]]) -> None:
    """Raise ValueError where an explanation has no second best, or a probability is none."""
    sound(len(causes) > 1 and all(0.0 <= each <= 1.0 for _, each in causes), "its causes")
