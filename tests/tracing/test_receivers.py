"""Real receivers, as processes on loopback: what was sent is read back through their own APIs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from guards.taxi import gate as taxi
from tests.waiting import free_port
from wardline import Settings
from wardline.settings import TraceSettings
from wardline.tracing.read import traces
from wardline.tracing.trace import Trace

pytestmark = pytest.mark.receivers
BIN = Path(sys.executable).parent
ROW = dict(taxi.contract.examples[0])


def until(found: Callable[[], Any], seconds: float = 600.0) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := found():
                return result
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, "it did not come up, or never had the traces"
        threading.Event().wait(0.2)


@contextmanager
def running(command: list[str], log: Path, **env: str) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, **env}, stdout=out, stderr=out, cwd=log.parent)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder, port, grpc = tmp_path_factory.mktemp("phoenix"), free_port(), free_port()
    env = {"PHOENIX_PORT": str(port), "PHOENIX_GRPC_PORT": str(grpc), "PHOENIX_HOST": "127.0.0.1",
           "PHOENIX_WORKING_DIR": str(folder), "PHOENIX_TELEMETRY_ENABLED": "false"}  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with running([str(BIN / "phoenix"), "serve"], folder / "log", **env):
        until(lambda: httpx.get(f"{url}/healthz").status_code == 200)
        yield url, f"http://127.0.0.1:{grpc}"


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
               "--backend-store-uri", f"sqlite:///{folder / 'db'}",
               "--artifacts-destination", str(folder)]  # fmt: skip
    with running(command, folder / "log", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"):
        url = f"http://127.0.0.1:{port}"
        until(lambda: httpx.get(f"{url}/health").status_code == 200)
        yield url


def traffic(home: Path, monkeypatch: pytest.MonkeyPatch, **env: str) -> list[Trace]:
    """Real rows of the taxi gate: one served, one answered by the rule, one refused."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    taxi.close()
    opened = taxi.open(Settings(home=home, traces=TraceSettings(sample=1.0)))
    for row in (ROW, {**ROW, "trip_distance": 120}, {**ROW, "trip_distance": -1}):
        taxi(row)
    taxi.close()
    assert opened.tracer is not None
    assert opened.tracer.stats().unsent == 0
    return list(traces(home / "taxi" / "traces"))


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_phoenix_shows_spans_attributes_events_and_parents(
    phoenix: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    url, grpc = phoenix
    endpoint = grpc if protocol == "grpc" else url
    sent = traffic(
        tmp_path, monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol
    )
    ours = {span.span_id: (trace, span) for trace in sent for span in trace.spans}

    def arrived() -> list[Any]:
        data = httpx.get(f"{url}/v1/projects/default/spans", params={"limit": 500}).json().get("data", [])
        found = [each for each in data if each["context"]["span_id"] in ours]
        return found if len(found) == len(ours) else []

    for got in until(arrived):
        trace, span = ours[got["context"]["span_id"]]
        assert got["name"] == span.name
        assert got["context"]["trace_id"] == trace.trace_id
        assert (got["parent_id"] or "") == span.parent_id
        assert got["status_code"] == ("ERROR" if span.error else "UNSET")
        assert [event["name"] for event in got["events"]] == [event.name for event in span.events]
        assert {key for key in span.attributes if key.startswith("wardline.")} <= set(flat(got["attributes"]))
    blocked = next(span for _, span in ours.values() if span.name == "wardline.guard range")
    assert blocked.events


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict) or not tree:
        return {prefix[:-1]: tree}
    return {name: value for key, sub in tree.items() for name, value in flat(sub, f"{prefix}{key}.").items()}


def test_mlflow_shows_spans_attributes_events_and_parents(
    mlflow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = traffic(tmp_path, monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=mlflow,
                   OTEL_EXPORTER_OTLP_HEADERS="x-mlflow-experiment-id=0")  # fmt: skip
    reader = (
        "import json, sys, mlflow; from mlflow import MlflowClient; c = MlflowClient(sys.argv[1]); "
        "ts = c.search_traces(locations=['0'], max_results=100); "
        "print(json.dumps([s.to_dict() for t in ts for s in t.data.spans], default=str))"
    )

    def arrived() -> list[Any]:
        import json

        done = subprocess.run(
            [sys.executable, "-c", reader, mlflow], capture_output=True, check=True, timeout=240,
            env={**os.environ, "MLFLOW_TRACKING_URI": mlflow},
        )  # fmt: skip
        found = json.loads(done.stdout.splitlines()[-1])
        return found if len(found) >= sum(len(trace.spans) for trace in sent) else []

    got = {(each["name"], each["start_time_unix_nano"]): each for each in until(arrived)}
    for trace in sent:
        for span in trace.spans:
            theirs = got[span.name, span.start]
            keys = {key for key in theirs["attributes"] if key.startswith("wardline.")}
            assert keys == {key for key in span.attributes if key.startswith("wardline.")}
            assert [event["name"] for event in theirs.get("events", [])] == [e.name for e in span.events]
            assert bool(theirs.get("parent_span_id")) is bool(span.parent_id)
