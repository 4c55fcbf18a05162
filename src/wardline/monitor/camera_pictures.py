"""What a camera showed before it changed and after: the small pictures that lie beside kept traces."""

from __future__ import annotations

from pathlib import Path

from wardline.monitor.camera_habits import CameraEvent
from wardline.tracing.frames import ATTRIBUTE, FOLDER
from wardline.tracing.read import Wanted, traces

_NS = 1e9


def pictures(kept: Path, event: CameraEvent) -> dict[str, str]:
    """Name the last picture from before the change and the first from after it, below the folder of traces.

    Only a contract that says so keeps pictures, and of plainly served frames only a sample is kept: either
    may be missing, and the one before be hours old. They go when the traces go, and leave this machine with
    no message: a message names them.
    """
    found: dict[str, str] = {}
    for trace in traces(kept, Wanted(camera=event.camera)):  # newest first
        name = trace.root.attributes.get(ATTRIBUTE)
        if not isinstance(name, str) or not (kept / FOLDER / name).exists():
            continue
        at = trace.root.start / _NS
        if at <= event.since:
            return {"before": f"{FOLDER}/{name}", **found}
        if at >= event.at and not (event.until and at >= event.until):
            found = {"after": f"{FOLDER}/{name}"}
    return found
