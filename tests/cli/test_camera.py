"""`wardline camera`: one object for programs, a table for people, one page to look at."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from tests.frames import jpeg, scene, shot
from tests.ui.browser import browsing
from wardline.camera.folder import Seen
from wardline.cli.camera import camera
from wardline.cli.camera_plots import moments
from wardline.stats.codec import Header
from wardline.stats.image import measure

PAINTED = scene(5, 192, 256)
STATISTICS = measure(shot(PAINTED))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frames")
    for place, (name, quality) in enumerate((("east", 85), ("west", 50))):
        (path / name).mkdir()
        for index in range(14):
            data = jpeg(shot(PAINTED, 20 * place + index), quality)
            (path / name / f"{index:02d}.jpg").write_bytes(data)
    return path


def test_json_is_one_object_and_the_exit_status_says_whether_something_changed(folder: Path) -> None:
    ran = CliRunner().invoke(camera, [str(folder), "--format", "json"])
    told = json.loads(ran.stdout)
    assert (ran.exit_code, told["verdict"], told["frames"]) == (1, "alert", 28)
    assert (told["events"][0]["kind"], told["events"][0]["index"]) == ("codec.requantised", 14)
    assert told["events"][0]["file"] == "west/00.jpg"
    needed = {"at", "until", "subjects", "kind", "effect", "p_value", "explanation", "file", "index"}
    assert needed <= set(told["events"][0])


def test_one_camera_of_a_folder_may_be_asked_for(folder: Path) -> None:
    ran = CliRunner().invoke(camera, [str(folder), "--camera", "west", "--format", "json"])
    assert (ran.exit_code, json.loads(ran.stdout)["frames"]) == (0, 14)
    ran = CliRunner().invoke(camera, [str(folder), "--camera", "north"])
    assert ran.exit_code == 2
    assert "east" in ran.stderr


def test_a_table_names_the_event_and_wrong_use_is_two(folder: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(camera, [str(folder / "west"), "--reference", str(folder / "east")])
    assert ran.exit_code == 1
    assert "codec.requantised from frame 0" in ran.stdout
    assert CliRunner().invoke(camera, [str(tmp_path)]).exit_code == 2


class Page(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.plots, self.pictures, self.links = 0, list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.plots += tag == "circle"
        self.pictures += [str(named.get("src"))] if tag == "img" else []
        self.links += [str(named.get("href"))] if "href" in named else []


def test_the_page_is_one_file_with_plots_and_pictures_in_it(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    CliRunner().invoke(camera, [str(folder), "--format", "html", "--out", str(out)])
    page = Page()
    page.feed(out.read_text())
    assert page.plots > 28 * 10
    assert len(page.pictures) == 12 + 4  # the strip at the top; whole and piece, before and after
    assert all(each.startswith("data:image/jpeg;base64,") for each in page.pictures)
    assert page.links == []
    assert out.read_text().count("class=changed") == 6  # those of the second half, of twelve


def test_what_moved_most_is_drawn_first_though_only_headers_speak_of_it(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    CliRunner().invoke(camera, [str(folder), "--format", "html", "--out", str(out)])
    drawn = [part.split(" over time")[0] for part in out.read_text().split("aria-label='")[1:]]
    assert len(drawn) == len(set(drawn))
    assert "exposure" in drawn  # light did not change: it stands where it always does
    assert drawn[0] != "exposure"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_telephone_and_the_night(folder: Path, tmp_path: Path, scheme: Any) -> None:
    out = tmp_path / "page.html"
    CliRunner().invoke(camera, [str(folder), "--format", "html", "--out", str(out)])
    with browsing(viewport={"width": 390, "height": 800}, color_scheme=scheme) as seen:
        tab = seen.tab
        tab.goto(out.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") == 390  # nothing hangs out at the side
        ground, text = (
            tab.evaluate(f"getComputedStyle(document.body).{name}")
            .removeprefix("rgb(")
            .rstrip(")")
            .split(",")
            for name in ("backgroundColor", "color")
        )
        brighter = sum(map(int, ground)) > sum(map(int, text))
        assert brighter == (scheme == "light")
        box = tab.locator(".strip img").first.bounding_box()
        assert box is not None
        assert box["width"] > 100


def test_frames_stand_by_their_time_unless_a_gap_would_push_them_to_the_edges() -> None:
    def seen(day: int) -> Seen:
        return Seen(
            f"{day}.jpg", Header("jpeg", 64, 64, 3), STATISTICS, datetime(2026, 1, 1) + timedelta(day)
        )

    assert moments([seen(day) for day in (0, 2, 5, 6, 8, 9, 11, 12, 13, 16)])[3] == 6 / 16
    assert moments([seen(day) for day in (0, 1, 900, 901)]).tolist() == np.linspace(0, 1, 4).tolist()
    assert moments([seen(0)]).tolist() == [0.5]
