"""`make fuzz`: every target in turn, for so many seconds each; what breaks is kept, printed, and fails.

python -m tests.fuzzing 60            # a minute each
python -m tests.fuzzing 600 picture   # one for ten minutes
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.examples import declared_pair, doubling
from tests.fuzzing.loop import TARGETS, fuzz, keep
from tests.fuzzing.surface import explore
from tests.serving.server import serving
from wardline import Chain, Python, Rule, Settings
from wardline.serving import app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing")
    parser.add_argument("seconds", nargs="?", type=float, default=30.0)
    parser.add_argument("targets", nargs="*", help=f"of: {', '.join([*TARGETS, 'surface'])}")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)  # what is refused is logged, thousands of times
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders of pictures complain in C
    failed = False
    for name in asked.targets or [*TARGETS, "surface"]:
        if name == "surface":
            print(f"surface: {surface(asked.seconds, asked.seed)} requests, clean", flush=True)
            continue
        found = fuzz(TARGETS[name], seed=asked.seed, seconds=asked.seconds)
        told = f"{found.runs} inputs, {len(found.failures)} failures, {found.growth_mb:+.0f} MB"
        print(f"{name}: seed {asked.seed}, {told}", flush=True)
        for place, (data, said) in found.failures.items():
            failed = True
            print(f"  {place}: kept as {keep(name, data)}\n{said}", flush=True)
    sys.exit(failed)


def surface(seconds: float, seed: int) -> int:
    """Let schemathesis ask a served gate for so long; it raises where an answer is not as published."""
    gate = declared_pair(Chain(Python(lambda: doubling, name="model"), Rule(lambda row: -1.0)))
    requests, end = 0, time.monotonic() + seconds
    with (
        tempfile.TemporaryDirectory() as home,
        serving(app(gate, Settings(home=Path(home)))) as client,
    ):
        while time.monotonic() < end:
            seed += 1
            requests += explore(client, examples=20, number=seed)
    return requests


if __name__ == "__main__":
    main()
