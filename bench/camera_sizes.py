"""How large documented changes of real cameras are, beside small, medium and large ones that are simulated.

    python -m bench.camera_sizes STREAMS.npz DATA/phenocam_stats

A real change's size is what each day of the year after it differs by from the same day, two either side, of
the year before: the median over days. A simulated one's is what its frames differ by from as many before it.
Both are logarithms of red and of blue against green, the larger of the two, and of brightness; the medians
over changes, and their quartiles. The network's noise, focus and compression are not in its daily series.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.phenocam import read
from models.camera import streams
from models.camera.isp import SIZES
from models.camera.streams import CAUSES, Stream
from wardline.stats.image import Statistics

Array = NDArray[np.float64]
ASKED = ("isp.white_balance", "isp.tone", "isp.black_level")
_YEAR, _NEAR, _LEAST = 365, 2, 60
_PLACES = [Statistics._fields.index(name) for name in ("gain_red", "gain_blue", "exposure")]


def documented(folder: Path) -> dict[str, list[Array]]:
    """Return by strength how each change moved red, blue (against green) and brightness, logarithms."""
    found: dict[str, list[Array]] = {}
    with (folder / "change_events.csv").open() as file:
        for event in csv.DictReader(file):
            name = f"{event['site']}_{event['veg_type']}_"
            before, after = (
                read(folder / "series" / f"{name}{event[roi]}_1day.csv.gz")
                for roi in ("roi_before", "roi_after")
            )
            year = after[(after[:, 0] >= before[-1, 0]) & (after[:, 0] <= before[-1, 0] + _YEAR)]
            days = []
            for day in year:
                same = before[np.abs(before[:, 0] + _YEAR - day[0]) <= _NEAR, 1:]
                if len(same):
                    days.append(day[1:] - np.median(same, axis=0))
            if len(days) >= _LEAST:
                found.setdefault(event["strength"], []).append(np.median(days, axis=0))
    return found


def simulated(every: list[Stream], cause: str, size: int) -> list[Array]:
    """Return the same of each simulated camera."""
    found = []
    for each in every:
        after = each.after[CAUSES.index(cause), size][:, _PLACES].astype(np.float64)
        before = each.clean[-len(after) :, _PLACES].astype(np.float64)
        after[:, 2], before[:, 2] = np.log(after[:, 2]), np.log(before[:, 2])
        found.append(np.median(after, axis=0) - np.median(before, axis=0))
    return found


def told(name: str, moved: list[Array]) -> None:
    sizes = np.abs(np.array(moved))
    parts = (("colour", sizes[:, :2].max(axis=1)), ("brightness", sizes[:, 2]))
    shown = (
        "{} {:.3f} ({:.3f} to {:.3f})".format(part, *np.quantile(each, [0.5, 0.25, 0.75]))
        for part, each in parts
    )
    print(f"{name:32} {len(sizes):3} changes:", ", ".join(shown))


def main() -> None:
    if len(sys.argv) < 3 or not Path(sys.argv[1]).is_file():
        print("needs STREAMS.npz of models.camera.streams, and the folder phenocam_stats")
        return
    real = documented(Path(sys.argv[2]))
    for strength in ("weak", "medium", "strong"):
        told(f"documented, {strength}", real.get(strength, []))
    every = streams.read(Path(sys.argv[1]))
    for cause in ASKED:
        for place, size in enumerate(SIZES):
            told(f"simulated, {cause} {size}", simulated(every, cause, place))


if __name__ == "__main__":
    main()
