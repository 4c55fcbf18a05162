"""MLServer with its scikit-learn runtime on a loopback port, and a model trained in its own environment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

PEERS = Path(os.environ.get("WARDLINE_PEERS", Path(__file__).parent.parent / ".venv-peers")) / "bin"
_START_S = 90.0


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def train(folder: Path, code: str) -> None:
    """Run a few lines in the peers' environment that leave `model` to be saved as `model.joblib`."""
    lines = f"import joblib\n{code}\njoblib.dump(model, 'model.joblib')\n"
    subprocess.run([str(PEERS / "python"), "-c", lines], cwd=folder, check=True, timeout=120)


def write(folder: Path, name: str, version: str = "") -> tuple[int, Mapping[str, str]]:
    """Write the settings of a server and its one model; return its port and its environment."""
    http, grpc, metrics = free_ports(3)
    server = {
        "host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics,
        "parallel_workers": 0, "debug": False, "metrics_dir": str(folder / "metrics"),
    }  # fmt: skip
    parameters = {"uri": "./model.joblib", **({"version": version} if version else {})}
    model = {"name": name, "implementation": "mlserver_sklearn.SKLearnModel", "parameters": parameters}
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return http, {**os.environ, "PATH": f"{PEERS}{os.pathsep}{os.environ['PATH']}"}


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with (
            contextlib.suppress(OSError, urllib.error.URLError),
            urllib.request.urlopen(url, timeout=2) as answer,  # noqa: S310 - loopback, as just written
        ):
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{url} did not come up:\n{log.read_text()[-3000:]}")


@contextlib.contextmanager
def running(folder: Path, name: str, version: str = "") -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Serve `folder/model.joblib` as `name`; give the process and its port."""
    port, env = write(folder, name, version)
    log = folder / "mlserver.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(PEERS / "mlserver"), "start", "."], cwd=folder, env=env, stdout=out, stderr=out
        )
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}/v2/models/{name}/ready", log)
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def mlserver(folder: Path, name: str, version: str = "") -> Iterator[str]:
    """The same, for who only asks it: give its address."""
    with running(folder, name, version) as (_, port):
        yield f"http://127.0.0.1:{port}"
