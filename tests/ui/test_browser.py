"""A person with a browser, and nothing else, finds why: in a real one, without script and without network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from guards.taxi import gate as taxi
from tests.serving.server import serving
from tests.ui.browser import browsing
from wardline import Settings
from wardline.serving import app
from wardline.settings import TraceSettings

ROW = dict(taxi.contract.examples[0])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home = tmp_path_factory.mktemp("home")
    taxi.close()
    with serving(app(taxi, Settings(home=home, traces=TraceSettings(sample=1.0)))) as client:
        client.post("/predict", json=ROW)
        client.post("/predict", json={**ROW, "trip_distance": 120}, headers={"x-request-id": "far"})
        client.post("/predict", json={**ROW, "trip_distance": 130}, headers={"x-request-id": "farther"})
        client.post("/predict", json={**ROW, "vendor_id": "<script>alert(1)</script>"})
        taxi.open().tracer.flush()  # type: ignore[union-attr] # a served gate has one
        taxi.open().sink.flush()  # type: ignore[attr-defined] # the log's own
        yield client


def test_pages_need_no_script_and_nothing_from_elsewhere(client: httpx.Client) -> None:
    for path in ("/ui/", "/ui/traces", "/ui/traces?action=reject"):
        response = client.get(path)
        assert response.status_code == 200
        assert "script-src" not in response.headers["content-security-policy"]
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        assert "<script" not in response.text
        assert "http://" not in response.text
        assert "style=" not in response.text
    assert client.get("/ui/style.css").headers["content-type"] == "text/css"


def test_what_a_caller_sent_is_text_and_never_markup(client: httpx.Client) -> None:
    (link,) = [part.split('"')[0] for part in client.get("/ui/traces?action=reject").text.split('href="')
               if part.startswith("/ui/traces/")]  # fmt: skip
    text = client.get(link).text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text


@pytest.mark.parametrize(
    "query", ["slower=x", "since=-1", "action=none", "slice=x", "guard=%00%ff", "since=nan"]
)
def test_filters_that_say_nothing_are_as_if_not_given(client: httpx.Client, query: str) -> None:
    assert client.get(f"/ui/traces?{query}").status_code == 200


def test_an_unknown_trace_is_a_404(client: httpx.Client) -> None:
    assert client.get("/ui/traces/" + "0" * 32).status_code == 404
    assert client.get("/ui/traces/..%2f..%2fetc").status_code == 404


@pytest.mark.browser
def test_a_person_finds_why_with_the_keyboard_alone(client: httpx.Client, tmp_path: Path) -> None:
    with browsing(base_url=str(client.base_url), java_script_enabled=False) as seen:
        tab = seen.tab
        tab.goto("/ui/")
        assert "Which guard speaks most" in tab.inner_text("main")
        assert tab.inner_text("td:has-text('out_of_distribution')")
        tab.keyboard.press("Tab")
        for _ in range(2):
            tab.keyboard.press("Tab")
        tab.keyboard.press("Enter")  # the skip link, overview, traces
        tab.wait_for_url("**/ui/traces")
        tab.select_option("select[name=action]", "fallback")
        tab.press("input[name=guard]", "Enter")
        tab.wait_for_url("**action=fallback**")
        assert tab.locator("tbody tr").count() == 2
        tab.click("text=farther")
        tab.wait_for_url("**/ui/traces/*")
        told = tab.inner_text("main")
        assert "fallback, served by rule" in told
        assert "range.outside" in told
        assert "above all of the reference" in told
        bars = tab.locator("svg rect.bar")
        assert bars.count() > 6
        assert max(bars.nth(i).bounding_box()["width"] for i in range(5)) > 100  # type: ignore[index] # it is drawn
        tab.click("text=← older")
        assert "Request far" in tab.inner_text("h1")
        assert all(url.startswith(str(client.base_url)) for url in seen.asked)
