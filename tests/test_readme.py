"""The README is true: its requests give the answers it prints, and its own-model example runs as written."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from guards.taxi import gate
from tests.serving.server import serving
from wardline import Settings
from wardline.serving import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\S+)([^\n]*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
CALLS = [
    (request[2], answer[2])
    for request, answer in itertools.pairwise(BLOCKS)
    if request[2].startswith("curl") and answer[0] == "json"
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(app(gate, Settings(home=tmp_path_factory.mktemp("home")))) as client:
        yield client


def plain(answer: Any) -> Any:
    """Leave out what differs from call to call, and round what differs from processor to processor."""
    if isinstance(answer, dict):
        return {key: plain(value) for key, value in answer.items() if key not in ("request_id", "trace_id")}
    if isinstance(answer, list):
        return [plain(value) for value in answer]
    return round(answer, 3) if isinstance(answer, float) else answer


@pytest.mark.parametrize(("command", "printed"), CALLS, ids=["good", "broken", "out of range"])
def test_each_request_gets_the_answer_that_is_printed(
    client: httpx.Client, command: str, printed: str
) -> None:
    command = command.replace("localhost:3000", f"127.0.0.1:{client.base_url.port}")
    answered = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)  # noqa: S607
    assert plain(json.loads(answered.stdout)) == plain(json.loads(printed))


def test_the_own_model_example_runs_as_written(tmp_path: Path) -> None:
    (tmp_path / "models/taxi").mkdir(parents=True)
    (tmp_path / "models/taxi/data").symlink_to(ROOT / "models/taxi/data")
    env = {**os.environ, "HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    printed = ""
    for language, options, text in BLOCKS:
        if "file=" in options:
            file = tmp_path / options.split("file=")[1].strip()
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            if file.name != "train.py":
                continue
            command = [sys.executable, "train.py"]
        elif options.strip() == "run":
            command = ["bash", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        else:
            continue
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed = done.stdout
    assert re.fullmatch(r"serve 12\.\d+ \(\d+\.\d+, \d+\.\d+\)\n", printed)


def test_the_guard_of_the_readme_is_at_most_thirty_lines() -> None:
    (text,) = [text for _, options, text in BLOCKS if "guards/fare.py" in options]
    assert len(text.splitlines()) <= 30


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"
