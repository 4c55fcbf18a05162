"""`make bench`: every benchmark, one after the other; `python -m bench path serving` runs some."""

from __future__ import annotations

import importlib
import sys

ALL = (
    "path",
    "log",
    "coverage",
    "serving",
    "several",
    "v2",
    "overload",
    "tracing",
    "camera_cost",
    "camera_drift",
    "camera_days",
    "phenocam",
    "labels",
    "monitor",
    "budget",
    "fleet_sim",
    "fleet_cameras",
    "audit",
    "drift_peers",
)


def main() -> None:
    for name in sys.argv[1:] or ALL:
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
