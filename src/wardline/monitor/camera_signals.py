"""Cameras as signals: what changed at which, at the family's part of the alarm budget, until it is over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from wardline.cameras import SCENE, load
from wardline.errors import BundleError
from wardline.health import Held
from wardline.log.columns import Coded, Columns
from wardline.monitor import camera_checkpoint
from wardline.monitor.budget import LOOK_S
from wardline.monitor.camera_habits import CameraEvent
from wardline.monitor.camera_pictures import pictures
from wardline.monitor.cameras import COLUMNS, Watch
from wardline.monitor.plan import Watched
from wardline.monitor.signal import Signal, Standing
from wardline.stats.image import Statistics

log = logging.getLogger(__name__)


class CameraSignals:
    """The cameras of one gate; of a gate that is not over frames there are none, and nothing is done.

    `enrolled` is the file of cameras that were enrolled on this machine: one that is enrolled anew is
    settled, for what it does now is meant. `add` takes records as the ladder does.
    """

    def __init__(self, watched: Watched, enrolled: Path | None = None, state: bytes = b"") -> None:
        self.over_frames = {*Statistics._fields, "encoder"} <= watched.features.keys()
        days = watched.monitoring.camera_days
        self.watch = _restored(state, days) if state else Watch(days=days)
        self._enrolled = enrolled
        self._stamp: Any = None

    def add(self, records: Columns) -> None:
        """Follow every camera through some records, oldest first."""
        if not self.over_frames or not len(records):
            return
        self.settle()
        order = np.argsort(records.time, kind="stable")
        columns: dict[str, Sequence[Any]] = {"time": (records.time[order] / 1e9).tolist()}
        for name in COLUMNS[1:]:
            if name in {"camera", "firmware", "feature.encoder"}:
                columns[name] = _names(records.coded(name), order)
            else:
                columns[name] = records.number(name)[order].tolist()
        for event in self.watch.take(columns):
            log.info("camera %s: %s%s", event.camera, event.kind, " is over" if event.until else "")

    def signals(self, level: float) -> list[Signal]:
        """Give one signal for each change that lasts, with its standing at the family's `level` a look.

        The p-value of a look is how many changes as grave as this one unchanged cameras would show in the
        time of a look, over all cameras together. Changes that this cannot yet tell from chance warn.
        """
        self.settle()
        changed = self.watch.open()
        if not changed:  # how fast every camera sends need not be asked
            return []
        chance = self.watch.chance(LOOK_S)
        found = [_signal(event, chance(event), level) for event in changed]
        return list({signal.key: signal for signal in sorted(found, key=lambda each: -each.p_value)}.values())

    def evidence(self, keys: Sequence[str], kept: Path) -> dict[str, Any]:
        """Name pictures of what changed at these signals, where some were kept in this folder of traces."""
        changed = {_signal(event, 1.0, 0.0).key: event for event in self.watch.open()}
        shown = {key: pictures(kept, changed[key]) for key in keys if key in changed}
        return {"pictures": {key: each for key, each in shown.items() if each}} if any(shown.values()) else {}

    def holds(self) -> tuple[Held, ...]:
        """Say which cameras' frames warn before anybody is alarmed; alerts hold the rest."""
        return tuple(held for held in self.watch.holds() if held.severity == "warn")

    @property
    def state(self) -> bytes:
        """All of it, for the checkpoint."""
        return camera_checkpoint.packed(self.watch) if self.over_frames else b""

    def settle(self) -> None:
        """Take up what was enrolled since the last look at the file."""
        if self._enrolled is None:
            return
        try:
            found = self._enrolled.stat()
        except OSError:
            return
        if (stamp := (found.st_mtime_ns, found.st_ino, found.st_size)) == self._stamp:
            return
        try:
            cameras = load(self._enrolled)
        except BundleError as error:
            log.warning("%s", error)
            return
        self._stamp = stamp
        for camera, learned in cameras.items():
            at = float(learned.get("at", 0.0))
            if at > self.watch.settled.get(camera, 0.0):
                self.watch.settle(camera, at)


def _restored(state: bytes, days: float) -> Watch:
    try:
        return camera_checkpoint.unpacked(state, days)
    except ValueError as error:
        log.warning("the checkpoint's cameras cannot be read (%s): they are learned anew", error)
        return Watch(days=days)


def _names(column: Coded, order: Any) -> list[str]:
    names = [*column.names, ""]  # -1 is the last: missing
    return [names[code] for code in column.codes[order].tolist()]


def _signal(event: CameraEvent, p_value: float, level: float) -> Signal:
    """Word one change: `camera.sensor.noise`, of one camera."""
    alarming = p_value <= level and event.kind not in SCENE
    return Signal(
        f"camera.{event.kind}", "", f"camera={event.camera}", effect=event.score, warn=event.threshold,
        alert=event.threshold, unit="sigma" if event.pixels else "header", p_value=p_value,
        rows=event.frames, needed=1, effective=float(event.frames), plain=True,
        standing=Standing.ALERT if alarming else Standing.WARN, says=_says(event),
    )  # fmt: skip


def _says(event: CameraEvent) -> str:
    since, at = (datetime.fromtimestamp(each, UTC) for each in (event.since, event.at))
    moved = ", ".join(
        f"{name} {was} to {now}" if isinstance(now, str) else f"{name} {now:+.1f}"
        for name, was, now in event.evidence
    )
    other = f", else {event.instead[0]} ({event.instead[1]:.0%})" if event.instead else ""
    seen = ", from a day of frames" if event.day else ""
    return (
        f"{event.kind} ({event.confidence:.0%} sure{other}{seen}) between {since:%Y-%m-%d %H:%M:%S} and "
        f"{at:{'%H:%M:%S' if since.date() == at.date() else '%Y-%m-%d %H:%M:%S'}} UTC: {moved}"
    )
