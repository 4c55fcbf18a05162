"""`deploy/`: no image is built here and no cluster asked; what they are told is held to the server itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from guards.taxi import gate
from tests.serving.processes import ROOT, answers
from tests.waiting import free_port, until
from wardline import Settings
from wardline.log import read
from wardline.serving import app

DEPLOY = ROOT / "deploy"
GRACE_S, FLUSH_S = 20, 10  # `--grace` of `wardline serve`, and how long its log may take to close
KEY = "an-operators-key-for-a-test"


class Image:
    """What `deploy/Dockerfile` makes, as far as it can be read."""

    def __init__(self) -> None:
        text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
        lines = [line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
        last = max(place for place, (word, _) in enumerate(lines) if word == "FROM")
        self.steps = [(word, rest.strip()) for word, rest in lines[last:]]
        self.build = [(word, rest.strip()) for word, rest in lines[:last]]

    def all(self, word: str) -> list[str]:
        return [rest for step, rest in self.steps if step == word]

    def one(self, word: str) -> str:
        (rest,) = self.all(word)
        return rest

    @property
    def env(self) -> dict[str, str]:
        arguments = dict(rest.split("=", 1) for rest in self.all("ARG"))
        pairs = re.findall(r"(\w+)=(\S+)", " ".join(self.all("ENV")))
        return {name: arguments.get(value.removeprefix("$"), value) for name, value in pairs}


@pytest.fixture(scope="module")
def image() -> Image:
    return Image()


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return {each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


@pytest.fixture(scope="module")
def container(manifest: dict[str, Any]) -> Any:
    (found,) = manifest["Deployment"]["spec"]["template"]["spec"]["containers"]
    return found


def test_the_manifest_asks_what_the_server_answers_where_it_listens(
    manifest: dict[str, Any], container: Any, image: Image, tmp_path: Path
) -> None:
    (port,) = [each["containerPort"] for each in container["ports"]]
    assert str(port) == image.one("EXPOSE") == re.search(r"--port (\d+)", image.one("CMD"))[1]  # type: ignore[index]
    assert [each["targetPort"] for each in manifest["Service"]["spec"]["ports"]] == [port]
    served = {route.path for route in app(gate, Settings(home=tmp_path)).routes}  # type: ignore[attr-defined]
    probes = {
        name: container[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert {each["port"] for each in probes.values()} == {port}
    assert {each["path"] for each in probes.values()} <= served
    assert probes["livenessProbe"]["path"] == "/livez"  # not ready is no reason to be killed
    labels = manifest["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert manifest["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert manifest["Service"]["spec"]["selector"] == labels


def test_the_pod_waits_as_long_as_a_stop_may_take(
    manifest: dict[str, Any], container: Any, image: Image
) -> None:
    (slept,) = container["lifecycle"]["preStop"]["exec"]["command"][1:]
    drain = float(image.env["WARDLINE_SERVING_DRAIN_S"])
    most = manifest["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert float(slept) + drain + GRACE_S + FLUSH_S < most


def test_what_the_image_writes_and_reads_is_mounted(
    manifest: dict[str, Any], container: Any, image: Image
) -> None:
    pod, env = manifest["Deployment"]["spec"]["template"]["spec"], image.env
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert env["WARDLINE_HOME"] in mounts
    assert env["HOME"] in mounts
    keys = {env["WARDLINE_PREDICT_KEYS_FILE"], env["WARDLINE_OPERATE_KEYS_FILE"]}
    assert {str(Path(each).parent) for each in keys} <= mounts.keys()
    assert set(mounts.values()) == {each["name"] for each in pod["volumes"]}
    assert str(pod["securityContext"]["runAsUser"]) == image.one("USER")
    assert f"--uid {image.one('USER')} " in image.one("RUN")
    said = (DEPLOY / "kubernetes.yaml").read_text()
    assert all(f"--from-file={Path(each).name}" in said for each in keys)


def test_the_build_copies_what_a_build_reads(image: Image) -> None:
    copied = {name for word, rest in image.build if word == "COPY" for name in rest.split()[:-1]}
    assert {"pyproject.toml", "README.md", "LICENSE", "constraints.txt", "src"} <= copied
    assert all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not {name for name in ignored if name in copied}


def test_the_images_command_serves_from_its_files_alone_and_writes_only_where_it_may(
    image: Image, tmp_path: Path
) -> None:
    root, data, home, secrets = (tmp_path / name for name in ("app", "data", "tmp", "secrets"))
    for folder in (root, data, home, secrets):
        folder.mkdir()
    for copy in image.all("COPY"):
        if not copy.startswith("--from"):
            source, target = copy.split()
            shutil.copytree(ROOT / source, root / target, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("predict-keys", "operate-keys"):
        (secrets / name).write_text(KEY + "\n")
    places = {"/data": str(data), image.env["HOME"]: str(home), "/run/secrets": str(secrets)}
    env = {}
    for name, value in image.env.items():
        place = next((each for each in places if value == each or value.startswith(f"{each}/")), "")
        env[name] = value.replace(place, places[place], 1) if place else value
    env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    port = free_port()
    command = [
        part.replace("3000", str(port)).replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - the image does; here nobody is let in
        for part in json.loads(image.one("CMD"))
    ]
    before = sorted(root.rglob("*"))
    with (tmp_path / "screen.txt").open("w") as out:
        server = subprocess.Popen(command, env=env, cwd=root, stdout=out, stderr=out)
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}") or server.poll() is not None)
        healthy = [
            part.replace("3000", str(port))
            for part in json.loads(image.one("HEALTHCHECK").split("CMD", 1)[1])
        ]
        assert subprocess.run(healthy, env=env, check=False).returncode == 0
        url, key = f"http://127.0.0.1:{port}", {"x-api-key": KEY}
        assert httpx.post(f"{url}/predict", json=gate.contract.examples[0], timeout=60).status_code == 401
        told = httpx.post(f"{url}/predict", json=gate.contract.examples[0], headers=key, timeout=60)
        assert (told.status_code, told.json()["action"]) == (200, "serve")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(180)
    assert server.returncode == 0, (tmp_path / "screen.txt").read_text()
    assert subprocess.run(healthy, env=env, capture_output=True, check=False).returncode != 0
    assert sorted(root.rglob("*")) == before
    kept = read(data / "taxi" / "records", columns=["request_id"])["request_id"].to_pylist()
    assert told.json()["request_id"] in kept
