# ruff: noqa: PLC0415 - each peer is imported when its turn comes: all of them take a minute
"""Other makers' drift detectors with their defaults, on one stream; run by `drift_peers` in .venv-peers.

Usage: python -P drift_streams.py STREAM.npz REFERENCE WINDOW CHANGE, where CHANGE is the first changed row
(-1: none). Or: python -P drift_streams.py --speed A.npz B.npz PEER. (-P: files beside this one are no modules
of theirs.)
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
os.environ |= {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}


def evidently(reference, live, window):
    from evidently import Report
    from evidently.presets import DataDriftPreset

    for start in range(0, len(live) - window + 1, window):
        made = Report([DataDriftPreset()]).run(live.iloc[start : start + window], reference).dict()
        drifted = [metric for metric in made["metrics"] if "DriftedColumnsCount" in str(metric)]
        yield bool(drifted[0]["value"]["count"] >= 1)


def nannyml(reference, live, window):
    import nannyml as nml

    made = nml.UnivariateDriftCalculator(column_names=list(live.columns), chunk_size=window)
    found = made.fit(reference).calculate(live).filter(period="analysis").to_df()
    alerts = found.loc[:, [column for column in found.columns if column[-1] == "alert"]]
    yield from alerts.any(axis=1).tolist()[: len(live) // window]


def alibi_detect(reference, live, window):
    from alibi_detect.cd import TabularDrift

    detector = TabularDrift(reference.to_numpy(), p_val=0.05)
    for start in range(0, len(live) - window + 1, window):
        yield bool(detector.predict(live.iloc[start : start + window].to_numpy())["data"]["is_drift"])


def river(reference, live, window):
    from river.drift import ADWIN

    detectors = {name: ADWIN() for name in live}
    for name, detector in detectors.items():
        for value in reference[name]:
            detector.update(value)
    fired = np.zeros(len(live), dtype=bool)
    for name, detector in detectors.items():
        for row, value in enumerate(live[name].to_numpy()):
            detector.update(value)
            fired[row] |= detector.drift_detected
    yield from fired[: len(live) // window * window].reshape(-1, window).any(axis=1).tolist()


def whylogs(reference, live, _window):
    """Profiles of both, and Hellinger's distance over thirty bins of their sketches, its default.

    Its own module for that does not load without IPython: the distance is written out.
    """
    import whylogs as why

    views = [why.log(pandas=each).view() for each in (reference, live)]
    fired = False
    for name in live.columns:
        one, other = (view.get_column(name).get_metric("distribution").kll.value for view in views)
        low = min(one.get_min_value(), other.get_min_value())
        high = max(one.get_max_value(), other.get_max_value())
        edges = np.linspace(low, high, 31)[1:-1].tolist()
        p, q = (np.sqrt(np.array(each.get_pmf(edges))) for each in (one, other))
        fired |= bool(np.sqrt(((p - q) ** 2).sum() / 2) >= 0.4)
    yield fired


PEERS = {"evidently": evidently, "nannyml": nannyml, "alibi-detect": alibi_detect, "river": river}
"""What watches streams."""

REPORTS = {**PEERS, "whylogs": whylogs}
"""What makes a report of two tables."""


def table(path):
    stored = np.load(path)
    return pd.DataFrame({name: stored[name] for name in stored.files})


def stream(path, reference_rows, window, change):
    rows = table(path)
    rows = rows.fillna(rows.iloc[:reference_rows].median()).fillna(
        -1.0
    )  # not all of them take missing values
    reference, live = rows.iloc[:reference_rows], rows.iloc[reference_rows:].reset_index(drop=True)
    for name, peer in PEERS.items():
        began = time.process_time()
        try:
            fired = list(peer(reference.sample(min(len(reference), 20_000), random_state=1), live, window))
        except Exception as error:  # what a peer cannot do is part of the table
            print(json.dumps({"peer": name, "error": f"{type(error).__name__}: {error}"[:120]}), flush=True)
            continue
        starts = reference_rows + np.arange(len(fired)) * window
        quiet = [f for f, start in zip(fired, starts, strict=True) if change < 0 or start + window <= change]
        hits = [
            start + window - change
            for f, start in zip(fired, starts, strict=True)
            if f and start + window > change >= 0
        ]
        told = {"peer": name, "windows": len(quiet), "false": int(sum(quiet))}
        told |= {"delay": int(hits[0]) if hits else None, "cpu_s": round(time.process_time() - began, 1)}
        print(json.dumps(told), flush=True)


def speed(first, second, peer):
    reference, live = table(first), table(second)
    began = time.process_time(), time.perf_counter()
    list(REPORTS[peer](reference, live, len(live)))
    spent = time.process_time() - began[0], time.perf_counter() - began[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"cpu_s": round(spent[0], 1), "wall_s": round(spent[1], 1), "gb": round(peak, 2)}))


if __name__ == "__main__":
    if sys.argv[1] == "--speed":
        speed(*sys.argv[2:])
    else:
        stream(sys.argv[1], *map(int, sys.argv[2:]))
