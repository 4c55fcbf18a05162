"""What is known of every camera, as bytes for the monitor's checkpoint, and back."""

from __future__ import annotations

import msgspec
import numpy as np

from wardline.monitor.cameras import Camera, CameraEvent, Watch
from wardline.stats.camera_change.online import Alarm, Detector
from wardline.stats.image import Statistics

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
    times: list[float]
    rows: bytes
    past: bytes
    frames: int
    filled: int
    judged: int
    still: bytes
    loud: bytes
    standing: _Standing | None
    habits: list[_Habit]
    open: CameraEvent | None
    moved: bytes


class _Watched(msgspec.Struct):
    settled: dict[str, float]
    cameras: list[_Kept]


def packed(watch: Watch) -> bytes:
    """Write it all, some 9 KiB a camera."""
    cameras = [_kept(name, each) for name, each in watch.cameras.items()]
    return msgspec.msgpack.encode(_Watched(watch.settled, cameras))


def unpacked(data: bytes) -> Watch:
    """Read it back; ValueError where it is another version's."""
    held = msgspec.msgpack.decode(data, type=_Watched)
    watch = Watch()
    watch.settled = held.settled
    for each in held.cameras:
        watch.cameras[each.camera] = _camera(each)
    return watch


def _kept(name: str, camera: Camera) -> _Kept:
    detector = camera.detector
    alarm = detector.standing
    standing = None if alarm is None else _Standing(*alarm[:4], alarm.difference.tobytes(), alarm.causes)
    return _Kept(
        name, camera.times, detector.rows.tobytes(), detector.past.tobytes(), detector.frames,
        detector.filled, detector.judged, detector.still.tobytes(), detector.loud.tobytes(), standing,
        [_Habit(habit.known, habit.frames, habit.fresh, habit.open) for habit in camera.habits],
        camera.open, b"" if camera.moved is None else camera.moved.tobytes(),
    )  # fmt: skip


def _camera(kept: _Kept) -> Camera:
    camera = Camera()
    camera.times, camera.open = kept.times, kept.open
    camera.moved = np.frombuffer(kept.moved, np.float64) if kept.moved else None
    for habit, held in zip(camera.habits, kept.habits, strict=True):
        habit.known, habit.frames, habit.fresh, habit.open = held.known, held.frames, held.fresh, held.open
    camera.detector = _detector(kept)
    return camera


def _detector(kept: _Kept) -> Detector:
    detector = Detector()
    rows = np.frombuffer(kept.rows, np.float32).reshape(-1, _F)
    if rows.shape != detector.rows.shape:
        raise ValueError("these frames are of another version")
    detector.rows, detector.past = rows, np.frombuffer(kept.past, np.float32).reshape(-1, _F)
    detector.frames, detector.filled, detector.judged = kept.frames, kept.filled, kept.judged
    detector.still = np.frombuffer(kept.still, np.float64).copy()
    detector.loud = np.frombuffer(kept.loud, np.float64).copy()
    if (held := kept.standing) is not None:
        difference = np.frombuffer(held.difference, np.float64)
        detector.standing = Alarm(
            held.at, held.since, held.score, held.threshold, difference, held.causes
        )  # fmt: skip
    return detector
