"""Camera changes over living scenes: detected or not, how late, how often falsely, and what they were called.

    python -m bench.camera_drift STREAMS.npz [DATA [DAY_AFTER.npz]]

`python -m models.camera.streams DATA STREAMS.npz` makes the streams first: simulated cameras over real
pictures, light, weather and passers-by left on (a quarter of an hour on two cores). Causes are taught with
what `python -m models.camera.day_after DATA DAY_AFTER.npz` makes, too, where it is given. Every figure is of
cameras left out when the fleet was taught. The peers see what peers compute of an image (`streams.PEERS`:
brightness, contrast, entropy, HSV); each is set to the same rate of false alarms on the same clean streams.
With DATA, real folders are looked through too.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from models.camera import streams
from models.camera.build import taught
from models.camera.named import named, printed
from models.camera.quick import JUDGED, Held, crossed, limit_for, tail
from models.camera.streams import CAUSES, Stream
from wardline.stats.camera_change.online import CONFIRMED, RUN_LENGTH, Detector

Rows = NDArray[np.float32]
BEFORE, WITHIN = 50, 12
PHYSICAL = (
    "isp.sharpening",
    "isp.denoise",
    "sensor.noise",
    "codec.requantised",
    "optics.focus",
    "geometry.resolution",
)
COLOUR = ("isp.white_balance", "isp.tone", "isp.black_level")
PARTS = {"sharpness, noise, compression, size": PHYSICAL, "tone and colour": COLOUR, "all": CAUSES}
Score = Callable[[Rows, Rows], float]


def z_brightness(now: Rows, then: Rows) -> float:
    return abs(float(now[:, 0].mean() - then[:, 0].mean())) / max(float(then[:, 0].std()), 1e-6)


def ks(now: Rows, then: Rows) -> float:
    p_values = [float(ks_2samp(*both).pvalue) for both in zip(now.T, then.T, strict=True)]
    return -np.log10(max(min(p_values) * len(p_values), 1e-30))


def psi(now: Rows, then: Rows) -> float:
    worst = 0.0
    for both in zip(now.T, then.T, strict=True):
        edges = np.quantile(both[1], [0.2, 0.4, 0.6, 0.8])
        p, q = (
            (np.bincount(np.searchsorted(edges, each), minlength=5) + 0.5) / (len(each) + 2.5)
            for each in both
        )
        worst = max(worst, float(np.sum((p - q) * np.log(p / q))))
    return worst


def mmd(now: Rows, then: Rows) -> float:
    """Return the squared maximum mean discrepancy (Gretton et al. 2012), as `MMDDrift` of alibi-detect does.

    Its own needs PyTorch or TensorFlow. Kernel: Gaussian, its width the median distance; unit: then's spread.
    """
    both = np.concatenate([now, then]) / np.maximum(then.std(axis=0), 1e-6)
    apart = np.sum((both[:, None] - both) ** 2, axis=2)
    kernel = np.exp(-apart / max(float(np.median(apart[apart > 0.0])), 1e-9)) if apart.any() else apart + 1.0
    np.fill_diagonal(kernel, 0.0)
    n, m = len(now), len(then)
    within = kernel[:n, :n].sum() / (n * (n - 1)) + kernel[n:, n:].sum() / (m * (m - 1))
    return float(within - 2.0 * kernel[:n, n:].mean())


def peer_series(rows: Rows, score: Score, start: int) -> list[float]:
    return [score(rows[end - 10 : end], rows[end - 50 : end - 10]) for end in range(start + 1, len(rows) + 1)]


def ours(held: list[Held]) -> tuple[float, dict[tuple[str, int], list[int | None]]]:
    """Return the run length on clean streams, and each change's delay in frames (None: too late).

    The limit of a camera is set on the clean frames of cameras in other folds, each scored by what cameras
    in yet others taught.
    """
    frames = alarms = stood = 0
    delays: dict[tuple[str, int], list[int | None]] = {}
    for each in held:
        limit, fall = tail([other.scores for other in held if other.fold != each.fold], JUDGED)
        detector = Detector(each.known._replace(limits={**each.known.limits, "fast": limit, "fall": fall}))
        for row in each.stream.clean:
            alarms += detector.update(row) is not None
            stood += detector.standing is not None and detector.frames - 1 - detector.standing.at == CONFIRMED
            frames += 1
        for place, cause in enumerate(CAUSES):
            for size in range(3):
                later, rows = copy.deepcopy(detector), each.stream.after[place, size, :WITHIN]
                seen = (delay for delay, row in enumerate(rows, 1) if later.update(row))
                delays.setdefault((cause, size), []).append(next(seen, None))
    run_length = frames / max(alarms, 1)
    print(
        f"ours: {alarms} false alarms in {frames} clean frames, one in {run_length:.0f}; {stood} of them "
        f"still stood after {CONFIRMED} frames"
    )
    return run_length, delays


def table(name: str, delays: dict[tuple[str, int], list[int | None]], within: int = 10) -> None:
    for label, causes in PARTS.items():
        rates = []
        for size in range(3):
            found = [each for cause in causes for each in delays[cause, size]]
            rates.append(np.mean([each is not None and each <= within for each in found]))
        late = [
            each for cause in causes for size in (1, 2) for each in delays[cause, size] if each is not None
        ]
        middle = f"{np.median(late):.0f}" if late else "-"
        told = "  ".join(f"{rate:.2f}" for rate in rates)
        print(f"{name:14} {label:36} small, medium, large {told}; median delay {middle}")


def peers(every: list[Stream], run_length: float) -> None:
    if not len(every[0].clean_peers):
        print("peers: these streams were made before they were measured as peers do")
        return
    for name, score in (("z, brightness", z_brightness), ("KS", ks), ("PSI", psi), ("MMD", mmd)):
        clean = [np.array(peer_series(each.clean_peers, score, BEFORE)) for each in every[::3]]
        limit = limit_for(clean, int(run_length))
        delays: dict[tuple[str, int], list[int | None]] = {}
        for each in every[::3]:
            for place, cause in enumerate(CAUSES):
                for size in range(3):
                    rows = np.concatenate(
                        [each.clean_peers[-BEFORE:], each.after_peers[place, size, :WITHIN]]
                    )
                    seen = peer_series(rows, score, BEFORE)
                    passed = [delay for delay, value in enumerate(seen, 1) if value > limit]
                    delays.setdefault((cause, size), []).append(passed[0] if passed else None)
        table(name, delays)


def alibi(path: Path) -> None:
    """Run alibi-detect's online detector, set to our run length, in its own environment."""
    python = Path(".venv-peers/bin/python")
    if not python.is_file():
        print("alibi-detect: no .venv-peers here")
        return
    told = subprocess.run(
        [python, "bench/camera_alibi.py", path, str(RUN_LENGTH)],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found = json.loads(told)
    every = found["frames"] / max(found["alarms"], 1)
    print(f"alibi-detect CVMDriftOnline, set to {RUN_LENGTH}: one alarm in {every:.0f} clean frames")


def folders(data: Path) -> None:
    from wardline.camera.folder import frames, listed  # noqa: PLC0415 - only where folders are asked for
    from wardline.camera.review import review  # noqa: PLC0415 - as above

    for name in (
        "phenocam_images",
        "marsh_fixed_camera_2012",
        "coffee_leaf/symptom/val",
        "aerial_camera_swap",
    ):
        found = review(list(frames(data / name, listed(data / name))))
        print(
            f"{name}: {found.verdict}", *(f"{each.kind} at {each.place}" for each in found.events), sep="; "
        )


def main() -> None:
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        print("needs a file of streams: python -m models.camera.streams DATA STREAMS.npz")
        return
    every = streams.read(Path(sys.argv[1]))
    days = streams.read(Path(sys.argv[3])) if len(sys.argv) > 3 else []
    held = crossed(every, partial(taught, days=days))
    run_length, delays = ours(held)
    table("ours", delays)
    for cause in CAUSES:
        rates = (
            np.mean([each is not None and each <= 10 for each in delays[cause, size]]) for size in range(3)
        )
        print(f"  {cause:20}", *(f"{each:.2f}" for each in rates))
    peers(every, run_length)
    if len(every[0].clean_peers):
        alibi(Path(sys.argv[1]))
    printed(named(held))
    if len(sys.argv) > 2:
        folders(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
