"""Four questions about a running service, answered with a terminal alone, and with a browser alone.

Why was request X answered by the fallback; which guard speaks most today; which camera is slowest; what did
the model see.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.frames import jpeg
from tests.serving.server import serving
from tests.ui.browser import browsing
from tests.ui.yard import gate
from wardline import Settings
from wardline.serving import app

ROOT, TARGET = Path(__file__).parents[2], "tests.ui.yard"
RNG = np.random.default_rng(4)


class Running(NamedTuple):
    """A running service: where it is, and where its files are."""

    url: str
    home: Path


def picture(height: int, width: int, light: float) -> bytes:
    slope = np.linspace(0.4, 1.0, width)[None, :, None] * light
    return jpeg(np.clip(slope + RNG.normal(0, 5, (height, width, 3)), 0, 255).astype(np.uint8))


SMALL, LARGE, DARK = picture(120, 160, 200.0), picture(1080, 1920, 200.0), picture(120, 160, 30.0)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with three cameras: one sends large pictures, one a dark one."""
    home = tmp_path_factory.mktemp("home")
    with serving(app(gate, Settings(home=home))) as client:
        for camera, body in [("north", SMALL)] * 4 + [("south", LARGE)] * 4 + [("west", DARK)] * 2:
            headers = {"content-type": "image/jpeg", "x-camera-id": camera, "x-camera-firmware": "1"}
            assert client.post("/predict", content=body, headers=headers).status_code == 200
        headers = {**headers, "x-request-id": "order-17"}
        assert client.post("/predict", content=DARK, headers=headers).json()["action"] == "fallback"
        opened = gate.open()
        opened.tracer.flush()  # type: ignore[union-attr] # a served gate has one
        opened.sink.flush()  # type: ignore[attr-defined] # the log's own
        yield Running(str(client.base_url), home)


def ask(running: Running, *arguments: str) -> str:
    """What a person reads who types this."""
    env = {**os.environ, "WARDLINE_HOME": str(running.home)}
    command = [sys.executable, "-m", "wardline", "traces", TARGET, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=300, check=False
    )
    return done.stdout


def below(text: str, head: str) -> str:
    """The first line of a table, without its spaces."""
    lines = text[text.index(head) :].splitlines()
    return " ".join(next(line for line in lines[1:] if line.strip(" ─")).split())


def test_with_a_terminal(running: Running) -> None:
    told = ask(running, "order-17")
    assert "fallback · served by rule" in told  # why was it answered by the fallback?
    assert "block: dark.too_dark exposure" in told
    assert "expected at least 60" in told
    assert "what the model saw" in told  # what did the model see?
    assert (
        "exposure" in told.split("what the model saw")[1].split("\n")[1]
    )  # the one that was found comes first
    kept = Path(told.split("the frame, made small: ")[1].split("\n")[0])
    assert kept.read_bytes()[:2] == b"\xff\xd8"
    day = ask(running, "--summary")
    assert "11 rows since" in day
    assert below(day, "who speaks most").startswith("dark dark.too_dark 3")  # which guard speaks most?
    assert below(day, "slowest camera").startswith("south 4")  # which camera is slowest?
    assert below(day, "slowest camera").endswith("contract")  # for it decodes large pictures
    assert "order-17" in ask(running, "--action", "fallback", "--camera", "west")


@pytest.mark.browser
def test_with_a_browser(running: Running) -> None:
    with browsing(base_url=running.url, java_script_enabled=False) as seen:
        tab = seen.tab
        tab.goto("/ui/")
        assert "11 rows" in tab.inner_text("main")
        guards = tab.locator("table:has(caption:has-text('Which guard speaks most'))")
        assert guards.locator("tbody tr").first.inner_text().split()[:3] == ["dark", "dark.too_dark", "3"]
        cameras = tab.locator("table:has(caption:has-text('The slowest camera first'))")
        slowest = cameras.locator("tbody tr").first
        assert slowest.inner_text().split()[0] == "south"
        assert "contract" in slowest.inner_text()
        guards.locator("tbody tr").first.locator("a").click()
        tab.wait_for_url("**guard=dark**")
        tab.click("text=order-17")
        tab.wait_for_url("**/ui/traces/*")
        told = tab.inner_text("main")
        assert "fallback, served by rule" in told
        assert "dark.too_dark" in told
        assert "at least 60" in told
        features = tab.locator("table:has(th:has-text('place in the reference'))")
        assert features.locator("tbody tr").first.inner_text().split()[0] == "exposure"
        image = tab.locator("img.frame")
        box = image.bounding_box()
        assert box is not None
        assert box["width"] > 100
        assert box["height"] > 60  # it was decoded: an image that is none has no such height
        assert tab.locator("text=older of camera west").count() == 1
        tab.click("text=older of camera west")
        assert "order-17" not in tab.inner_text("h1")
