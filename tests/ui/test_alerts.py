"""The list of alerts tells what happened in words, and shows a camera's pictures from before and after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from guards.leaf import gate
from tests.monitor.test_camera_alarm import Field
from tests.serving.server import serving
from tests.ui.browser import browsing
from tests.waiting import until
from wardline import LogSettings, Settings
from wardline.monitor import journal
from wardline.monitor.alerts import Event
from wardline.serving import app
from wardline.settings import TraceSettings
from wardline.tracing.frames import ATTRIBUTE
from wardline.tracing.read import traces
from wardline.ui.alerts import newest


class Told:
    """A served gate whose camera got other firmware, and whose owner was told."""

    def __init__(self, client: httpx.Client, field: Field) -> None:
        self.client, self.field = client, field
        self.kept = field.home / "leaf" / "traces"

    def fires(self) -> bool:
        self.field.tick()
        return any(each["to"] == "firing" for each in self.field.events())

    def page(self) -> str:
        return self.client.get("/ui/").text


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    home = tmp_path_factory.mktemp("home")
    gate.close()
    settings = Settings(
        home=home, log=LogSettings(flush_s=0.05), traces=TraceSettings(sample=1.0, per_minute=6e4)
    )
    with serving(app(gate, settings)) as client:
        field = Field(home)
        field.now = time.time()
        made = Told(client, field)
        assert "No alert was raised" in made.page()
        for count, updated in ((12, False), (3, True)):
            field.send(count, updated=updated)
            pictures = 12 + 3 * updated
            until(lambda least=pictures: _pictured(made.kept) >= least)
            until(lambda least=pictures: field.seen(least))
        until(made.fires)
        yield made
        field.monitor.close()


def _pictured(kept: Path) -> int:
    return sum(ATTRIBUTE in trace.root.attributes for trace in traces(kept))


def test_an_alert_is_told_once_in_words_with_both_pictures(told: Told) -> None:
    text = told.page().split("The newest alerts")[1]
    assert text.count('class="error">firing</strong>') == 1
    assert "codec.requantised" in text
    assert "crop-ml" in text
    assert text.count("<img ") == 2
    assert text.index("before: its request") < text.index("after: its request")
    link = text.split('href="')[1].split('"')[0]
    assert told.client.get(link).status_code == 200


def test_who_acknowledged_is_named_and_a_broken_line_hides_no_alert(told: Told, tmp_path: Path) -> None:
    lines = (told.field.home / "leaf" / journal.NAME).read_bytes()
    file = tmp_path / journal.NAME
    file.write_bytes(b'{"half a line"\n' + lines)
    (alert,) = newest(file)
    assert (alert.state, alert.by) == ("firing", "")
    journal.append(file, Event(alert.at + 1, "leaf", alert.alert.id, "firing", "acknowledged", by="ada"))
    (alert,) = newest(file)
    assert (alert.state, alert.by) == ("acknowledged", "ada")
    assert alert.evidence["pictures"]


def test_there_is_no_list_without_a_monitor(tmp_path: Path) -> None:
    assert newest(tmp_path / journal.NAME) == []


@pytest.mark.browser
def test_a_person_sees_before_and_after_side_by_side(told: Told) -> None:
    with browsing(base_url=str(told.client.base_url), java_script_enabled=False) as seen:
        tab = seen.tab
        tab.goto("/ui/")
        shown = [tab.locator("article.alert img").nth(at) for at in (0, 1)]
        boxes = [image.bounding_box() for image in shown]
        assert all(box is not None and box["width"] > 100 and box["height"] > 60 for box in boxes)
        assert boxes[0]["y"] == boxes[1]["y"]  # type: ignore[index] # seen to be there
        assert "before" in str(shown[0].get_attribute("alt"))
        tab.click("text=after: its request")
        tab.wait_for_url("**/ui/traces/*")
        assert tab.locator("img.frame").count() == 1


def test_pictures_that_went_with_their_traces_are_said_to_be_gone(told: Told) -> None:
    for picture in (told.kept / "frames").glob("*.jpg"):
        picture.unlink()
    text = told.page().split("The newest alerts")[1]
    assert "<img " not in text
    assert "before: no longer kept" in text
