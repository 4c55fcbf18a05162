"""The loop: mutate, give, watch. What breaks a promise is kept as a case, and every case is a test."""

from __future__ import annotations

import hashlib
import os
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from tests.fuzzing.mutate import mutated
from tests.fuzzing.targets import TARGETS, Target

CASES = Path(__file__).parent / "cases"
SLOW_S = 5.0  # an input that takes a processor longer than this is a finding
HUNG_S = 60.0  # so is one that takes so long by the clock, whatever else the machine does
GROWTH_MB = 400.0  # so much more memory than after the seeds is one too


@dataclass
class Findings:
    """What came of fuzzing one target: how many inputs, the first input of each kind of failure, memory."""

    runs: int = 0
    growth_mb: float = 0.0
    failures: dict[str, tuple[bytes, str]] = field(default_factory=dict)


def fuzz(target: Target, *, seed: int, runs: int | None = None, seconds: float = 1e9) -> Findings:
    """Give a target mutated bytes until `runs` or `seconds` are over; then its seeds must be served still."""
    found, rng, process = Findings(), Random(seed), psutil.Process()
    seeds = [*target.seeds(), *cases(target.name)]
    for sound in target.seeds():
        target.run(sound)
    before, end = process.memory_info().rss, time.monotonic() + seconds
    while time.monotonic() < end and (runs is None or found.runs < runs):
        data, began = mutated(seeds, rng), (time.monotonic(), _spent())
        found.runs += 1
        try:
            target.run(data)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
            found.failures.setdefault(place, (data, traceback.format_exc()))
        took, spent = time.monotonic() - began[0], _spent() - began[1]
        if took > HUNG_S or spent > SLOW_S:
            found.failures.setdefault("slow", (data, f"{took:.1f} s, {spent:.1f} of a processor"))
    for sound in target.seeds():
        target.run(sound)
    found.growth_mb = (process.memory_info().rss - before) / 1e6
    if found.growth_mb > GROWTH_MB:
        found.failures["memory"] = (b"", f"{found.growth_mb:.0f} MB more than before")
    return found


def _spent() -> float:
    """Return the processor's seconds of this process and of those it started and that ended."""
    return sum(os.times()[:4])


def cases(name: str) -> Iterator[bytes]:
    """Give the inputs that once broke a target."""
    for path in sorted((CASES / name).glob("*.bin")):
        yield path.read_bytes()


def keep(name: str, data: bytes) -> Path:
    """Keep an input as a regression case."""
    path = CASES / name / f"{hashlib.sha256(data).hexdigest()[:12]}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


__all__ = ["CASES", "TARGETS", "Findings", "cases", "fuzz", "keep"]
