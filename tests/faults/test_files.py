"""Files that are missing, cut off, changed or another's: the server is up, not ready, and says which."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from guards.employment import gate as employment
from tests.serving.server import serving
from wardline import Gate, Risk, Settings
from wardline.errors import ModelError
from wardline.log import read
from wardline.serving import app

ROOT = employment.root


def moved(root: Path, risk: Risk) -> Gate:
    """The employment gate, with files of its own that a test may break."""
    gate = copy.copy(employment)
    for name in ("employment", "employment-linear"):
        shutil.copytree(ROOT / "models" / name / "1", root / "models" / name / "1")
    gate.root, gate.risk = root, risk
    gate.reference_dir = root / "models" / "employment" / "1"
    return gate


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _others(folder: Path) -> None:
    for name in ("reference.json", "reference.npz"):
        shutil.copy(ROOT / "models" / "taxi" / "1" / name, folder / name)


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "reference missing": (lambda at: (at / "reference.json").unlink(), "restore it"),
    "reference array missing": (lambda at: (at / "reference.npz").unlink(), "restore it"),
    "reference truncated": (lambda at: _cut(at / "reference.json"), "changed or cut off"),
    "reference array truncated": (lambda at: _cut(at / "reference.npz"), "not the one"),
    "reference of another gate": (_others, "is the reference of gate 'taxi'"),
    "model missing": (lambda at: (at / "model.onnx").unlink(), "model.onnx"),
    "model truncated": (lambda at: _cut(at / "model.onnx"), "model.onnx"),
    "model changed under its hash": (lambda at: _flip(at / "model.onnx"), "model.onnx"),
}


@pytest.mark.parametrize("risk", list(Risk))
@pytest.mark.parametrize(("breaks", "says"), FAULTS.values(), ids=FAULTS.keys())
def test_a_gate_whose_files_do_not_fit_is_never_ready(
    tmp_path: Path, breaks: Callable[[Path], None], says: str, risk: Risk
) -> None:
    gate = moved(tmp_path, risk)
    assert gate.reference_dir is not None
    breaks(gate.reference_dir)
    home = tmp_path / "home"
    with serving(app(gate, Settings(home=home))) as client:
        assert client.get("/livez").status_code == 200
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert says in ready.json()["problems"][0]
        answer = client.post("/predict", json=gate.contract.examples[0])
        assert (answer.status_code, answer.headers["x-wardline-action"]) == (503, "none")
        assert says in answer.json()["error"]
    assert read(home / gate.name / "records").num_rows == 0


def test_a_model_file_that_changes_under_a_running_gate_is_refused_at_its_next_opening(
    tmp_path: Path,
) -> None:
    """What answers was read once, and every record has its hash: the file is not looked at again."""
    gate = moved(tmp_path, Risk.CLOSED)
    assert gate.reference_dir is not None
    home = tmp_path / "home"

    def ask(client: httpx.Client) -> int:
        return client.post("/predict", json=gate.contract.examples[0]).status_code

    with serving(app(gate, Settings(home=home))) as client:
        assert ask(client) == 200
        _flip(gate.reference_dir / "model.onnx")
        assert ask(client) == 200
    hashes = read(home / gate.name / "records", columns=["model_sha256"])["model_sha256"].to_pylist()
    assert len(hashes) == 2
    assert len(set(hashes)) == 1
    with pytest.raises(ModelError, match="changed"):
        gate.open(Settings(home=home))
