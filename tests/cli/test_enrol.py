"""A camera's normal, learned from a folder of its frames or from what the gate logged of them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from tests.cli.yard import gate
from wardline import Settings
from wardline.cameras import Cameras, load
from wardline.cli import cli

CAMERA = "yard-7"


def photo(seed: int, level: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    slope = np.linspace(-60, 60, 160)[None, :, None] + np.array([8, 0, -8.0])
    return np.clip(level + slope + rng.normal(0, 6, (120, 160, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Thirty frames by day and fifteen by night."""
    folder = tmp_path_factory.mktemp("frames")
    for number in range(45):
        pixels = photo(number, 110 + number)
        if number >= 30:  # infrared: one grey for all channels
            pixels = np.repeat(pixels[:, :, :1] // 3, 3, axis=2)
        cv2.imwrite(str(folder / f"{number:02}.jpg"), pixels)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def enrol(home: Path, *options: str, status: int = 0) -> str:
    command = ["enrol", "tests.cli.yard", "--camera", CAMERA, "--home", str(home), *options]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == status, result.output
    return result.output


def test_a_folder_of_frames_makes_a_reference_with_day_and_night_apart(frames, tmp_path):
    told = json.loads(enrol(tmp_path, "--source", str(frames), "--firmware", "2.1", "--format", "json"))
    assert (told["frames"], set(told["modes"])) == (45, {"day", "night"})
    known = Cameras.read({"cameras": load(tmp_path / "yard/cameras.json")}).of(CAMERA)
    assert known.known.software == ("2.1",)
    assert known.known.sizes == ((160, 120),)


def test_the_log_makes_one_too_and_keeps_what_was_known_of_the_encoder(frames, tmp_path):
    enrol(tmp_path, "--source", str(frames), "--firmware", "2.1")
    before = Cameras.read({"cameras": load(tmp_path / "yard/cameras.json")}).of(CAMERA)
    gate.close()  # whoever asked it before may have left it open
    with gate.open(Settings(home=tmp_path)).gate:
        for number in range(60):
            picture = (frames / f"{number % 30:02}.jpg").read_bytes()
            for camera in (CAMERA, "another"):
                gate({"picture": picture, "camera": camera, "firmware": "2.1"})
    told = json.loads(enrol(tmp_path, "--since", "1h", "--format", "json"))
    after = Cameras.read({"cameras": load(tmp_path / "yard/cameras.json")}).of(CAMERA)
    assert (told["frames"], told["modes"]) == (60, ["day"])
    assert after.known == before.known
    day = [each.modes["day"]["noise"].center for each in (before, after)]
    assert day[0] == pytest.approx(day[1], rel=0.2)


def test_a_few_frames_are_too_few(frames, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    (few / "one.jpg").write_bytes((frames / "00.jpg").read_bytes())
    assert "1 frames there, 40 are the least" in " ".join(
        enrol(tmp_path, "--source", str(few), status=2).split()
    )
    assert "0 frames there, 40 are the least; of the log only answered ones count" in " ".join(
        enrol(tmp_path, status=2).replace("│", " ").split()
    )
    wrong = CliRunner().invoke(cli, ["enrol", "guards.taxi", "--camera", "a"])
    assert "not over frames" in wrong.output
