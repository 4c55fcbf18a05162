"""What is known of every camera, as bytes for the monitor's checkpoint, and back."""

from __future__ import annotations

import logging
import math

import msgspec

from wardline.monitor.camera_state import checked, woken
from wardline.monitor.cameras import Watch
from wardline.stats.camera_change.hours import CAMERA_DAYS

log = logging.getLogger(__name__)


class _Watched(msgspec.Struct):
    settled: dict[str, float]
    cameras: dict[str, bytes]


def packed(watch: Watch) -> bytes:
    """Write it all, some 12 KiB a camera: each is kept as it rests."""
    return msgspec.msgpack.encode(_Watched(watch.settled, dict(watch.cameras)))


def unpacked(data: bytes, days: float = CAMERA_DAYS) -> Watch:
    """Read it back; ValueError where it is another version's, or no such bytes.

    What a camera may not hold (a time that is no number, a spread below nought, more frames judged than seen)
    costs that camera its past and no other: it is learned anew.
    """
    try:
        held = msgspec.msgpack.decode(data, type=_Watched)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no cameras of this version: {error}") from error
    watch = Watch(days=days)
    watch.settled = {camera: at for camera, at in held.settled.items() if math.isfinite(at)}
    for name, each in held.cameras.items():
        try:
            camera = woken(each)
            checked(camera, name)
        except ValueError as error:
            log.warning("camera %s is learned anew: %s", name, error)
        else:
            watch.rest(name, camera)
    return watch
