"""What is known of one camera as bytes, as it is kept between its records, and back."""

from __future__ import annotations

from array import array

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.monitor import camera_slow_state
from wardline.monitor.camera import Camera, pace
from wardline.monitor.camera_arrays import Unrested, array_of, bytes_of, likely, sound
from wardline.monitor.camera_habits import CameraEvent
from wardline.monitor.camera_slow_state import SlowState
from wardline.stats.camera_change.online import Alarm, Detector
from wardline.stats.camera_change.vector import NAMES
from wardline.stats.camera_change.window import AFTER, BEFORE, WIDTH


class _Standing(msgspec.Struct, array_like=True):
    at: int
    since: int
    score: float
    threshold: float
    difference: bytearray
    causes: list[tuple[str, float]]


class _Habit(msgspec.Struct, array_like=True):
    known: list[str | float]
    frames: int
    fresh: int
    open: CameraEvent | None


class _Paced(msgspec.Struct, array_like=True):
    """As much of a camera as says how often it sends."""

    times: bytearray


class _Kept(_Paced, array_like=True):
    rows: bytearray
    pairs: bytearray
    leaving: bytearray
    odd: bool
    frames: int
    filled: int
    judged: int
    unrest: Unrested
    waiting: bytearray
    loud: bytearray
    before: bytearray
    standing: _Standing | None
    habits: list[_Habit]
    open: CameraEvent | None
    moved: bytearray | None
    last: float | None
    slow: SlowState


_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Kept)
_paced = msgspec.msgpack.Decoder(_Paced)


def rested(camera: Camera) -> bytes:
    """Write one camera: 12 KiB, less than it takes as objects."""
    detector = camera.detector
    window, alarm = detector.window, detector.standing
    standing = None if alarm is None else _Standing(*alarm[:4], bytes_of(alarm.difference), alarm.causes)
    held = _Kept(
        bytearray(camera.times), bytes_of(window.rows), bytes_of(window.pairs), bytes_of(window.leaving),
        window.odd, detector.frames, window.filled, detector.judged, Unrested.of(detector.unrest),
        bytes_of(detector.waiting), bytes_of(detector.loud), bytes_of(detector.before), standing,
        [_Habit(habit.known, habit.frames, habit.fresh, habit.open) for habit in camera.habits],
        camera.open, None if camera.moved is None else bytes_of(camera.moved), camera.last,
        camera_slow_state.kept(camera.slow),
    )  # fmt: skip
    written = bytearray()
    _encoder.encode_into(held, written)
    return bytes(written)  # `encode` would leave half as much again allocated behind them


def woken(data: bytes) -> Camera:
    """Read what `rested` wrote; ValueError where the bytes are none of a camera."""
    try:
        held = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no camera of this version: {error}") from error
    camera = Camera(_detector(held), camera_slow_state.restored(held.slow))
    camera.times, camera.last = _times(held), held.last
    camera.open = held.open
    camera.moved = None if held.moved is None else _difference(held.moved)
    for habit, each in zip(camera.habits, held.habits, strict=True):
        habit.known, habit.frames, habit.fresh, habit.open = each.known, each.frames, each.fresh, each.open
    return camera


def every(data: bytes) -> float:
    """Return the seconds between two frames that are looked at, of a camera at rest."""
    return pace(_times(_paced.decode(data)))


def checked(camera: Camera, name: str) -> None:
    """Raise ValueError where it holds what no camera can: a spread below nought, a time that is no number."""
    sound(np.isfinite([*camera.times, camera.last or 0.0]), "its times")
    sound(len(camera.times), "its times")
    for habit in camera.habits:
        sound(0 <= habit.fresh <= habit.frames, "its habits")
    for event in camera.changes:
        _possible(event, name)
    sound(camera.moved is None or np.isfinite(camera.moved), "a difference")
    _learned(camera.detector)
    camera_slow_state.checked(camera.slow)


def _times(held: _Paced) -> array[float]:
    times = array("d")
    times.frombytes(held.times)
    return times


def _difference(data: bytearray) -> NDArray[np.float64]:
    return array_of(data, np.float64, (len(NAMES),))


def _detector(held: _Kept) -> Detector:
    detector = Detector(unrest=held.unrest.read(WIDTH))
    window, alarm = detector.window, held.standing
    window.rows = array_of(held.rows, np.float16, window.rows.shape)
    window.pairs = array_of(held.pairs, np.float16, window.pairs.shape)
    window.leaving = array_of(held.leaving, np.float16, window.leaving.shape)
    window.filled, window.odd = held.filled, held.odd
    detector.waiting = array_of(held.waiting, np.float16, (-1, WIDTH))
    detector.before = array_of(held.before, np.float32, detector.before.shape)
    detector.loud = array_of(held.loud, np.float64, detector.loud.shape)
    detector.frames, detector.judged = held.frames, held.judged
    if alarm is not None:
        difference = _difference(alarm.difference)
        detector.standing = Alarm(
            alarm.at, alarm.since, alarm.score, alarm.threshold, difference, alarm.causes
        )
    return detector


def _possible(event: CameraEvent, camera: str) -> None:
    numbers = event.at, event.since, event.confidence, event.score, event.threshold, event.rate
    sound(np.isfinite(numbers), "an event's numbers")
    sound(event.camera == camera and bool(event.kind), "an event's camera")
    sound(0.0 <= event.confidence <= 1.0 and event.rate >= 0.0, "an event's certainty")


def _learned(detector: Detector) -> None:
    window, alarm = detector.window, detector.standing
    sound(len(detector.waiting) <= AFTER and np.isfinite(detector.waiting).all(), "its last steps")
    sound(detector.unrest.possible, "its unrest")
    sound(np.isfinite(detector.loud) & (detector.loud > 0.0), "its unrest")
    sound(0 <= window.filled <= AFTER + BEFORE, "its frames")
    sound(0 <= detector.judged <= detector.frames, "its frames")
    if alarm is not None:
        sound(alarm.since <= alarm.at <= detector.frames, "its change")
        sound(np.isfinite([alarm.score, alarm.threshold]) & (alarm.threshold > 0.0), "its change")
        sound(np.isfinite(alarm.difference), "its change")
        likely(alarm.causes)
