"""What the server logs says which request it is about."""

from __future__ import annotations

import io
import logging
from pathlib import Path

from tests.examples import declared_pair, doubling
from tests.serving.server import serving
from wardline import Chain, Python, Rule, Settings
from wardline.serving import app
from wardline.serving.logs import speak


def test_a_line_about_a_request_carries_its_ids(tmp_path: Path) -> None:
    stream = io.StringIO()
    handler = speak(stream)
    logger = logging.getLogger("wardline")
    chain = Chain(Python(lambda: doubling, name="model"), Rule(lambda row: -1.0))
    try:
        with serving(app(declared_pair(chain), Settings(home=tmp_path))) as client:
            # This row makes the model raise, which is worth a line.
            trace = client.post("/predict", json={"a": 60.0, "b": 1.0}, headers={"x-request-id": "order-17"})
            assert trace.json()["trace_id"]
            client.post("/predict", json={"a": 1.0, "b": 1.0})
            logging.getLogger("wardline.test").warning("about nobody")
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    lines = stream.getvalue().splitlines()
    assert any(line.endswith("about nobody") for line in lines)
    about = [line for line in lines if "order-17" in line]
    assert about
    assert all(f"trace {trace.json()['trace_id']}]" in line for line in about)
