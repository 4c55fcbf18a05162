"""Send a month of taxi trips to a served gate and watch: `python -m models.taxi.replay 2018-12`.

Start `make serve` in one terminal and this in another. The months of 2018 lie beside this file; another
month of the same form is given by its path. `--kilometres` sends the distances as a meter does whose
display was changed from miles: nothing breaks the contract, and every answer is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pyarrow import csv

from guards.taxi import NEW_YORK, gate

DATA = Path(__file__).parent / "data"
KILOMETRES = 1.609344
FARTHEST = 200.0
"""Miles that the contract allows; a meter that shows more is another fault than the one shown here."""
BATCH = 25


def trips(month: str, factor: float = 1.0) -> list[dict[str, Any]]:
    """Read a month's trips as callers send them: New York's clock with its zone, distances times `factor`."""
    path = Path(month) if month.endswith(".gz") else DATA / f"yellow_{month}.csv.gz"
    zone = ZoneInfo(NEW_YORK)
    found = []
    for row in csv.read_csv(path).select(gate.contract.fields).to_pylist():
        at: datetime = row["pickup_datetime"]
        distance = min(FARTHEST, row["trip_distance"] * factor)
        found.append(
            row | {"pickup_datetime": at.replace(tzinfo=zone).isoformat(), "trip_distance": distance}
        )
    return found


def send(url: str, rows: list[dict[str, Any]]) -> list[str]:
    """Ask about some trips at once; return what was done with each."""
    asked = urllib.request.Request(  # noqa: S310 - the address is the user's own
        f"{url}/predict", json.dumps({"rows": rows}).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=30) as reply:  # noqa: S310 - as above
        return [verdict["action"] for verdict in json.load(reply)["verdicts"]]


def monitor(url: str) -> dict[str, Any]:
    """Return what the server says of its monitor."""
    with urllib.request.urlopen(f"{url}/readyz", timeout=30) as reply:  # noqa: S310 - as above
        told: dict[str, Any] = json.load(reply).get("monitor") or {}
        return told


def replay(
    url: str, rows: list[dict[str, Any]], rate: float, wait: Callable[[float], object] = time.sleep
) -> Iterator[Counter[str]]:
    """Send trips at so many a second; give once a second what was done with those of that second."""
    done: Counter[str] = Counter()
    told = begun = time.monotonic()
    for start in range(0, len(rows), BATCH):
        done.update(send(url, rows[start : start + BATCH]))
        now = time.monotonic()
        if now - told >= 1.0:
            yield done
            done, told = Counter(), now
        wait(max(0.0, begun + (start + BATCH) / rate - time.monotonic()))
    yield done


def main() -> None:
    """Replay a month, and print a line a second."""
    parser = argparse.ArgumentParser(prog="python -m models.taxi.replay", description=__doc__)
    parser.add_argument("month", help="such as 2018-12, or the path of a yellow_....csv.gz")
    parser.add_argument("--kilometres", action="store_true", help="distances as a changed meter shows them")
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--rate", type=float, default=400.0, help="trips a second [default: 400]")
    parser.add_argument("--rows", type=int, help="only so many trips of the month")
    asked = parser.parse_args()
    rows = trips(asked.month, KILOMETRES if asked.kilometres else 1.0)[: asked.rows]
    sent = 0
    try:
        for done in replay(asked.url, rows, asked.rate):
            sent += done.total()
            told = monitor(asked.url)
            held = f", holds {', '.join(told['held'])}" if told.get("held") else ""
            what = "  ".join(f"{action} {count:>4}" for action, count in sorted(done.items()))
            print(f"{sent:>6,} trips | {what} | monitor {told.get('state', 'unknown')}{held}", flush=True)
    except OSError as error:
        sys.exit(f"{asked.url} does not answer: {error}. Is `make serve` running?")


if __name__ == "__main__":
    main()
