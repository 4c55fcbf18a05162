"""The Open Inference Protocol over a real socket, with Triton's own client and with bare HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import httpx
import numpy as np
import pytest
import tritonclient.http as triton

from tests.examples import NOON, MemorySink, Opened, pair_gate
from tests.serving.server import serving
from wardline import (
    Chain,
    Field,
    Gate,
    Python,
    Row,
    Rule,
    ServingSettings,
    Settings,
    Tabular,
    Timestamp,
    features,
)
from wardline.serving import app

NAN = float("nan")


class Parcel(Row):
    """One field of every kind that a tensor can carry."""

    weight: Annotated[float, Field(gt=0, le=100)]
    pieces: Annotated[int, Field(ge=1, le=9)]
    insured: bool
    speed: Literal["slow", "fast"]
    sent: Annotated[datetime, Timestamp(max_age_s=3600)]
    zone: Literal[1, 2, 3]
    stamps: int | None = None
    note: str | None = None
    tags: list[str] = Field(default=[])


class ParcelFeatures(NamedTuple):
    weight: float
    pieces: int
    insured: bool
    speed: str
    hour: float
    stamps: float | None
    tags: int


@features(version="1")
def parcel_features(row: Parcel) -> ParcelFeatures:
    return ParcelFeatures(
        row.weight, row.pieces, row.insured, row.speed, row.sent.hour, row.stamps, len(row.tags)
    )


PARCEL = {
    "weight": 2.5, "pieces": 3, "insured": True, "speed": "fast", "sent": "2018-07-01T12:00:00Z", "zone": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def parcels() -> Opened:
    gate = Gate(
        "parcel",
        contract=Tabular(Parcel, examples=[PARCEL]),
        features=parcel_features,
        chain=Chain(Rule(lambda row: "late" if row.speed == "slow" else "on time", name="model")),
        classes=("on time", "late"),
    )
    sink = MemorySink()
    gate.open(Settings(), sink=sink, clock=lambda: NOON)
    return Opened(gate, sink)


@pytest.fixture(scope="module")
def pairs() -> Opened:
    return pair_gate()


@pytest.fixture(scope="module")
def client(pairs: Opened, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), serving=ServingSettings(max_rows=50))
    with serving(app(pairs.gate, settings)) as client:
        yield client


@pytest.fixture(scope="module")
def parcel_client(parcels: Opened, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(app(parcels.gate, Settings(home=tmp_path_factory.mktemp("home")))) as client:
        yield client


@pytest.fixture(scope="module")
def of_triton(client: httpx.Client) -> Iterator[Any]:
    with triton.InferenceServerClient(client.base_url.netloc.decode()) as made:
        yield made


def column(name: str, data: list[Any], datatype: str = "FP64", **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": data, **more}


def post(client: httpx.Client, *inputs: dict[str, Any], at: str = "pair", **more: Any) -> httpx.Response:
    return client.post(f"/v2/models/{at}/infer", json={"inputs": inputs, **more})


def answers(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return {each["name"]: each["data"] for each in response.json()["outputs"]}


def sent(name: str, values: np.ndarray[Any, Any], datatype: str, *, binary: bool) -> Any:
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def test_tritons_client_finds_a_live_server_and_a_ready_model(of_triton: Any) -> None:
    assert of_triton.is_server_live()
    assert of_triton.is_server_ready()
    assert of_triton.is_model_ready("pair")
    assert of_triton.is_model_ready("pair", "model")
    assert not of_triton.is_model_ready("other")
    assert not of_triton.is_model_ready("pair", "2")
    assert of_triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = of_triton.get_model_metadata("pair")
    assert metadata["name"] == "pair"
    assert metadata["inputs"][0] == {"name": "a", "datatype": "FP64", "shape": [-1]}
    assert metadata["outputs"][0] == {"name": "prediction", "datatype": "FP64", "shape": [-1]}


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("version", ["", "model"])
@pytest.mark.parametrize(
    ("datatype", "dtype"),
    [("FP64", "f8"), ("FP32", "f4"), ("FP16", "f2"), ("INT8", "i1"), ("UINT16", "u2"), ("UINT64", "u8")],
)
def test_tritons_client_gets_its_answers(
    of_triton: Any, *, binary: bool, version: str, datatype: str, dtype: str
) -> None:
    a, b = np.arange(20).astype(dtype), np.arange(20).astype(dtype)
    found = of_triton.infer(
        "pair",
        [sent("a", a, datatype, binary=binary), sent("b", b.reshape(20, 1), datatype, binary=binary)],
        model_version=version,
        request_id="order-7",
        outputs=[triton.InferRequestedOutput("prediction", binary_data=binary),
                 triton.InferRequestedOutput("action", binary_data=not binary)],
    )  # fmt: skip
    assert found.as_numpy("prediction").tolist() == [4.0 * i for i in range(20)]
    actions = [each.decode() if isinstance(each, bytes) else each for each in found.as_numpy("action")]
    assert actions == ["serve"] * 20
    assert found.as_numpy("interval") is None
    response = found.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("order-7", "pair", "model")


def test_without_named_outputs_tritons_client_gets_all_of_them_in_binary(of_triton: Any) -> None:
    found = of_triton.infer("pair", [sent("rows", np.array([[1.0, 2.0], [45.0, 1.0]]), "FP64", binary=True)])
    assert found.as_numpy("prediction").tolist() == [6.0, -1.0]
    assert found.as_numpy("action").tolist() == [b"serve", b"fallback"]
    assert found.as_numpy("interval").shape == (2, 2)
    assert np.isnan(found.as_numpy("ood_p")).all()


def test_tritons_client_reads_the_sentence_of_an_error(of_triton: Any) -> None:
    with pytest.raises(triton.InferenceServerException, match="there is no model 'other' here") as raised:
        of_triton.infer("other", [sent("a", np.zeros(1), "FP64", binary=True)])
    assert raised.value.status() == "404"
    with pytest.raises(triton.InferenceServerException, match=r"a is 1000\.0") as raised:
        of_triton.infer("pair", [sent(name, np.array([1e3]), "FP64", binary=True) for name in "ab"])
    assert raised.value.status() == "400"


def test_one_row_carries_its_whole_verdict_and_leaves_its_record(client: httpx.Client, pairs: Opened) -> None:
    response = post(client, column("a", [1.0]), column("b", [2.0]), id="é-7")
    body = response.json()
    assert (body["id"], body["parameters"]["action"]) == ("é-7", "serve")
    predicted = client.post("/predict", json={"a": 1.0, "b": 2.0}).json()
    verdict = json.loads(body["parameters"]["verdict"])
    ids = ("request_id", "trace_id")
    assert {k: v for k, v in verdict.items() if k not in ids} == {
        k: v for k, v in predicted.items() if k not in ids
    }
    assert verdict["request_id"] == response.headers["x-request-id"] == pairs.sink.records[-2].request_id
    assert response.headers["x-wardline-action"] == "serve"
    assert all(isinstance(value, str | int | float | bool) for value in body["parameters"].values())


@pytest.mark.parametrize("count", [3, 30])
def test_in_a_batch_only_the_bad_row_is_rejected(client: httpx.Client, pairs: Opened, count: int) -> None:
    a = [1.0] * count
    a[1], a[2] = 1000.0, 60.0  # outside the contract; poison for the model
    response = post(client, column("a", a), column("b", [2.0] * count))
    found, parameters = answers(response), response.json()["parameters"]
    assert found["action"] == ["serve", "reject", "fallback"] + ["serve"] * (count - 3)
    assert found["prediction"] == [6.0, None, -1.0] + [6.0] * (count - 3)
    verdicts = json.loads(parameters["verdicts"])
    assert list(verdicts) == ["1", "2"]
    assert verdicts["1"]["findings"][0]["subject"] == "a"
    assert verdicts["1"]["request_id"] == f"{parameters['request_id']}-1"
    assert (parameters["action"], parameters["rows"], parameters["served"]) == ("reject", count, count - 2)
    assert len(pairs.sink.records[-1]) == count


def test_a_null_and_a_nan_break_the_contract_of_their_row_only(client: httpx.Client) -> None:
    for bad in (None, NAN):
        body = json.dumps({"inputs": [column("a", [1.0, bad, 2.0]), column("b", [0.0] * 3)]})
        response = client.post("/v2/models/pair/infer", content=body.replace("NaN", "null"))
        assert answers(response)["action"] == ["serve", "reject", "serve"]
    raw = np.array([1.0] * 10 + [NAN]).tobytes()
    head = {"inputs": [
        {"name": "a", "shape": [11], "datatype": "FP64", "parameters": {"binary_data_size": 88}},
        column("b", [0.0] * 11),
    ]}  # fmt: skip
    text = json.dumps(head).encode()
    response = client.post(
        "/v2/models/pair/infer",
        content=text + raw,
        headers={"inference-header-content-length": str(len(text))},
    )
    assert answers(response)["action"] == ["serve"] * 10 + ["reject"]


def test_requested_outputs_are_honoured_in_their_order(client: httpx.Client) -> None:
    response = post(
        client, column("a", [1.0]), column("b", [2.0]), outputs=[{"name": "action"}, {"name": "ood_p"}]
    )
    assert list(answers(response)) == ["action", "ood_p"]
    unknown = post(client, column("a", [1.0]), column("b", [2.0]), outputs=[{"name": "logits"}])
    assert unknown.status_code == 400
    assert "no output 'logits', it has prediction, action, interval, ood_p" in unknown.json()["error"]


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([], "no inputs"),
        ([column("a", [1.0])], "inputs are missing: b"),
        ([column("a", [1.0]), column("b", [1.0]), column("c", [1.0])], "no input 'c'"),
        ([column("a", [1.0]), column("a", [1.0])], "a is there twice"),
        ([column("a", ["x"], "BYTES"), column("b", [1.0])], "a is FP64, not BYTES"),
        ([column("a", [True], "BOOL"), column("b", [1.0])], "a is FP64, not BOOL"),
        ([column("a", [1.0, 2.0]), column("b", [1.0])], "all tensors of one length"),
        ([column("a", []), column("b", [])], "at least 1"),
        ([column("a", [1.0, 2.0], shape=[1, 2]), column("b", [1.0])], "one value a row"),
        ([column("a", [1.0], shape=[2]), column("b", [1.0])], "asks for 2"),
        ([column("rows", [1.0, 2.0, 3.0], shape=[1, 3])], "a column for each of a, b"),
        ([column("rows", [1.0, 2.0])], "a column for each of a, b"),
        ([column("rows", ["x", "y"], "BYTES", shape=[1, 2])], "holds numbers"),
        ([column("a", [1000.0]), column("b", [1.0])], "a is 1000"),
        ([column("a", [None]), column("b", [1.0])], "a is "),
        ([column("a", [1.0], parameters={"shared_memory_region": "r"}), column("b", [1.0])], "shared memory"),
    ],
)
def test_what_is_wrong_is_a_400_that_says_so(client: httpx.Client, inputs: list[Any], says: str) -> None:
    response = post(client, *inputs)
    assert response.status_code == 400
    assert says in response.json()["error"]
    assert post(client, column("a", [1.0]), column("b", [2.0])).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2", 200), ("/v2/health/live", 200), ("/v2/health/ready", 200), ("/v2/models/pair", 200),
        ("/v2/models/pair/ready", 200), ("/v2/models/pair/versions/model", 200),
        ("/v2/models/pair/versions/model/ready", 200), ("/v2/models/other", 404),
        ("/v2/models/pair/versions/9", 404), ("/v2/models/pair/versions/9/ready", 404),
        ("/v2/models/pair/config", 404), ("/v2/models/pair/infer", 405),
    ],
)  # fmt: skip
def test_every_place_of_the_protocol_answers(client: httpx.Client, path: str, status: int) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert ("error" in response.json()) == (status >= 400)


@pytest.mark.parametrize(
    ("headers", "status", "says"),
    [
        ({"inference-header-content-length": "9999"}, 400, "the body has"),
        ({"inference-header-content-length": "-1"}, 400, "no length"),
        ({"inference-header-content-length": "3"}, 400, "not JSON"),
        ({"content-encoding": "gzip"}, 400, "send it plain"),
    ],
)
def test_headers_that_do_not_fit_are_a_400(
    client: httpx.Client, headers: dict[str, str], status: int, says: str
) -> None:
    content = json.dumps({"inputs": [column("a", [1.0]), column("b", [2.0])]})
    response = client.post("/v2/models/pair/infer", content=content, headers=headers)
    assert (response.status_code, says in response.json()["error"]) == (status, True)


def test_more_rows_than_the_limit_are_a_413(client: httpx.Client) -> None:
    assert post(client, column("a", [1.0] * 51), column("b", [1.0] * 51)).status_code == 413


def test_metadata_derives_every_kind_of_field_from_the_contract(parcel_client: httpx.Client) -> None:
    metadata = parcel_client.get("/v2/models/parcel").json()
    assert {each["name"]: each["datatype"] for each in metadata["inputs"]} == {
        "weight": "FP64", "pieces": "INT64", "insured": "BOOL", "speed": "BYTES", "sent": "BYTES",
        "zone": "INT64", "stamps": "INT64", "note": "BYTES", "tags": "BYTES",
    }  # fmt: skip
    optional = [each["name"] for each in metadata["inputs"] if each.get("parameters") == {"optional": True}]
    assert optional == ["stamps", "note", "tags"]
    outputs = {each["name"]: each for each in metadata["outputs"]}
    assert outputs["set"]["shape"] == [-1, 2]
    assert json.loads(outputs["set"]["parameters"]["labels"]) == ["on time", "late"]


@pytest.mark.parametrize("count", [1, 2, 20])
@pytest.mark.parametrize("binary", [False, True])
def test_a_row_of_every_kind_is_read_alike_in_json_and_binary(
    parcel_client: httpx.Client, parcels: Opened, *, count: int, binary: bool
) -> None:
    given: dict[str, tuple[str, Any]] = {
        "weight": ("FP32", np.full(count, 2.5, np.float32)),
        "pieces": ("UINT8", np.full(count, 3, np.uint8)),
        "insured": ("BOOL", np.full(count, fill_value=True)),
        "speed": ("BYTES", np.array([b"slow"] * count, np.object_)),
        "sent": ("BYTES", np.array([b"2018-07-01T12:00:00+00:00"] * count, np.object_)),
        "zone": ("INT32", np.full(count, 2, np.int32)),
        "tags": ("BYTES", np.array([b'["fragile", "gift"]'] * count, np.object_)),
    }
    if binary:  # a whole float, or NaN for null: all that a binary tensor has for a nullable integer
        given["stamps"] = ("FP64", np.array([4.0] + [NAN] * (count - 1)))
    with triton.InferenceServerClient(parcel_client.base_url.netloc.decode()) as made:
        found = made.infer(
            "parcel",
            [sent(name, values, datatype, binary=binary) for name, (datatype, values) in given.items()],
            outputs=[triton.InferRequestedOutput("prediction", binary_data=binary)],
        )
    predicted = [each.decode() if binary else each for each in found.as_numpy("prediction").tolist()]
    assert predicted == ["late"] * count
    block = parcels.sink.records[-1].block
    assert block is not None
    assert block.column("weight").tolist() == [2.5] * count  # type: ignore[union-attr]
    assert block.column("tags").tolist() == [2.0] * count  # type: ignore[union-attr]
    stamps = block.column("stamps").tolist()  # type: ignore[union-attr]
    assert stamps[0] == 4.0 if binary else stamps[0] != stamps[0]


@pytest.mark.parametrize(
    ("name", "tensor", "says"),
    [
        ("speed", column("speed", ["quick"], "BYTES"), "speed is "),
        ("sent", column("sent", ["2018-07-01T12:00:00"], "BYTES"), "sent is "),
        ("sent", column("sent", ["yesterday"], "BYTES"), "sent is "),
        ("zone", column("zone", [4], "INT64"), "zone is 4"),
        ("zone", column("zone", [1.0], "FP64"), "zone is INT64, not FP64"),
        ("pieces", column("pieces", [None], "INT64"), "pieces is "),
        ("stamps", column("stamps", [1.5], "FP64"), "stamps is 1.5"),
        ("tags", column("tags", ["[1]"], "BYTES"), "tags is "),
        ("tags", column("tags", ["["], "BYTES"), "no JSON"),
        ("insured", column("insured", [1], "INT8"), "insured is BOOL, not INT8"),
    ],
)
def test_a_value_that_breaks_its_field_is_a_400(
    parcel_client: httpx.Client, name: str, tensor: dict[str, Any], says: str
) -> None:
    kinds = {float: "FP64", int: "INT64", bool: "BOOL", str: "BYTES"}
    inputs = [
        column(each, [value], kinds[type(value)])
        for each, value in {**PARCEL, "tags": "[]"}.items()
        if each != name
    ]
    response = post(parcel_client, *inputs, tensor, at="parcel")
    assert (response.status_code, says in response.json()["error"]) == (400, True), response.text


def test_bytes_that_are_no_text_are_a_400(parcel_client: httpx.Client) -> None:
    with (
        triton.InferenceServerClient(parcel_client.base_url.netloc.decode()) as made,
        pytest.raises(triton.InferenceServerException, match="no UTF-8"),
    ):
        made.infer("parcel", [sent("speed", np.array([b"\xff"], np.object_), "BYTES", binary=True)])


def test_a_gate_that_is_not_open_says_so_in_the_protocols_words(tmp_path: Path) -> None:
    opened = pair_gate(chain=Chain(Python(lambda: lambda matrix: matrix[:, 0], name="model")))
    opened.gate.close()

    def broken() -> Any:
        raise RuntimeError("no weights")

    from tests.examples import declared_pair

    gate = declared_pair(Chain(Python(lambda: lambda _: broken(), name="model")))
    with serving(app(gate, Settings(home=tmp_path))) as client:
        assert client.get("/v2/health/live").status_code == 200
        for path in ("/v2/health/ready", "/v2/models/pair/ready"):
            ready = client.get(path)
            assert (ready.status_code, ready.json()["ready"]) == (503, False)
            assert "model does not answer" in ready.json()["error"]
        assert client.get("/v2/models/pair").json()["versions"] == []
        assert post(client, column("a", [1.0]), column("b", [1.0])).status_code == 503


def test_a_deadline_with_no_rung_left_is_a_504(tmp_path: Path) -> None:
    release = threading.Event()

    def slow(matrix: Any) -> Any:
        if matrix[0, 0] > 5:
            release.wait(300)
        return matrix[:, 0]

    opened = pair_gate(chain=Chain(Python(lambda: slow, name="model", deadline_ms=30)))
    with serving(app(opened.gate, Settings(home=tmp_path))) as client:
        response = post(client, column("a", [6.0]), column("b", [0.0]))
        release.set()
    assert response.status_code == 504
    assert response.json()["findings"][0]["reason"] == "chain.deadline"
