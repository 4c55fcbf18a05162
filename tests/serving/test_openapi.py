"""The published OpenAPI document says what is served, and what is served keeps to it under schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.examples import declared_pair, doubling
from tests.fuzzing.surface import explore
from tests.serving.server import serving
from wardline import Chain, Python, Rule, ServingSettings, Settings
from wardline.serving import app
from wardline.serving.openapi import PAGES, described

gate = declared_pair(Chain(Python(lambda: doubling, name="model"), Rule(lambda row: -1.0)))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    limits = ServingSettings(max_rows=50)
    with serving(app(gate, Settings(home=tmp_path_factory.mktemp("home"), serving=limits))) as client:
        yield client


def test_every_route_is_published_and_described(tmp_path: Path, client: httpx.Client) -> None:
    published = client.get("/openapi.json").json()["paths"]
    served = app(gate, Settings(home=tmp_path))
    paths = {route.path for route in served.routes if hasattr(route, "path")}
    assert {path for path in paths if not path.startswith(PAGES)} == published.keys()
    assert [path for path in published if not described(path)] == []


def test_the_published_row_is_the_contract(client: httpx.Client) -> None:
    row = client.get("/openapi.json").json()["components"]["schemas"]["Row"]
    assert row["properties"].keys() == gate.contract.schema()["properties"].keys()
    assert client.post("/predict", json=row["examples"][0]).status_code == 200


def test_whatever_schemathesis_sends_gets_a_declared_answer(client: httpx.Client) -> None:
    explore(client, examples=6, only=("/predict", "/labels", "/v2/models/{name}/infer"))
    assert client.post("/predict", json=gate.contract.examples[0]).status_code == 200
