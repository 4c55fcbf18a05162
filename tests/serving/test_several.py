"""Several gates in one process over a real socket: each as if it were alone, and what is about all."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from guards.employment import gate as employment
from guards.taxi import gate as taxi
from tests.examples import declared_pair, doubling
from tests.serving.processes import started
from tests.serving.server import serving
from tests.waiting import until
from wardline import Chain, Python, Settings
from wardline.errors import DeclarationError
from wardline.gate import Gate
from wardline.keys import KeySettings
from wardline.log.reader import read
from wardline.serving import several
from wardline.serving.front import rooms
from wardline.settings import LogSettings

BOTH: Mapping[str, Gate] = {"taxi": taxi, "employment": employment}
FAST = LogSettings(flush_s=0.02)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[httpx.Client]:
    with serving(several(list(BOTH.values()), Settings(home=home, log=FAST))) as client:
        yield client


@pytest.mark.parametrize("name", BOTH)
def test_each_gate_answers_under_its_name_and_logs_apart(name: str, client: httpx.Client, home: Path) -> None:
    answer = client.post(f"/gates/{name}/predict", json=BOTH[name].contract.examples[0])
    assert answer.status_code == 200, answer.text
    assert answer.json()["served_by"] == BOTH[name].chain.names[0]
    until(lambda: answer.json()["request_id"] in ids(home, name))
    (other,) = BOTH.keys() - {name}
    assert answer.json()["request_id"] not in ids(home, other)


def ids(home: Path, name: str) -> list[str]:
    found: list[str] = read(home / name / "records")["request_id"].to_pylist()
    return found


def test_the_name_of_the_model_chooses_the_gate_of_the_open_inference_protocol(client: httpx.Client) -> None:
    for name in BOTH:
        about = client.get(f"/v2/models/{name}").json()
        assert about["name"] == name
        assert about == client.get(f"/gates/{name}/v2/models/{name}").json()
        assert client.get(f"/v2/models/{name}/ready").json() == {"name": name, "ready": True}
        row = BOTH[name].contract.examples[0]
        inputs = [tensor(each, row) for each in about["inputs"]]
        answer = client.post(
            f"/v2/models/{name}/versions/{about['versions'][0]}/infer", json={"inputs": inputs}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["model_name"] == name
    unknown = client.post("/v2/models/weather/infer", json={})
    assert unknown.status_code == 404
    assert "there are taxi, employment" in unknown.json()["error"]
    assert client.get("/v2").json()["name"] == "wardline"
    assert client.get("/v2/health/ready").json() == {"ready": True}


def tensor(told: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": told["name"], "shape": [1, 1], "datatype": told["datatype"], "data": [row[told["name"]]]}


def test_each_path_of_predictions_has_its_gates_room_at_the_connection() -> None:
    """Where there is none a refusal is written before the body is read, as for a gate alone."""
    served = several(list(BOTH.values()))
    found = rooms(served)
    assert {path: state.gate.name for path, state in found.items()} == {
        **{f"/gates/{name}/predict".encode(): name for name in BOTH},
        **{f"/gates/{name}/v2/models/{name}/infer".encode(): name for name in BOTH},
        **{f"/v2/models/{name}/infer".encode(): name for name in BOTH},
    }


@pytest.mark.parametrize("name", BOTH)
def test_a_body_over_the_limit_is_refused_as_by_a_gate_alone(name: str, client: httpx.Client) -> None:
    for path in (f"/gates/{name}/predict", f"/v2/models/{name}/infer"):
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n"
        head += "content-type: application/json\r\n\r\n"
        with socket.create_connection((client.base_url.host, client.base_url.port or 80), 60) as connection:
            connection.sendall(head.encode())
            assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")  # and no byte of the body was sent


def test_probes_tell_of_every_gate(client: httpx.Client) -> None:
    assert client.get("/livez").status_code == 200
    told = client.get("/readyz")
    assert told.status_code == 200
    assert told.json()["ready"] is True
    assert told.json()["gates"].keys() == BOTH.keys()
    assert client.get("/gates/taxi/readyz").json() == told.json()["gates"]["taxi"]


@pytest.mark.parametrize("form", ["text/plain", "application/openmetrics-text"])
def test_one_page_of_metrics_has_every_family_once_with_the_samples_of_all(
    form: str, client: httpx.Client
) -> None:
    text = client.get("/metrics", headers={"accept": form}).text
    families = list((plain if form == "text/plain" else openmetrics)(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    kinds = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(kinds) == len(set(kinds))
    seen = [(each.name, *sorted(each.labels.items())) for family in families for each in family.samples]
    assert len(seen) == len(set(seen))
    for name in BOTH:
        own = list(plain(client.get(f"/gates/{name}/metrics").text))
        rows = {(each.name, *sorted(each.labels.items())) for family in own for each in family.samples}
        assert rows <= set(seen)
    gates = {dict(sample[1:]).get("gate") for sample in seen}  # type: ignore[arg-type] - the pairs of labels
    assert gates == {*BOTH, None}


def test_the_pages_list_the_gates_and_their_links_stay_with_the_gate(client: httpx.Client) -> None:
    client.post("/gates/taxi/predict", json={**taxi.contract.examples[0], "trip_distance": -1})
    until(lambda: "/gates/taxi/ui/traces/" in client.get("/gates/taxi/ui/traces").text)
    seen: set[str] = set()
    waiting = ["/ui/"]
    while waiting:
        path = waiting.pop()
        if path.partition("?")[0] in seen:
            continue
        seen.add(path.partition("?")[0])
        page = client.get(path)
        assert page.status_code == 200, path
        waiting += [
            link.replace("&amp;", "&") for link in re.findall(r'(?:href|action)="(/[^"]*)"', page.text)
        ]
    for name in BOTH:
        assert {f"/gates/{name}/ui/", f"/gates/{name}/ui/traces"} <= seen
    assert any(path.startswith("/gates/taxi/ui/traces/") for path in seen)
    assert {path for path in seen if path.startswith("/ui/")} == {"/ui/", "/ui/style.css"}


def test_what_is_nowhere_says_where_the_gates_are(client: httpx.Client) -> None:
    for path in ("/predict", "/gates/weather/predict"):
        lost = client.post(path, json={})
        assert lost.status_code == 404
        assert "POST /gates/NAME/predict, NAME being taxi, employment" in lost.json()["error"]
    assert client.get("/gates/taxi/openapi.json").json()["servers"] == [{"url": "/gates/taxi"}]


def test_a_gate_that_does_not_open_leaves_the_others_answering(tmp_path: Path) -> None:
    def missing() -> Any:
        raise FileNotFoundError("no such model")

    broken = declared_pair(Chain(Python(missing, name="model")))
    with serving(several([broken, taxi], Settings(home=tmp_path, log=FAST))) as client:
        assert client.post("/gates/pair/predict", json=broken.contract.examples[0]).status_code == 503
        assert client.post("/gates/taxi/predict", json=taxi.contract.examples[0]).status_code == 200
        told = client.get("/readyz")
        assert told.status_code == 503
        found = told.json()["gates"]
        assert (found["pair"]["ready"], found["taxi"]["ready"]) == (False, True)
        assert found["pair"]["problems"]
        assert client.get("/gates/taxi/readyz").status_code == 200
        assert client.get("/v2/health/ready").status_code == 503
        assert client.get("/livez").status_code == 200
        assert "it answers" in client.get("/ui/").text


def test_two_gates_of_one_name_are_refused() -> None:
    one, other = (declared_pair(Chain(Python(lambda: doubling, name="model"))) for _ in range(2))
    with pytest.raises(DeclarationError, match="two gates are called 'pair'"):
        several([one, other])


def test_keys_guard_what_is_about_all_gates_too(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"k" * 16).digest()
    keys = KeySettings(predict=(digest,), operate=(digest,))
    with serving(several([taxi], Settings(home=tmp_path, keys=keys))) as client:
        for path in ("/metrics", "/ui/", "/v2", "/v2/models/taxi", "/v2/models/else", "/gates/taxi/metrics"):
            assert client.get(path).status_code == 401, path
            assert client.get(path, headers={"x-api-key": "k" * 16}).status_code in {200, 404}, path
        assert client.get("/readyz").status_code == 200


def test_the_command_serves_both_with_a_monitor_each_and_stops_clean(tmp_path: Path) -> None:
    with started(tmp_path, "guards.employment") as running:
        for name in BOTH:
            running.says(f"/gates/{name}/predict")
            gate = f"{running.url}/gates/{name}"
            answer = httpx.post(f"{gate}/predict", json=BOTH[name].contract.examples[0], timeout=60)
            assert answer.status_code == 200
            until(lambda gate=gate: watcher(gate) == "alive")
    assert running.process.returncode == 0
    for name in BOTH:
        assert len(ids(running.home, name)) == 1
        assert (running.home / name / "health.json").exists()


def watcher(gate: str) -> str:
    told: str = httpx.get(f"{gate}/readyz", timeout=60).json()["monitor"]["state"]
    return told


def test_the_command_refuses_a_gate_that_is_named_twice(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from wardline.cli import cli

    result = CliRunner().invoke(cli, ["serve", "guards.taxi", "guards.taxi", "--home", str(tmp_path)])
    assert result.exit_code == 2
    assert "serve each gate once" in result.output
