"""alibi-detect's online detector over the same streams, in the peers' environment.

    .venv-peers/bin/python bench/camera_alibi.py STREAMS.npz RUN_LENGTH

`bench/camera_drift.py` runs it. Prints JSON: clean frames, alarms in them, and the delays of every change.
Every twelfth camera; the first 200 clean frames are its reference, the others are watched.
"""

import json
import logging
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

from alibi_detect.cd import CVMDriftOnline  # noqa: E402 - it warns while it is imported

REFERENCE, WITHIN, WINDOWS = 200, 12, [5, 10]


def main() -> None:
    held = np.load(sys.argv[1])
    run_length = int(sys.argv[2])
    frames = alarms = 0
    delays = []
    cleans, changed = (held[name][::12].astype(float) for name in ("clean_peers", "after_peers"))
    for clean, after in zip(cleans, changed, strict=True):
        detector = CVMDriftOnline(
            clean[:REFERENCE],
            ert=run_length,
            window_sizes=WINDOWS,
            n_bootstraps=8 * run_length,  # its quantile needs more than one of these a frame and column
            verbose=False,
        )
        for row in clean[REFERENCE:]:
            frames += 1
            if drifted(detector, row):
                alarms += 1
                detector.reset_state()
        told = []
        for cause in after:
            for size in cause:
                detector.reset_state()
                for row in clean[-50:]:
                    detector.predict(row)
                seen = (delay for delay, row in enumerate(size[:WITHIN], 1) if drifted(detector, row))
                told.append(next(seen, None))
        delays.append(told)
    print(json.dumps({"frames": frames, "alarms": alarms, "delays": delays}))


def drifted(detector: CVMDriftOnline, row: np.ndarray) -> bool:
    return bool(np.any(detector.predict(row)["data"]["is_drift"]))


if __name__ == "__main__":
    main()
