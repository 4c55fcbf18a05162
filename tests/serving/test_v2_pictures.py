"""Pictures through V2: a client of another make asks an image gate, and is answered as on /predict."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import tritonclient.http as triton

from guards.leaf import gate
from tests.serving.server import serving
from wardline import Settings
from wardline.log import read
from wardline.serving import app

PHOTO = min((gate.root / "models" / "leaf" / "data" / "photos").rglob("*.jpg")).read_bytes()
WHO = {"x-camera-id": "field-1", "x-camera-firmware": "1.0"}
NAMED = {"camera": "field-1", "firmware": "1.0"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[httpx.Client]:
    with serving(app(gate, Settings(home=home))) as found:
        yield found


@pytest.fixture(scope="module")
def asked(client: httpx.Client) -> Iterator[triton.InferenceServerClient]:
    found = triton.InferenceServerClient(client.base_url.netloc.decode())
    yield found
    found.close()


@pytest.fixture(scope="module")
def plain(client: httpx.Client) -> Any:
    answer = client.post("/predict", content=PHOTO, headers={"content-type": "image/jpeg", **WHO})
    assert answer.status_code == 200
    return answer.json()


def encoded(*pictures: bytes) -> triton.InferInput:
    tensor = triton.InferInput("picture", [len(pictures)], "BYTES")
    tensor.set_data_from_numpy(np.array(pictures, np.object_))
    return tensor


def pixels(frames: Any) -> triton.InferInput:
    tensor = triton.InferInput("picture", list(frames.shape), "UINT8")
    tensor.set_data_from_numpy(frames)
    return tensor


def text(name: str, *values: str) -> triton.InferInput:
    tensor = triton.InferInput(name, [len(values)], "BYTES")
    tensor.set_data_from_numpy(np.array([value.encode() for value in values], np.object_))
    return tensor


def verdict(answer: triton.InferResult) -> Any:
    return json.loads(answer.get_response()["parameters"]["verdict"])


def same(found: Any, plain: Any) -> bool:
    return all(found[name] == plain[name] for name in ("action", "prediction", "uncertainty", "findings"))


def test_the_files_bytes_are_answered_as_on_predict(asked: Any, plain: Any) -> None:
    assert same(verdict(asked.infer("leaf", [encoded(PHOTO)], headers=WHO)), plain)


@pytest.mark.parametrize("how", ["headers", "parameters", "tensors"])
def test_who_took_it_comes_in_headers_parameters_or_tensors(asked: Any, home: Path, how: str) -> None:
    inputs, more = [encoded(PHOTO)], {}
    if how == "tensors":
        inputs += [text(name, value) for name, value in NAMED.items()]
        more = {"headers": {"x-camera-id": "another"}}  # what is said closer to the picture counts
    else:
        more = {"headers": WHO} if how == "headers" else {"parameters": NAMED}
    found = verdict(asked.infer("leaf", inputs, **more))
    gate.open().sink.flush()  # type: ignore[union-attr]
    (row,) = read(home / "leaf" / "records", request_id=found["request_id"]).to_pylist()
    assert (row["camera"], row["firmware"]) == ("field-1", "1.0")


def test_base64_in_json(client: httpx.Client, plain: Any) -> None:
    tensor = {
        "name": "picture",
        "shape": [1],
        "datatype": "BYTES",
        "data": [base64.b64encode(PHOTO).decode()],
    }
    answer = client.post("/v2/models/leaf/infer", json={"inputs": [tensor], "parameters": NAMED})
    assert same(json.loads(answer.json()["parameters"]["verdict"]), plain)


def test_pixels_show_the_model_the_same_picture(asked: Any, plain: Any) -> None:
    frame = cv2.imdecode(np.frombuffer(PHOTO, np.uint8), cv2.IMREAD_COLOR)
    alone = asked.infer("leaf", [pixels(frame)], headers=WHO)
    two = asked.infer("leaf", [pixels(np.stack([frame, frame]))], headers=WHO)
    assert alone.as_numpy("prediction").tolist() == [plain["prediction"].encode()]
    assert two.as_numpy("prediction").tolist() == alone.as_numpy("prediction").tolist() * 2
    assert alone.as_numpy("confidence")[0] == pytest.approx(plain["uncertainty"]["confidence"], abs=1e-6)


def test_a_bad_picture_of_a_batch_is_refused_alone(asked: Any) -> None:
    answer = asked.infer("leaf", [encoded(PHOTO, b"no picture", PHOTO)], headers=WHO)
    assert answer.as_numpy("action").tolist()[1] == b"reject"
    assert b"reject" not in answer.as_numpy("action").tolist()[::2]


@pytest.mark.parametrize(
    ("shape", "datatype", "data", "says"),
    [
        ([2, 2], "UINT8", [[1, 2], [3, 4]], "pixels are"),
        ([1, 2, 4], "UINT8", [0] * 8, "pixels are"),
        ([1, 1, 3], "UINT8", [0, None, 0], "null"),
        ([1, 1, 3], "UINT8", [0, 256, 0], "does not fit UINT8"),
        ([0, 1, 3], "UINT8", [], "pixels are"),
        ([1, 1, 3], "FP32", [0.0, 0.0, 0.0], "one value a row"),
    ],
)
def test_what_are_no_pixels_are_a_400(
    client: httpx.Client, shape: Any, datatype: str, data: Any, says: str
) -> None:
    tensor = {"name": "picture", "shape": shape, "datatype": datatype, "data": data}
    answer = client.post("/v2/models/leaf/infer", json={"inputs": [tensor], "parameters": NAMED})
    assert answer.status_code == 400
    assert says in answer.json()["error"]
