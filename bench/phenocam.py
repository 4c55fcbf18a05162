"""Changes that a phenology network documented, found in its daily colours: how many, how often falsely.

    python -m bench.phenocam DATA/phenocam_stats

Each image day gives red and blue against green and brightness, means of a fixed region. A camera's last 26
image days are held against the 40 before by their medians, once as they are and once less what the same days
of earlier years showed; steps are measured by how far this camera's steps usually go and by how they hang
together in the fleet. Limits are set on half of the sites at one alarm in a camera-year and judged on the
other half, and the other way round. A documented change counts as found within its first 30 image days. This
is what such a series gives with the means of `stats.camera_change.online`; the monitor does not run it.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]
AFTER, BEFORE, WITHIN = 26, 40, 30
YEAR, NEAR, APART = 365.25, 12.0, 200.0  # days
_MEMORY, _PRIOR, _CAPPED, _STEP = 300, 100, 3.0, 8.0
_SHRUNK = 0.3
_AGAIN = 45  # image days by which two alarms are apart


class Stretch(NamedTuple):
    """One camera between two documented changes, and its first image days after the second, if any."""

    site: str
    strength: str
    days: Array
    values: Array
    own: int


def read(path: Path) -> Array:
    """Return day, red against green, blue against green and brightness (logarithms) of each image day."""
    rows = []
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            try:
                red, green, blue = (float(row[f"{name}_mean"]) for name in "rgb")
            except ValueError:
                continue
            day = date.fromisoformat(row["date"]).toordinal()
            rows.append((day, np.log(red / green), np.log(blue / green), np.log((red + green + blue) / 3)))
    return np.array(rows)


def stretches(folder: Path) -> Iterator[Stretch]:
    """Part every series at its documented changes; the stable ones are whole."""
    series = {path.name[: -len("_1day.csv.gz")]: read(path) for path in (folder / "series").glob("*.csv.gz")}
    for line in (folder / "stable_series.csv").read_text().splitlines()[1:]:
        values = series[line.split(",")[0]]
        yield Stretch(line.split("_")[0], "", values[:, 0], values[:, 1:], len(values))
    with (folder / "change_events.csv").open() as file:
        for event in csv.DictReader(file):
            name = f"{event['site']}_{event['veg_type']}_"
            before, after = series[name + event["roi_before"]], series[name + event["roi_after"]]
            after = after[after[:, 0] >= before[-1, 0]][:WITHIN]
            both = np.vstack([before, after])
            yield Stretch(event["site"], event["strength"], both[:, 0], both[:, 1:], len(before))


def less_years(days: Array, values: Array) -> Array:
    """Take away the median of the same days in earlier years; NaN where there are none."""
    found = np.full_like(values, np.nan)
    for place in range(len(values)):
        ago = days[place] - days[:place]
        same = (np.abs((ago + YEAR / 2) % YEAR - YEAR / 2) <= NEAR) & (ago > APART)
        if same.sum() >= 4:
            found[place] = values[place] - np.median(values[:place][same], axis=0)
    return found


def steps(values: Array) -> Array:
    """Return the median of the last days less that of those before, at each day."""
    found = np.full(values.shape, np.nan)
    if len(values) >= AFTER + BEFORE:
        now = np.median(sliding_window_view(values, AFTER, axis=0), axis=-1)
        then = np.median(sliding_window_view(values, BEFORE, axis=0), axis=-1)
        found[AFTER + BEFORE - 1 :] = now[BEFORE:] - then[: len(values) - AFTER - BEFORE + 1]
    return found


def learned(shown: list[Array]) -> tuple[Array, Array]:
    """Return how far steps usually go in the fleet, and the inverse of how they hang together."""
    shown = [each[np.isfinite(each).all(axis=1)] for each in shown]
    shown = [each for each in shown if len(each) > 60]
    own = [np.sqrt(np.mean(np.clip(each, -0.4, 0.4) ** 2, axis=0)) for each in shown]
    units = np.concatenate(
        [np.clip(each[::5] / usual, -4, 4) for each, usual in zip(shown, own, strict=True)]
    )
    covariance = units.T @ units / len(units)
    covariance = (1 - _SHRUNK) * covariance + _SHRUNK * np.diag(np.diag(covariance))
    return np.median(own, axis=0), np.linalg.inv(covariance)


def scored(found: Array, own: int, usual: Array, precision: Array) -> Array:
    """Score each day's step in the camera's own units, learned from its days so far."""
    scores, still = np.zeros(len(found)), usual**2
    for place, step in enumerate(found):
        if not np.isfinite(step).all():
            continue
        z = np.clip(step / np.sqrt(still), -_STEP, _STEP)
        scores[place] = np.sqrt(z @ precision @ z)
        if place < own:
            still = still + (np.minimum(step**2, _CAPPED**2 * still) - still) / min(_PRIOR + place, _MEMORY)
            still = np.maximum(still, (0.5 * usual) ** 2)
    return scores


def alarms(each: Stretch, scores: Array, limit: float) -> int:
    """Count alarms before the documented change."""
    count, last = 0, -1000
    for place in np.flatnonzero(scores[: each.own] > limit).tolist():
        count, last = count + (place - last > _AGAIN), place
    return count


def years(some: list[Stretch]) -> float:
    return sum(float(each.days[each.own - 1] - each.days[0]) / YEAR for each in some)


def limit_for(some: list[Stretch], scores: list[Array], rate: float) -> float:
    """Return the least limit at so many alarms in a camera-year, to two digits."""
    most = max(float(each.max()) for each in scores)
    for share in np.arange(0.1, 1.0, 0.005).tolist():
        told = sum(alarms(each, score, share * most) for each, score in zip(some, scores, strict=True))
        if told <= rate * years(some):
            return share * most
    return most


def against(every: list[Stretch], looks: tuple[list[Array], ...], shown: list[bool]) -> list[Array]:
    """Score all by what some of them taught: the higher of both looks, where 1 is one alarm a year."""
    some = [each for each, use in zip(every, shown, strict=True) if use]
    higher = [np.zeros(len(each.days)) for each in every]
    for look in looks:
        known = learned([d[: e.own] for d, e, use in zip(look, every, shown, strict=True) if use])
        scores = [scored(d, e.own, *known) for d, e in zip(look, every, strict=True)]
        limit = limit_for(some, [each for each, use in zip(scores, shown, strict=True) if use], 0.5)
        higher = [np.maximum(held, each / limit) for held, each in zip(higher, scores, strict=True)]
    limit = limit_for(some, [each for each, use in zip(higher, shown, strict=True) if use], 1.0)
    return [each / limit for each in higher]


def main() -> None:
    if len(sys.argv) < 2 or not (Path(sys.argv[1]) / "change_events.csv").is_file():
        print("needs the folder phenocam_stats")
        return
    every = list(stretches(Path(sys.argv[1])))
    looks = (
        [steps(each.values) for each in every],
        [steps(less_years(each.days, each.values)) for each in every],
    )
    sites = sorted({each.site for each in every})
    found, asked, false, time = Counter[str](), Counter[str](), 0, 0.0
    for half in (0, 1):
        ratio = against(every, looks, [sites.index(each.site) % 2 != half for each in every])
        for each, score in zip(every, ratio, strict=True):
            if sites.index(each.site) % 2 != half:
                continue
            if each.strength:
                asked[each.strength] += 1
                found[each.strength] += bool((score[each.own :] > 1).any())
            else:
                false, time = false + alarms(each, score, 1.0), time + years([each])
    for strength in ("strong", "medium", "weak"):
        print(f"{strength:7} found within {WITHIN} image days: {found[strength]} of {asked[strength]}")
    print(f"false alarms on stable series: {false} in {time:.0f} camera-years, {false / time:.2f} a year")


if __name__ == "__main__":
    main()
