"""An object store of this machine."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest

from tests.waiting import free_port, until


@pytest.fixture
def s3(monkeypatch):
    """An S3-compatible server that may be killed and started again at the same port."""
    port = free_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_MAX_ATTEMPTS": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    running = []

    def start():
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        running.append(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
        )
        until(lambda: _answers(port))
        httpx.put(f"http://127.0.0.1:{port}/bucket", timeout=60)

    def kill():
        running[-1].kill()
        running.pop().wait()

    start()
    yield start, kill
    if running:
        kill()


def _answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/moto-api/", timeout=60).status_code < 500
    except httpx.TransportError:
        return False
