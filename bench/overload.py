"""Four times the load that can be carried: how fast is who is served, and how fast is who is refused?

    python -m bench.overload [--rounds 5]

A real server with one worker; callers come from a process of their own, at random times and without waiting
for each other (`bench/flood.py`). What a server carries is four fifths of what eight callers who never pause
get out of it. Rounds alternate between that load and four times as much. The first second of each is left
out: a burst is let in, and it takes a tenth of a second until it is told from an overload.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.camera_cost import scene
from bench.load import JSON, drive
from bench.serving import Server, serving
from guards.employment import gate as employment

CARRIED = 0.8
SECONDS = 4.0
ONSET_S = 1.0
BUSY = 0.9
PICTURE = "content-type: image/jpeg\r\nx-camera-id: field-1\r\nx-camera-firmware: 1.0"


@dataclass
class Round:
    """One stretch of load: latencies in milliseconds of who was served, and of who was refused."""

    served: NDArray[np.float64]
    refused: NDArray[np.float64]
    other: Counter[int]
    busy: float

    @classmethod
    def of(cls, server: Server, rate: float, kind: str, seed: int) -> Round:
        command = [sys.executable, "-m", "bench.flood", str(server.port), str(rate), str(SECONDS)]
        ran = subprocess.run(
            [*command, "--seed", str(seed), "--headers", kind],
            input=server.body,
            capture_output=True,
            check=True,
        )
        told = json.loads(ran.stdout)
        answers = np.array(told["answers"])
        late = answers[answers[:, 0] >= ONSET_S]
        status, took = late[:, 1].astype(int), late[:, 2]
        refused = np.isin(status, (429, 503))
        odd = status[~refused & (status != 200)]
        return cls(took[status == 200], took[refused], Counter(odd.tolist()), told["busy"])


def capacity(server: Server, kind: str, requests: int) -> float:
    """Return the requests a second that eight callers who never pause get answered."""
    began = time.perf_counter()
    drive(server.port, "/predict", server.body, requests=requests, kind=kind)
    return requests / (time.perf_counter() - began)


def p99(took: NDArray[np.float64]) -> float:
    return float(np.percentile(took, 99)) if len(took) else float("nan")


def tell(what: str, found: list[Round]) -> None:
    served = statistics.median(p99(each.served) for each in found)
    middle = statistics.median(float(np.median(each.served)) for each in found)
    count, refused = sum(len(each.served) for each in found), sum(len(each.refused) for each in found)
    rate, share = count / len(found) / (SECONDS - ONSET_S), refused / (count + refused)
    print(
        f"  {what}: {rate:.0f} a second served, median {middle:.1f} ms, p99 {served:.1f}; {share:.1%} refused"
    )
    if max(each.busy for each in found) > BUSY:
        print("  the callers' own process was too busy to tell")


def judge(name: str, server: Server, kind: str, rounds: int, requests: int) -> bool:
    """Print what came of one gate; say whether both targets were reached."""
    calm, flooded, rates = [], [], []
    for number in range(rounds):
        carried = CARRIED * capacity(server, kind, requests)
        rates.append(carried)
        calm.append(Round.of(server, carried, kind, number))
        flooded.append(Round.of(server, 4 * carried, kind, number))
    ratios = [p99(b.served) / p99(a.served) for a, b in zip(calm, flooded, strict=True)]
    ratio = statistics.median(ratios)
    refused = np.concatenate([each.refused for each in flooded])
    odd = sum((each.other for each in [*calm, *flooded]), Counter())
    rate = statistics.median(rates)
    eight = rate / CARRIED
    print(f"{name}: {eight:.0f} a second from eight callers, {rate:.0f} carried, {4 * rate:.0f} offered")
    for what, found in (("carried", calm), ("4 times", flooded)):
        tell(what, found)
    under = float((refused < 50).mean()) if len(refused) else 1.0
    print(f"  served p99, 4 times / carried: {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), 3 at most")
    print(f"  refused: median {np.median(refused):.1f} ms, p99 {p99(refused):.1f}, {under:.2%} under 50 ms")
    print(f"  any other answer, or none: {dict(odd) or 'none'}")
    return ratio <= 3 and p99(refused) < 50 and not odd


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.overload")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(sys.argv[1:] if __name__ == "__main__" else []).rounds
    loads = (
        ("employment", json.dumps(employment.contract.examples[0]).encode(), JSON, 2000),
        (
            "leaf",
            scene(480, 640),
            "content-type: image/jpeg\r\nx-camera-id: field-1\r\nx-camera-firmware: 1.0",
            400,
        ),
    )
    reached = []
    for name, body, kind, requests in loads:
        command = [sys.executable, "-m", "wardline", "serve", f"guards.{name}", "--no-monitor"]
        with (
            tempfile.TemporaryDirectory() as folder,
            serving(name, command, body, Path(folder), kind=kind) as server,
        ):
            drive(server.port, "/predict", body, requests=requests // 4, kind=kind)
            reached.append(judge(name, server, kind, rounds, requests))
    print("reached" if all(reached) else "not reached")


if __name__ == "__main__":
    main()
