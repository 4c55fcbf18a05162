"""Delivery: to real servers on loopback, that fail, come back, or never answer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.serving.processes import until
from wardline.monitor import delivery
from wardline.monitor.delivery import Delivery, Message


class Receiver(ThreadingHTTPServer):
    """Takes posts, after failing as often as it is told to."""

    def __init__(self) -> None:
        self.failures = 0
        self.got: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, scheme: str, path: str = "") -> str:
        return f"{scheme}://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        failed = self.server.failures > 0
        self.server.failures -= failed
        if not failed:
            self.server.got.append({"path": self.path, **body})
        self.send_response(500 if failed else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "WAITS_S", (0.05,))


def message(number: int = 0, **given: Any) -> Message:
    return Message(f"m{number}", "rides-oncall", "platform", "title", "body", **given)


def test_a_page_reaches_its_address_after_failures(tmp_path: Path, receiver: Receiver, quick: None) -> None:
    receiver.failures = 2
    sending = Delivery(tmp_path, {"WARDLINE_PAGE_RIDES_ONCALL": receiver.url("json", "rides")})
    sending.put(message())
    until(lambda: len(receiver.got) == 1)
    assert (receiver.got[0]["title"], receiver.got[0]["path"]) == ("title", "/rides")
    until(lambda: sending.waiting() == 0 and not sending.problems())
    sending.close()


def test_what_cannot_be_delivered_escalates_and_waits(
    tmp_path: Path, receiver: Receiver, quick: None
) -> None:
    env = {
        "WARDLINE_PAGE_RIDES_ONCALL": "json://127.0.0.1:9/",
        "WARDLINE_PAGE_PLATFORM": receiver.url("json"),
    }
    sending = Delivery(tmp_path, env)
    sending.put(message())
    until(lambda: len(receiver.got) == 1)
    assert receiver.got[0]["title"] == "[undelivered to rides-oncall] title"
    assert "rides-oncall cannot be reached" in sending.problems()[0]
    sending.close()
    assert sending.waiting() == 1  # never lost
    again = Delivery(tmp_path, {"WARDLINE_PAGE_RIDES_ONCALL": receiver.url("json")})
    until(lambda: len(receiver.got) == 2 and again.waiting() == 0)
    again.close()


def test_putting_a_message_never_waits_for_the_receiver(tmp_path: Path) -> None:
    with_nobody = {"WARDLINE_PAGE_DEFAULT": "json://127.0.0.1:9/"}
    sending = Delivery(tmp_path, with_nobody)
    began = time.monotonic()
    for number in range(20):
        sending.put(message(number))
    assert time.monotonic() - began < 60
    assert sending.waiting() == 20
    sending.close()


def test_a_page_without_an_address_is_named(tmp_path: Path) -> None:
    sending = Delivery(tmp_path, {})
    sending.put(message())
    assert "'rides-oncall' has no address" in sending.problems()[0]
    assert sending.waiting() == 0
    sending.close()


def test_a_damaged_message_is_set_aside(tmp_path: Path, receiver: Receiver) -> None:
    tmp_path.joinpath("bad.json").write_bytes(b"{")
    sending = Delivery(tmp_path, {"WARDLINE_PAGE_DEFAULT": receiver.url("json")})
    sending.put(message())
    until(lambda: receiver.got and not sending.waiting())
    assert [path.name for path in tmp_path.iterdir()] == ["bad.broken"]
    sending.close()


def test_retraining_gets_the_evidence(tmp_path: Path, receiver: Receiver, quick: None) -> None:
    receiver.failures = 1
    sending = Delivery(tmp_path, {"WARDLINE_RETRAIN_URL": receiver.url("http", "retrain")})
    sending.put(message(kind="retrain", evidence={"id": "a1", "signals": ["drift.psi/income"]}))
    until(lambda: len(receiver.got) == 1)
    assert receiver.got[0] == {"path": "/retrain", "id": "a1", "signals": ["drift.psi/income"]}
    sending.close()
