"""The checkpoint: what was counted and how far was read, in one file: neither is without the other."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wardline import whole
from wardline.monitor.ladder import Bucket, Ladder
from wardline.monitor.plan import Plan

log = logging.getLogger(__name__)

FORMAT = 2


def save(
    path: Path, ladder: Ladder, positions: Mapping[str, int], extra: Mapping[str, Any], cameras: bytes = b""
) -> None:
    """Write it by atomic rename: killed at any moment, the next start finds the old one or the new one."""
    head = {
        "format": FORMAT, "plan": ladder.plan.id, "rows": ladder.rows, "newest": ladder.newest,
        "first": ladder.first, "positions": dict(positions), "extra": dict(extra),
        "sources": [[source, hour, rows] for (source, hour), rows in ladder.sources.items()],
    }  # fmt: skip
    arrays: dict[str, Any] = {"head": np.frombuffer(json.dumps(head).encode(), np.uint8)}
    arrays["cameras"] = np.frombuffer(cameras, np.uint8)
    for rung, buckets in enumerate(ladder.rungs):
        held = sorted(buckets.items())
        arrays[f"at{rung}"] = np.array([at for at, _ in held], dtype=np.int64)
        for name in ("sliced", "whole"):
            arrays[f"{name}{rung}"] = _small([getattr(bucket, name) for _, bucket in held])
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.put(path, buffer.getvalue())


def _small(parts: list[Any]) -> Any:
    """Stack counts in the narrowest type that holds them: most are small."""
    stacked = np.stack(parts) if parts else np.zeros(0, np.int64)
    highest = int(stacked.max(initial=0))
    return stacked.astype(np.uint16 if highest < 2**16 else np.uint32 if highest < 2**32 else np.int64)


def restore(path: Path, plan: Plan) -> tuple[Ladder, dict[str, int], dict[str, Any]] | None:
    """Read it back, with the cameras' bytes in `extra`; None where there is none, or none that fits.

    Then the log is counted from its start.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            head = json.loads(bytes(arrays["head"]))
            if head["format"] != FORMAT or head["plan"] != plan.id:
                log.info("the gate or its reference changed: the monitor counts the log anew")
                return None
            ladder = Ladder(plan)
            ladder.rows, ladder.newest, ladder.first = head["rows"], head["newest"], head["first"]
            ladder.sources = {(source, hour): rows for source, hour, rows in head["sources"]}
            for rung, buckets in enumerate(ladder.rungs):
                sliced = arrays[f"sliced{rung}"].astype(np.int64)
                whole = arrays[f"whole{rung}"].astype(np.int64)
                for place, at in enumerate(arrays[f"at{rung}"].tolist()):
                    buckets[at] = Bucket(sliced[place].copy(), whole[place].copy())
            if len(arrays["cameras"]):
                head["extra"]["cameras"] = arrays["cameras"].tobytes()
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        log.warning("%s cannot be read (%s): the monitor counts the log anew", path, error)
        return None
    return ladder, {str(stem): int(rows) for stem, rows in head["positions"].items()}, head["extra"]
