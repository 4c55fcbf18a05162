"""The leaf service: real photos answered, a simulated firmware update spoken of, named and held."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from guards.leaf import gate
from tests.serving.server import serving
from wardline import Settings, Verdict
from wardline.log import read
from wardline.reference import load
from wardline.serving import app

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT / "models" / "leaf" / "data" / "photos"
LABELS = {
    row["file"]: row["label"] for row in csv.DictReader((PHOTOS / "labels.csv").read_text().splitlines())
}
WHO = {"camera": "field-1", "firmware": "1.0"}


@pytest.fixture(scope="module", autouse=True)
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    gate.open(Settings(home=tmp_path_factory.mktemp("home")))
    yield
    gate.close()


def photos() -> dict[str, bytes]:
    return {name: (PHOTOS / name).read_bytes() for name in LABELS}


def firmware_update(photo: bytes) -> bytes:
    """Sharpen, shift the white balance, compress anew."""
    pixels = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR).astype(np.float32)
    pixels += 0.8 * (pixels - cv2.GaussianBlur(pixels, (0, 0), 1.0))
    pixels *= np.array([1 / 1.08, 1.0, 1.08], np.float32)
    options = [cv2.IMWRITE_JPEG_QUALITY, 82]
    return cv2.imencode(".jpg", np.clip(pixels, 0, 255).astype(np.uint8), options)[1].tobytes()


def camera_findings(verdict: Verdict) -> list[str]:
    guards = {"fingerprint", "processing", "exposure", "focus", "occlusion", "night_mode", "decode_health"}
    return [finding.reason for finding in verdict.findings if finding.guard in guards]


def test_clean_photos_are_answered_and_no_camera_guard_speaks() -> None:
    verdicts = {name: gate({"picture": photo, **WHO}) for name, photo in photos().items()}
    assert [camera_findings(verdict) for verdict in verdicts.values()] == [[]] * len(LABELS)
    assert all(verdict.uncertainty.ood_p is not None for verdict in verdicts.values())
    right = [verdict.prediction == LABELS[name] for name, verdict in verdicts.items()]
    assert np.mean(right) >= 0.85


def test_after_a_firmware_update_the_guard_names_the_cause_and_holds_the_primary() -> None:
    for photo in photos().values():
        verdict = gate({"picture": firmware_update(photo), **WHO})
        assert "codec.requantised" in camera_findings(verdict)
        assert verdict.served_by != "leaf"


def test_a_camera_that_says_it_has_new_firmware_is_flagged_and_answered() -> None:
    verdict = gate({"picture": next(iter(photos().values())), "camera": "field-1", "firmware": "2.0"})
    assert camera_findings(verdict) == ["identity.firmware"]
    assert verdict.served_by == "leaf"


def test_the_reference_says_how_good_the_model_is_and_what_the_camera_is_like() -> None:
    reference = load(ROOT / "models" / "leaf" / "1", gate="leaf")
    assert reference.rungs["leaf"].performance["accuracy"].value >= 0.88
    assert set(reference.extra["cameras"]) == {"", "field-1"}
    assert set(reference.rungs["leaf"].scores) == {"distance", "energy"}


def test_what_is_known_of_a_camera_is_read_once_for_all_guards() -> None:
    panel = gate.open().inputs
    known = [guard._cameras.by_id["field-1"] for guard in panel.guards if hasattr(guard, "_cameras")]
    assert len(known) == 6
    assert len({id(each) for each in known}) == 1


@pytest.fixture(scope="module")
def client(opened: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    gate.close()
    with serving(app(gate, Settings(home=tmp_path_factory.mktemp("served")))) as made:
        yield made


IDENTITY = {"x-camera-id": "field-1", "x-camera-firmware": "1.0"}


def test_http_takes_a_jpeg_body_and_a_form(client: httpx.Client) -> None:
    name, photo = next(iter(photos().items()))
    answer = client.post("/predict", content=photo, headers={"content-type": "image/jpeg", **IDENTITY})
    assert (answer.status_code, answer.json()["prediction"]) == (200, LABELS[name])
    assert set(answer.json()["uncertainty"]["set"]) >= {LABELS[name]}
    form = client.post("/predict", files={"file": (name, photo, "image/jpeg")}, headers=IDENTITY)
    assert form.json()["prediction"] == answer.json()["prediction"]
    text = client.post("/predict", files={"other": (name, photo)}, headers=IDENTITY)
    assert text.status_code == 400


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"GIF89a", {"content-type": "image/gif", **IDENTITY}, 400),
        (b"hello", {"content-type": "text/plain", **IDENTITY}, 400),
        (b"\xff\xd8\xff\xe0broken", {"content-type": "image/jpeg", **IDENTITY}, 400),
        (None, {"content-type": "image/jpeg"}, 422),
        (bytes(9 * 1024 * 1024), {"content-type": "image/jpeg", **IDENTITY}, 413),
        (b'{"camera": "a"}', {"content-type": "application/json"}, 422),
    ],
)
def test_http_refuses_what_is_no_frame(client: httpx.Client, body: Any, headers: Any, status: int) -> None:
    photo = next(iter(photos().values()))
    answer = client.post("/predict", content=photo if body is None else body, headers=headers)
    assert (answer.status_code, answer.headers["x-wardline-action"]) == (status, "reject")
    assert answer.json()["error"]


def test_the_record_carries_camera_firmware_statistics_and_slices(tmp_path: Path) -> None:
    gate.close()
    gate.open(Settings(home=tmp_path))
    gate({"picture": next(iter(photos().values())), **WHO, "leaf": "7", "severity": "2"})
    gate.close()
    (row,) = read(tmp_path / "leaf" / "records").to_pylist()
    assert (row["camera"], row["firmware"]) == ("field-1", "1.0")
    assert (row["slice.leaf"], row["slice.severity"]) == ("7", "2")
    assert row["feature.edge_width"] > 0
    assert row["feature.encoder"].startswith("jpeg-")
