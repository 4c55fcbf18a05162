"""What is known of every camera, as bytes for the monitor's checkpoint, and back."""

from __future__ import annotations

import logging
import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.monitor import camera_slow_state
from wardline.monitor.camera_habits import CameraEvent
from wardline.monitor.camera_slow_state import SlowState, Unrested, array, likely, sound, unrested
from wardline.monitor.cameras import Camera, Watch
from wardline.stats.camera_change.online import Alarm, Detector
from wardline.stats.camera_change.vector import NAMES
from wardline.stats.camera_change.window import AFTER, BEFORE
from wardline.stats.image import Statistics

log = logging.getLogger(__name__)

_F = len(Statistics._fields)


class _Standing(msgspec.Struct):
    at: int
    since: int
    score: float
    threshold: float
    difference: bytes
    causes: list[tuple[str, float]]


class _Habit(msgspec.Struct):
    known: list[str | float]
    frames: int
    fresh: int
    open: CameraEvent | None


class _Kept(msgspec.Struct):
    """One camera."""

    camera: str
    times: bytes
    rows: bytes
    pairs: bytes
    leaving: bytes
    odd: bool
    frames: int
    filled: int
    judged: int
    unrest: Unrested
    waiting: bytes
    loud: bytes
    before: bytes
    standing: _Standing | None
    habits: list[_Habit]
    open: CameraEvent | None
    moved: bytes
    last: float | None
    slow: SlowState


class _Watched(msgspec.Struct):
    settled: dict[str, float]
    cameras: list[_Kept]


def packed(watch: Watch) -> bytes:
    """Write it all, some 14 KiB a camera."""
    cameras = [_kept(name, each) for name, each in watch.cameras.items()]
    return msgspec.msgpack.encode(_Watched(watch.settled, cameras))


def unpacked(data: bytes) -> Watch:
    """Read it back; ValueError where it is another version's, or no such bytes.

    What a camera may not hold (a time that is no number, a spread below nought, more frames judged than seen)
    costs that camera its past and no other: it is learned anew.
    """
    try:
        held = msgspec.msgpack.decode(data, type=_Watched)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no cameras of this version: {error}") from error
    watch = Watch()
    watch.settled = {camera: at for camera, at in held.settled.items() if math.isfinite(at)}
    for each in held.cameras:
        try:
            watch.cameras[each.camera] = _camera(each)
        except ValueError as error:
            log.warning("camera %s is learned anew: %s", each.camera, error)
    return watch


def _kept(name: str, camera: Camera) -> _Kept:
    detector = camera.detector
    window, alarm = detector.window, detector.standing
    standing = None if alarm is None else _Standing(*alarm[:4], alarm.difference.tobytes(), alarm.causes)
    return _Kept(
        name, camera.times.tobytes(), window.rows.tobytes(), window.pairs.tobytes(), window.leaving.tobytes(),
        window.odd, detector.frames, window.filled, detector.judged,
        Unrested.of(detector.unrest), detector.waiting.tobytes(), detector.loud.tobytes(),
        detector.before.tobytes(), standing,
        [_Habit(habit.known, habit.frames, habit.fresh, habit.open) for habit in camera.habits],
        camera.open, b"" if camera.moved is None else camera.moved.tobytes(), camera.last,
        camera_slow_state.kept(camera.slow),
    )  # fmt: skip


def _camera(kept: _Kept) -> Camera:
    camera = Camera()
    camera.times.frombytes(kept.times)
    sound(np.isfinite([*camera.times, kept.last or 0.0]), "its times")
    camera.last = kept.last
    camera.open = _event(kept.open, kept.camera)
    camera.moved = _difference(kept.moved) if kept.moved else None
    for habit, held in zip(camera.habits, kept.habits, strict=True):
        sound(0 <= held.fresh <= held.frames, "its habits")
        habit.known, habit.frames, habit.fresh = held.known, held.frames, held.fresh
        habit.open = _event(held.open, kept.camera)
    camera.detector = _detector(kept)
    camera.slow = camera_slow_state.restored(kept.slow, kept.camera)
    return camera


def _event(event: CameraEvent | None, camera: str) -> CameraEvent | None:
    if event is not None:
        numbers = event.at, event.since, event.confidence, event.score, event.threshold, event.rate
        sound(np.isfinite(numbers), "an event's numbers")
        sound(event.camera == camera and bool(event.kind), "an event's camera")
        sound(0.0 <= event.confidence <= 1.0 and event.rate >= 0.0, "an event's certainty")
    return event


def _difference(data: bytes) -> NDArray[np.float64]:
    found = array(data, np.float64, (len(NAMES),))
    sound(np.isfinite(found), "a difference")
    return found


def _detector(kept: _Kept) -> Detector:
    detector = Detector()
    window = detector.window
    for name in ("rows", "pairs", "leaving"):
        setattr(window, name, array(getattr(kept, name), np.float16, getattr(window, name).shape))
    detector.waiting = array(kept.waiting, np.float16, (-1, _F))
    detector.before = array(kept.before, np.float32, detector.before.shape)
    detector.loud = array(kept.loud, np.float64, detector.loud.shape)
    unrested(detector.unrest, kept.unrest)
    sound(len(detector.waiting) <= AFTER and np.isfinite(detector.waiting).all(), "its last steps")
    sound(np.isfinite(detector.loud) & (detector.loud > 0.0), "its unrest")
    sound(0 <= kept.filled <= AFTER + BEFORE, "its frames")
    sound(0 <= kept.judged <= kept.frames, "its frames")
    detector.frames, detector.judged = kept.frames, kept.judged
    window.filled, window.odd = kept.filled, kept.odd
    if (held := kept.standing) is not None:
        sound(held.since <= held.at <= kept.frames, "its change")
        sound(np.isfinite([held.score, held.threshold]) & (held.threshold > 0.0), "its change")
        likely(held.causes)
        detector.standing = Alarm(
            held.at, held.since, held.score, held.threshold, _difference(held.difference), held.causes
        )
    return detector
