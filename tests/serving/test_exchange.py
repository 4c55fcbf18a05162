"""The short way from the socket to the endpoint answers as ASGI's own messages do."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tests.examples import EXAMPLE_PAIR, pair_gate
from tests.serving.server import serving
from wardline import Settings
from wardline.serving import app
from wardline.serving.front import Front, straight

BODY = json.dumps(EXAMPLE_PAIR).encode()
JSON = {"content-type": "application/json"}


def request(
    body: bytes = BODY, *, method: str = "POST", path: str = "/predict", more: str = "", version: str = "1.1"
) -> bytes:
    head = f"{method} {path} HTTP/{version}\r\nhost: x\r\ncontent-type: application/json\r\n{more}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class Plain:
    """The same app behind a layer that hides the exchange, so that ASGI's messages are used."""

    def __init__(self, served: ASGIApp) -> None:
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.pop("wardline.exchange", None)
        await self._served(scope, receive, send)


@pytest.fixture(scope="module", params=["short", "plain"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    served = app(pair_gate().gate, Settings(home=tmp_path_factory.mktemp("home")))
    with serving(served if request.param == "short" else Plain(served)) as found:
        yield found


def talk(client: httpx.Client, sent: bytes, answers: int) -> list[tuple[str, dict[str, str], bytes]]:
    """Send raw bytes on one connection, and read so many answers, or until it is closed."""
    found: list[tuple[str, dict[str, str], bytes]] = []
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60) as line:
        line.sendall(sent)
        reader = line.makefile("rb")
        while len(found) < answers and (status := reader.readline()):
            headers = {}
            while (header := reader.readline()) != b"\r\n":
                name, _, value = header.decode().partition(":")
                headers[name] = value.strip()
            found.append((status.decode().split()[1], headers, reader.read(int(headers["content-length"]))))
        if found and found[-1][1].get("connection") == "close":
            assert reader.read() == b""
    return found


def test_every_header_is_there_whichever_way_the_answer_goes(client: httpx.Client) -> None:
    answer = client.post("/predict", content=BODY, headers={"x-request-id": "mine"})
    assert answer.status_code == 200
    assert answer.json()["action"] == "serve"
    assert {name for name, _ in answer.headers.items()} == {
        "date", "server", "content-length", "content-type", "x-request-id", "traceparent",
        "x-wardline-action", "content-security-policy", "cache-control", "x-content-type-options",
        "x-frame-options",
        "referrer-policy", "cross-origin-resource-policy",
    }  # fmt: skip
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["content-type"] == "application/json"


def test_requests_sent_before_the_answers_came_are_answered_in_their_order(client: httpx.Client) -> None:
    sent = b"".join(request(more=f"x-request-id: r{place}\r\n") for place in range(12))
    found = talk(client, sent, 12)
    assert [headers["x-request-id"] for _, headers, _ in found] == [f"r{place}" for place in range(12)]
    assert {status for status, _, _ in found} == {"200"}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(more="connection: close\r\n"), "200"),
        (request(version="1.0"), "200"),
        (request(more="connection: close\r\n", body=b"{"), "400"),
    ],
    ids=["asked to close", "HTTP/1.0", "a refusal, asked to close"],
)  # fmt: skip
def test_a_connection_that_is_to_end_is_closed(client: httpx.Client, sent: bytes, status: str) -> None:
    ((answered, headers, _),) = talk(client, sent, 1)
    assert (answered, headers["connection"]) == (status, "close")


@pytest.mark.parametrize("size", [1_000, 65_000, 66_000, 400_000])
def test_bodies_of_any_size_arrive_whole(client: httpx.Client, size: int) -> None:
    assert client.post("/predict", content=BODY.rjust(size), headers=JSON).status_code == 200
    assert client.post("/predict", content=BODY.rjust(size)[:-1], headers=JSON).status_code == 400
    assert client.post("/predict", content=BODY, headers=JSON).status_code == 200


def test_a_body_in_pieces_is_read_in_pieces(client: httpx.Client) -> None:
    halves: Any = iter([BODY[:7], BODY[7:]])
    answer = client.post("/predict", content=halves, headers=JSON)
    assert answer.status_code == 200


def test_a_caller_who_waits_for_leave_to_send_gets_it(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60) as line:
        line.sendall(request(more="expect: 100-continue\r\n").removesuffix(BODY))
        assert line.recv(100).startswith(b"HTTP/1.1 100 ")
        line.sendall(BODY)
        assert line.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("HEAD", "/livez", 200), ("GET", "/predict", 405), ("POST", "/nowhere", 404),
     ("POST", "/v2/models/other/infer", 404)],
)  # fmt: skip
def test_other_methods_and_paths_are_answered_as_ever(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert bool(answer.content) == (method != "HEAD")


def test_a_layer_of_the_users_own_sees_predictions_too(tmp_path: Path) -> None:
    seen: list[str] = []

    class Layer(Plain):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                seen.append(scope["path"])
            await self._served(scope, receive, send)

    served = app(pair_gate().gate, Settings(home=tmp_path))
    served.add_middleware(Layer)
    with serving(served) as found:
        assert found.post("/predict", content=BODY).status_code == 200
    assert seen == ["/predict"]


def test_the_frameworks_own_layers_are_passed_by_and_nobody_elses(tmp_path: Path) -> None:
    served = app(pair_gate().gate, Settings(home=tmp_path))

    class Framework(Plain):
        __module__ = "bentoml._internal.server.http.traffic"

    def framed(*layers: Any) -> Starlette:
        return Starlette(middleware=[*map(Middleware, layers), Middleware(Front, served=served)])

    proxied = ProxyHeadersMiddleware(framed(Framework))  # type: ignore[arg-type] # uvicorn's own types
    assert straight(proxied) is served  # type: ignore[arg-type] # as above
    for whole in (framed(Framework, Plain), served, Starlette()):
        assert straight(whole) is whole
