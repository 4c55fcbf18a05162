"""Ten thousand cameras in one monitor: bytes a camera, CPU a frame, and the store of their references.

`python -m bench.fleet_cameras [CAMERAS]`. Every camera sends a frame a step; the statistics are those of
the simulated living scenes that the detector was measured on, moved a little from camera to camera. What
is measured is the process' own memory, before and after, with every camera in a state that lasts.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
from numpy.typing import NDArray

from wardline.cameras import Cameras, Enrolment, load
from wardline.monitor import camera_checkpoint
from wardline.monitor.cameras import COLUMNS, Watch
from wardline.stats.image import Statistics, measure

FRAMES = 60
EVERY_S = 1200.0  # every frame then is a slot of the slow look: the dearest there is, and its hours fill


def main() -> None:
    asked = [int(each) for each in sys.argv[1:] if each.isdigit()]
    many = asked[0] if asked else 10_000
    rows = frames()
    process = psutil.Process()
    watch, spent, taken = Watch(), 0.0, 0
    rng = np.random.default_rng(0)
    own = rng.normal(0.0, 0.02, (many, len(Statistics._fields)))
    names = [f"camera-{place:05d}" for place in range(many)]
    lived(rows, 1)  # what is read once is no camera's
    before = process.memory_info().rss
    for step in range(FRAMES):
        columns = records(names, rows[step % len(rows)] * (1.0 + own), step)
        began = time.process_time()
        events = list(watch.take(columns))
        spent += time.process_time() - began
        taken += many
        told = len(events)
        del columns, events  # what brought the frames is no camera's
        if step in {0, 20, FRAMES - 1}:
            each = (process.memory_info().rss - before) / many
            print(f"after {step + 1:3} frames of each: {each:,.0f} bytes a camera, {told} events")
    print(
        f"{many:,} cameras x {FRAMES} frames: {spent / taken * 1e6:.0f} us of CPU a frame, with the first 50"
    )
    began = time.process_time()
    for step in range(FRAMES, FRAMES + 3):
        list(watch.take(records(names, rows[step % len(rows)] * (1.0 + own), step)))
    steady = (time.process_time() - began) / (3 * many)
    print(f"then {steady * 1e6:.0f} us a frame: one core follows {1 / steady:,.0f} frames a second")
    began = time.process_time()
    packed = camera_checkpoint.packed(watch)
    wrote = time.process_time() - began
    began = time.process_time()
    camera_checkpoint.unpacked(packed)
    print(f"checkpoint: {len(packed) / many:,.0f} bytes a camera, {wrote:.2f} s to write, "
          f"{time.process_time() - began:.2f} s to read back")  # fmt: skip
    stored(many, rows)
    settled, changed, told = counted(rows)
    settled, changed, told = counted(rows)
    print(f"held by Python and numpy, counted object by object: {settled:,.0f} bytes a camera, and at most")
    print(f"{changed:,.0f} in the forty frames after noise and headers changed, {told} events of each")


def counted(rows: NDArray[np.float64], many: int = 100) -> tuple[float, float, int]:
    """Return the bytes of objects that a camera keeps, without what the process keeps for later.

    Settled, and the most while a change is fresh; and how many changes stand then.
    """
    lived(rows, 1)  # what is read once is no camera's
    tracemalloc.start()
    watch, held = lived(rows, many)
    told = len(watch.open()) // many
    del watch
    gc.collect()
    empty = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (held[0] - empty) / many, (max(held) - empty) / many, told


def lived(rows: NDArray[np.float64], many: int) -> tuple[Watch, list[int]]:
    """Follow cameras until they are settled and through a change; and what is held from then on."""
    watch, held, noisier = Watch(), [], frames(grain=9.0)
    names = [f"camera-{place:05d}" for place in range(many)]
    for step in range(FRAMES + 40):
        seen = rows if step < FRAMES else noisier
        columns = records(names, np.repeat(seen[step % len(seen)][None], many, axis=0), step)
        if step >= FRAMES:
            columns |= {"feature.encoder": ["jpeg-2"] * many, "firmware": ["1.3"] * many}
        list(watch.take(columns))
        del columns
        gc.collect()
        if step >= FRAMES - 1:
            held.append(tracemalloc.get_traced_memory()[0])
    return watch, held


def frames(grain: float = 3.0) -> NDArray[np.float64]:
    """Return statistics of real measurements: a drawn scene under changing light and noise (DN)."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:144, 0:192]
    scene = 90 + 50 * np.sin(x / 17) * np.cos(y / 23) + 20 * ((x // 24 + y // 24) % 2)
    found = []
    for step in range(FRAMES):
        light = 1.0 + 0.1 * np.sin(step / 9)
        picture = scene[..., None] * np.array([0.9, 1.0, 0.8]) * light + rng.normal(0, grain, (144, 192, 3))
        found.append(measure(np.clip(picture, 0, 255).astype(np.uint8)))
    return np.array(found, np.float64)


def records(names: list[str], rows: NDArray[np.float64], step: int) -> dict[str, Any]:
    """Return the records of one step as the monitor reads them: a frame of every camera."""
    many = len(names)
    columns: dict[str, Any] = {
        "time": [step * EVERY_S + place * 1e-3 for place in range(many)],  # each its own number
        "camera": names, "firmware": ["1.2"] * many,
        "feature.encoder": ["jpeg"] * many, "feature.level": [82.0] * many,
        "feature.width": [192.0] * many, "feature.height": [144.0] * many,
    }  # fmt: skip
    columns |= {f"feature.{name}": rows[:, place].tolist() for place, name in enumerate(Statistics._fields)}
    return {name: columns[name] for name in COLUMNS}


def stored(many: int, rows: NDArray[np.float64]) -> None:
    """Write and read the references of all cameras as one store."""
    enrolment = Enrolment("camera-00000")
    for row in rows[:40]:
        enrolment.add(Statistics(*row.tolist()))
    one = enrolment.reference()
    known = Cameras({f"camera-{place:05d}": msgspec.structs.replace(one, camera=f"camera-{place:05d}")
                     for place in range(many)})  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cameras.json"
        path.write_text(json.dumps(known.tree()))
        gc.collect()
        process = psutil.Process()
        before, began = process.memory_info().rss, time.process_time()
        read = Cameras.read({"cameras": load(path)})
        spent = time.process_time() - began
        size, held = path.stat().st_size, process.memory_info().rss - before
        assert len(read.by_id) == many
        print(f"references of {many:,} cameras in one store: {size / many:,.0f} bytes a camera, read in "
              f"{spent:.1f} s, {held / many:,.0f} bytes a camera in memory")  # fmt: skip


if __name__ == "__main__":
    main()
