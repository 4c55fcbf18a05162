"""A bento built from `bentofile.yaml`, and that bento served: what a container would be made of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from guards.taxi import gate
from tests.serving.processes import ROOT, answers
from tests.waiting import free_port, until
from wardline.log import read

BENTOML = [sys.executable, "-m", "bentoml"]


def test_the_bento_is_built_and_what_was_built_is_served(tmp_path: Path) -> None:
    settings = {"WARDLINE_HOME": str(tmp_path / "w"), "WARDLINE_LOG_FLUSH_S": "0.05"}
    theirs = {"BENTOML_HOME": str(tmp_path / "bento"), "BENTOML_DO_NOT_TRACK": "true"}
    env = {**os.environ, "HOME": str(tmp_path), **theirs, **settings}
    env.pop("PYTHONPATH", None)
    build = [*BENTOML, "build", "--version", "1"]
    built = subprocess.run(build, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    bento = tmp_path / "bento" / "bentos" / "taxi" / "1"
    holds = {path.name for path in (bento / "src").iterdir()}
    assert holds == {
        "wardline", "guards", "services", "models", "docs", "pyproject.toml", "README.md", "LICENSE",
        "constraints.txt", "bentofile.yaml",
    }  # fmt: skip
    assert (bento / "src" / "models" / "taxi" / "1" / "model.onnx").exists()
    wanted = (bento / "env" / "python" / "requirements.txt").read_text()  # what an image would install
    assert set((ROOT / "constraints.txt").read_text().splitlines()) <= set(wanted.splitlines())
    # Served from the bento and not from this checkout: its own copy says so.
    with (bento / "src" / "wardline" / "serving" / "bento.py").open("a") as module:
        module.write('\nprint("served from the bento", flush=True)\n')
    port, screen = free_port(), tmp_path / "screen.txt"
    serve = [*BENTOML, "serve", "taxi:1", "--host", "127.0.0.1", "--port", str(port)]
    with screen.open("w") as out:
        server = subprocess.Popen(serve, env=env, cwd=tmp_path, stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(url) or server.poll() is not None)
        told = httpx.post(f"{url}/predict", json=gate.contract.examples[0], timeout=60)
        assert (told.status_code, told.json()["action"]) == (200, "serve")
        assert httpx.get(f"{url}/v2/models/taxi/ready", timeout=60).status_code == 200
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(180)
    assert "served from the bento" in screen.read_text()
    kept = read(tmp_path / "w" / "taxi" / "records", columns=["request_id"])
    assert told.json()["request_id"] in kept["request_id"].to_pylist()
