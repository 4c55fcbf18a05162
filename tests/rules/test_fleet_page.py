"""docs/fleet.md is true: from an empty folder to a page, and the same answer from the store afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.fleet
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/fleet.md").read_text()
BLOCKS = re.findall(r"^```(\S+)([^\n]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_page_end_in_one_answer(tmp_path):
    for name in ("guards", "models", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "fleet").mkdir()
    run, printed = [], []
    for _, options, text in BLOCKS:
        if "file=" in options:
            (tmp_path / options.split("file=")[1].strip()).write_text(text)
        elif options.strip() == "run":
            run.append(text)
    assert len(run) == 3
    try:
        printed += [said(text, tmp_path) for text in run]
    finally:
        stop(tmp_path / "fleet/pids")
    page = (tmp_path / "fleet/pages.txt").read_text()
    (first,) = re.findall(r"^/trip-time-oncall \| WardlineDriftAlert \| distance .*$", page, re.MULTILINE)[:1]
    assert first.endswith("| docs/runbooks/taxi.md")
    live = float(re.search(r'feature="distance".* => ([\d.]+) @', printed[1])[1])
    paged = float(re.search(r"PSI ([\d.]+) over", first)[1])
    told = json.loads(said(run[2].splitlines()[-1] + " --format json", tmp_path))
    (signal_,) = told["signals"]
    assert signal_["subject"] == "distance"
    assert signal_["psi"] == pytest.approx(live, rel=0.03)  # `increase` runs ahead, by less every second
    assert paged >= 0.25  # it was told while rows came in: how many had, is another matter each time
    assert told["verdict"] == "alert"


def said(text, folder):
    """Run a block of the page as a shell does, and return what it printed; the last command may say 1."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", text], cwd=folder, capture_output=True, text=True,
        timeout=600, check=False, env={**os.environ, "PATH": path, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


def stop(pids):
    """End what the page started, in case it did not get so far itself."""
    for pid in pids.read_text().split() if pids.exists() else ():
        try:
            process = psutil.Process(int(pid))
            process.send_signal(signal.SIGTERM)
            process.wait(180)
        except psutil.NoSuchProcess:
            continue
