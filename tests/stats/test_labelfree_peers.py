"""CBPE as NannyML computes it, on the same rows."""

import csv
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from wardline.stats.labelfree import cbpe, reliability

PYTHON = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"


def rows(rng: np.random.Generator, count: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    logit = 1.5 * rng.normal(shift, 1.0, count) + 0.5
    return 1 / (1 + np.exp(-1.6 * logit)), rng.uniform(size=count) < 1 / (1 + np.exp(-logit))


@pytest.mark.peers
@pytest.mark.parametrize("shift", [0.0, -0.6, 0.8])
def test_estimates_are_those_of_nannyml(tmp_path: Path, shift: float) -> None:
    rng = np.random.default_rng(11)
    reference, analysis = rows(rng, 20_000, 0.0), rows(rng, 5000, shift)
    for name, (said, truth) in {"reference": reference, "analysis": analysis}.items():
        with (tmp_path / f"{name}.csv").open("w") as file:
            writer = csv.writer(file)
            writer.writerow(["y_pred_proba", "y_pred", "y"])
            writer.writerows((float(p), int(p > 0.5), int(y)) for p, y in zip(said, truth, strict=True))
    script = Path(__file__).parents[2] / "bench/nannyml_cbpe.py"
    files = [str(tmp_path / "reference.csv"), str(tmp_path / "analysis.csv")]
    ran = subprocess.run([PYTHON, script, *files], capture_output=True, text=True, check=True, timeout=180)
    peer = json.loads(ran.stdout.splitlines()[-1])
    said, truth = reference
    known = reliability(np.maximum(said, 1 - said), ((said > 0.5) == truth).astype(float))
    ours = cbpe(known, np.maximum(analysis[0], 1 - analysis[0])).value
    realised = ((analysis[0] > 0.5) == analysis[1]).mean()
    assert ours == pytest.approx(peer, abs=0.01)
    assert abs(ours - realised) < 0.015
