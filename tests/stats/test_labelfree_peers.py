"""CBPE as NannyML computes it, on the same rows."""

import copy
import csv
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from wardline.stats.labelfree import cbpe, reliability

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
SHIFTS = (0.0, -0.6, 0.8)


def rows(rng: np.random.Generator, count: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    logit = 1.5 * rng.normal(shift, 1.0, count) + 0.5
    return 1 / (1 + np.exp(-1.6 * logit)), rng.uniform(size=count) < 1 / (1 + np.exp(-logit))


def written(file: Path, said: np.ndarray, truth: np.ndarray) -> str:
    with file.open("w") as out:
        writer = csv.writer(out)
        writer.writerow(["y_pred_proba", "y_pred", "y"])
        writer.writerows((float(p), int(p > 0.5), int(y)) for p, y in zip(said, truth, strict=True))
    return str(file)


@pytest.mark.peers
def test_estimates_are_those_of_nannyml(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    reference = rows(rng, 20_000, 0.0)
    analyses = [rows(copy.deepcopy(rng), 5000, shift) for shift in SHIFTS]  # the same people each time
    files = [written(tmp_path / f"{place}.csv", *each) for place, each in enumerate([reference, *analyses])]
    ran = subprocess.run(
        [PYTHON, ROOT / "bench/nannyml_cbpe.py", *files],
        capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    peers = json.loads(ran.stdout.splitlines()[-1])
    said, truth = reference
    known = reliability(np.maximum(said, 1 - said), ((said > 0.5) == truth).astype(float))
    for (p, y), peer in zip(analyses, peers, strict=True):
        ours = cbpe(known, np.maximum(p, 1 - p)).value
        assert ours == pytest.approx(peer, abs=0.01)
        assert abs(ours - ((p > 0.5) == y).mean()) < 0.015
