"""Who may use which route: over a real socket, with real keys, on loopback and beyond."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.examples import EXAMPLE_PAIR, pair_gate
from tests.serving.server import serving
from wardline import Settings
from wardline.errors import DeclarationError
from wardline.keys import KeySettings
from wardline.serving import app

PREDICT, OTHER, OPERATE = "predict-key-0123456789", "another-key-0123456789", "operate-key-0123456789"
ENV = {"WARDLINE_PREDICT_KEYS": f"{PREDICT},{OTHER}", "WARDLINE_OPERATE_KEYS": OPERATE}

PROBES = ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"]
PREDICTIONS = ["/schema.json", "/v2", "/v2/models/pair", "/v2/models/pair/ready"]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), keys=KeySettings.from_env(ENV))
    with serving(app(pair_gate().gate, settings)) as client:
        yield client


@pytest.fixture(scope="module")
def open_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(app(pair_gate().gate, Settings(home=tmp_path_factory.mktemp("home")))) as client:
        yield client


@pytest.fixture(scope="module")
def beyond(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    keys = KeySettings.from_env({"WARDLINE_BOUND_BEYOND": "192.0.2.1"})
    settings = Settings(home=tmp_path_factory.mktemp("home"), keys=keys)
    with serving(app(pair_gate().gate, settings)) as client:
        yield client


@pytest.mark.parametrize("path", PROBES)
def test_probes_need_no_key(keyed: httpx.Client, path: str) -> None:
    assert keyed.get(path).status_code == 200


@pytest.mark.parametrize("path", PREDICTIONS)
def test_what_belongs_to_predictions_asks_for_a_key(keyed: httpx.Client, path: str) -> None:
    assert keyed.get(path).status_code == 401
    assert keyed.get(path, headers=bearer(PREDICT)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (bearer(PREDICT), 200),
        (bearer(OTHER), 200),
        ({"x-api-key": PREDICT}, 200),
        (bearer(OPERATE), 200),
        (bearer(PREDICT[:-1]), 401),
        (bearer(PREDICT + "x"), 401),
        ({"x-api-key": ""}, 401),
        ({"authorization": PREDICT}, 401),
        ({"authorization": "Basic not base64"}, 401),
        ({"x-api-key": "wrong", **bearer(PREDICT)}, 401),
    ],
)
def test_a_prediction_asks_for_one_of_its_keys(
    keyed: httpx.Client, headers: dict[str, str], status: int
) -> None:
    response = keyed.post("/predict", json=EXAMPLE_PAIR, headers=headers)
    assert response.status_code == status
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["error"]
        assert response.headers["x-request-id"] == response.json()["request_id"]
        assert PREDICT not in response.text


def test_a_callers_key_does_not_open_what_is_the_operators(keyed: httpx.Client) -> None:
    assert keyed.get("/metrics", headers=bearer(PREDICT)).status_code == 401
    assert keyed.get("/metrics", headers=bearer(OPERATE)).status_code == 200


def test_a_browser_may_give_the_key_as_a_password(keyed: httpx.Client) -> None:
    asked = keyed.get("/metrics")
    assert "Basic" in asked.headers["www-authenticate"]
    word = base64.b64encode(f"me:{OPERATE}".encode()).decode()
    assert keyed.get("/metrics", headers={"authorization": f"Basic {word}"}).status_code == 200


def test_a_page_of_another_origin_opens_nothing_of_the_operators(
    keyed: httpx.Client, open_one: httpx.Client
) -> None:
    elsewhere = {"origin": "https://elsewhere.example"}
    assert keyed.get("/metrics", headers={**bearer(OPERATE), **elsewhere}).status_code == 403
    assert open_one.get("/metrics", headers=elsewhere).status_code == 403
    own = {"origin": str(open_one.base_url).rstrip("/")}
    assert open_one.get("/metrics", headers=own).status_code == 200


def test_a_name_that_only_points_to_loopback_opens_nothing(open_one: httpx.Client) -> None:
    assert open_one.get("/metrics").status_code == 200
    for name in ("localhost:3000", "[::1]:3000", "127.0.0.1", "gate.localhost"):
        assert open_one.get("/metrics", headers={"host": name}).status_code == 200
    assert open_one.get("/metrics", headers={"host": "rebound.example"}).status_code == 403


def test_beyond_loopback_only_predictions_and_probes_are_open_without_a_key(beyond: httpx.Client) -> None:
    assert beyond.post("/predict", json=EXAMPLE_PAIR).status_code == 200
    assert beyond.get("/readyz").status_code == 200
    closed = beyond.get("/metrics")
    assert closed.status_code == 403
    assert "WARDLINE_OPERATE_KEYS_FILE" in closed.json()["error"]


def test_an_address_that_is_not_loopback_is_noticed_without_being_told(tmp_path: Path) -> None:
    address = socket.gethostbyname(socket.gethostname())
    if address.startswith("127."):
        pytest.skip("this machine has loopback only")
    with serving(app(pair_gate().gate, Settings(home=tmp_path)), host=address) as client:
        assert client.get("/readyz").status_code == 200
        assert client.get("/metrics").status_code == 403


def test_every_response_tells_browsers_to_stay_away(keyed: httpx.Client) -> None:
    for response in (
        keyed.post("/predict", json=EXAMPLE_PAIR, headers=bearer(PREDICT)),
        keyed.post("/predict", json=EXAMPLE_PAIR),
        keyed.get("/nowhere"),
        keyed.options("/predict", headers={"origin": "https://elsewhere.example"}),
    ):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        assert response.headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in response.headers


def test_keys_are_kept_as_digests_only(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# the batch job\n{PREDICT}\n\n{OTHER}\n")
    keys = KeySettings.from_env({"WARDLINE_PREDICT_KEYS_FILE": str(file)})
    assert len(keys.predict) == 2
    assert PREDICT not in repr(Settings(keys=keys))
    assert keys.predict == KeySettings.from_env({"WARDLINE_PREDICT_KEYS": f"{PREDICT},{OTHER}"}).predict


@pytest.mark.parametrize(
    ("written", "says"), [("short\n", "line 1"), ("# nothing\n", "holds no key"), (None, "cannot be read")]
)
def test_a_file_of_keys_that_is_wrong_is_said_without_the_key(
    tmp_path: Path, written: str | None, says: str
) -> None:
    file = tmp_path / "keys"
    if written is not None:
        file.write_text(written)
    with pytest.raises(DeclarationError, match=says) as caught:
        KeySettings.from_env({"WARDLINE_OPERATE_KEYS_FILE": str(file)})
    assert "short" not in str(caught.value)
