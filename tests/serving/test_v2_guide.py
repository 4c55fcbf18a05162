"""The example in docs/v2.md runs against the taxi gate."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guards.taxi import gate
from tests.serving.server import serving
from wardline import Settings
from wardline.serving import app


def test_the_guides_client_gets_its_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guide = (Path(__file__).parents[2] / "docs/v2.md").read_text()
    (code,) = re.findall(r"```python\n(import.*?)```", guide, re.DOTALL)
    with serving(app(gate, Settings(home=tmp_path))) as client:
        names: dict[str, object] = {}
        exec(code.replace("localhost:3000", client.base_url.netloc.decode()), names)  # noqa: S102 - our own guide
        names["client"].close()  # type: ignore[attr-defined]
    assert re.fullmatch(r"\[16\.9\d+\] \[\[ ?9\.8\d* +23\.9\d*\]\] serve\n", capsys.readouterr().out)
