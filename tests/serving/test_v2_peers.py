"""MLServer's own client types read our answers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from bench.mlserver import PEERS
from tests.examples import pair_gate
from tests.serving.server import serving
from wardline import Settings
from wardline.serving import app

pytestmark = pytest.mark.peers


def test_mlservers_types_ask_and_read_unchanged(tmp_path: Path) -> None:
    with serving(app(pair_gate().gate, Settings(home=tmp_path))) as client:
        ran = subprocess.run(
            [PEERS / "python", Path(__file__).with_name("mlserver_client.py"), str(client.base_url)],
            capture_output=True, check=False, text=True, timeout=240,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "server": "wardline",
        "inputs": ["a", "b"],
        "id": "order-7",
        "prediction": ["6.0", "-1.0", "nan"],
        "action": ["serve", "fallback", "reject"],
        "verdict": "reject",
        "error": "the request has no inputs: see the model's metadata",
    }
