"""A stretch of the log in a few numbers: what was done, which guard spoke most, which camera is slowest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from wardline.log.reader import batches
from wardline.log.schema import MICROSECONDS
from wardline.record import STAGES

MOST_CAMERAS = 1000
"""Cameras told apart; what further ones took counts as `(other)`, for a caller may make up names."""

_COLUMNS = [MICROSECONDS + stage for stage in STAGES]


class Pace(msgspec.Struct, frozen=True):
    """How long the rows of a camera, or a stage of all rows, took, in milliseconds.

    `slowest` is the stage that takes most of a camera's time.
    """

    name: str
    rows: int
    median_ms: float
    p95_ms: float
    slowest: str = ""


class Summary(msgspec.Struct, frozen=True):
    """What the log says of a stretch of time. `findings` counts rows by (guard, reason), the most first;
    `cameras` and `stages` come the slowest first."""

    rows: int
    actions: dict[str, int]
    findings: list[tuple[str, str, int]]
    cameras: list[Pace]
    stages: list[Pace] = []


def summarise(directory: Path, since: datetime) -> Summary:
    """Count the records since a moment; a request's time is each of its rows'."""
    actions: Counter[str] = Counter()
    findings: Counter[tuple[str, str]] = Counter()
    times: list[NDArray[np.float32]] = []
    cameras: dict[str, list[NDArray[np.float32]]] = {}
    for batch in batches(directory, since=since, columns=["action", "findings", "camera", *_COLUMNS]):
        for each in pc.value_counts(batch["action"].cast("string")).to_pylist():
            actions[each["values"]] += each["counts"]
        findings.update(_found(batch["findings"]))
        spent = [np.nan_to_num(batch[name].to_numpy(zero_copy_only=False)) for name in _COLUMNS]
        times.append(np.stack(spent, axis=1).astype(np.float32))
        if batch["camera"].null_count < batch.num_rows:
            names = np.array(batch["camera"].to_pylist(), dtype=object)
            for camera in {each for each in names if each is not None}:
                known = camera if camera in cameras or len(cameras) < MOST_CAMERAS else "(other)"
                cameras.setdefault(known, []).append(times[-1][names == camera])
    whole = np.concatenate(times) if times else np.zeros((0, len(STAGES)), np.float32)
    paces = [_pace(camera, np.concatenate(parts)) for camera, parts in cameras.items()]
    stages = [_pace(stage, whole[:, [place]]) for place, stage in enumerate(STAGES)] if len(whole) else []
    return Summary(
        sum(actions.values()), dict(actions.most_common()),
        [(guard, reason, rows) for (guard, reason), rows in findings.most_common()],
        _slowest(paces), _slowest(stages),
    )  # fmt: skip


def _found(column: Any) -> Counter[tuple[str, str]]:
    """Count rows by (guard, reason): a row of which a guard says the same of two fields is one."""
    found = column.flatten()
    table = pa.table(
        {
            "row": pc.list_parent_indices(column),
            "guard": pc.struct_field(found, "guard").cast("string"),
            "reason": pc.struct_field(found, "reason").cast("string"),
        }
    )
    once = table.group_by(["row", "guard", "reason"]).aggregate([])
    told = once.group_by(["guard", "reason"]).aggregate([([], "count_all")])
    return Counter({(each["guard"], each["reason"]): each["count_all"] for each in told.to_pylist()})


def _pace(name: str, spent: NDArray[np.float32]) -> Pace:
    """Tell the pace of rows from the microseconds of their stages, shape (rows, stages)."""
    middle, high = (np.percentile(spent.sum(axis=1), [50, 95]) / 1000).tolist()
    slowest = STAGES[int(spent.sum(axis=0).argmax())] if spent.shape[1] == len(STAGES) else ""
    return Pace(name, len(spent), middle, high, slowest)


def _slowest(paces: Sequence[Pace]) -> list[Pace]:
    return sorted(paces, key=lambda pace: -pace.median_ms)
