"""A stretch of the log in a few numbers: what was done, which guard spoke most, which camera is slowest."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.compute as pc

from wardline.log.reader import batches
from wardline.log.schema import MICROSECONDS
from wardline.record import STAGES


class Pace(msgspec.Struct, frozen=True):
    """How long the rows of a camera took, in milliseconds."""

    camera: str
    rows: int
    median_ms: float
    p95_ms: float


class Summary(msgspec.Struct, frozen=True):
    """What the log says of a stretch of time. `findings` counts rows by (guard, reason), the most first."""

    rows: int
    actions: dict[str, int]
    findings: list[tuple[str, str, int]]
    cameras: list[Pace]


def summarise(directory: Path, since: datetime) -> Summary:
    """Count the records since a moment; cameras are listed the slowest first."""
    actions: Counter[str] = Counter()
    findings: Counter[tuple[str, str]] = Counter()
    times: dict[str, list[np.ndarray]] = {}
    stages = [MICROSECONDS + stage for stage in STAGES]
    wanted = ["action", "findings", "camera", *stages]
    if not any(directory.glob("**/*")):
        return Summary(0, {}, [], [])
    for batch in batches(directory, since=since, columns=wanted):
        for each in pc.value_counts(batch["action"].cast("string")).to_pylist():
            actions[each["values"]] += each["counts"]
        found = batch["findings"].flatten()
        guards, reasons = pc.struct_field(found, "guard"), pc.struct_field(found, "reason")
        findings.update(zip(guards.to_pylist(), reasons.to_pylist(), strict=True))
        if batch["camera"].null_count < batch.num_rows:
            spent = sum(np.nan_to_num(batch[name].to_numpy(zero_copy_only=False)) for name in stages)
            cameras = np.array(batch["camera"].to_pylist(), dtype=object)
            for camera in {each for each in cameras if each is not None}:
                times.setdefault(camera, []).append(np.asarray(spent)[cameras == camera] / 1000)
    paces = []
    for camera, parts in times.items():
        whole = np.concatenate(parts)
        middle, high = np.percentile(whole, [50, 95]).tolist()
        paces.append(Pace(camera, len(whole), middle, high))
    return Summary(
        sum(actions.values()), dict(actions.most_common()),
        [(guard, reason, rows) for (guard, reason), rows in findings.most_common()],
        sorted(paces, key=lambda pace: -pace.median_ms),
    )  # fmt: skip
