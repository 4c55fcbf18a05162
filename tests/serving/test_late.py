"""`POST /labels` and `POST /metrics-business`, over a real server and a real disk."""

import json
from pathlib import Path

import pytest
from httpx import Response

from guards import taxi
from tests.serving.server import serving
from wardline.log.figures import read_figures
from wardline.log.labels import read_labels
from wardline.serving import app
from wardline.settings import ServingSettings, Settings

OBSERVED = "2018-07-01T12:00:00Z"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def client(home):
    taxi.gate.close()
    settings = Settings(home=home, serving=ServingSettings(max_rows=50, max_body_mb=0.05))
    with serving(app(taxi.gate, settings)) as client:
        yield client
    taxi.gate.close()


def labels(home: Path):
    found = read_labels(home / "taxi" / "labels", classes=False)
    return dict(zip(found.ids.to_pylist(), found.label.to_pylist(), strict=True))


def test_a_label_is_readable_once_it_is_acknowledged_while_the_server_runs(client, home):
    verdict = client.post("/predict", json=taxi.gate.contract.examples[0]).json()
    answer = client.post(
        "/labels", json=[{"request_id": verdict["request_id"], "label": 12.5, "observed_at": OBSERVED}]
    )
    assert (answer.status_code, answer.json()["kept"]) == (200, 1)
    assert labels(home)[verdict["request_id"]] == 12.5
    assert list((home / "taxi" / "labels").glob("*.arrow"))


def test_rows_of_a_batch_are_labelled_by_their_own_id_or_by_number(client, home):
    batch = client.post("/predict", json={"rows": [taxi.gate.contract.examples[0]] * 3}).json()
    own = batch["verdicts"][1]["request_id"]
    answer = client.post(
        "/labels",
        json=[
            {"request_id": own, "label": 1, "observed_at": OBSERVED},
            {"request_id": batch["request_id"], "row": 2, "label": 2, "observed_at": OBSERVED},
        ],
    )
    assert answer.status_code == 200
    assert labels(home)[own] == 1
    assert labels(home)[batch["verdicts"][2]["request_id"]] == 2


def broken(answer: Response) -> list[tuple[int, str]]:
    return [(each["entry"], each["subject"]) for each in answer.json()["broken"]]


def test_every_broken_entry_is_named_and_nothing_is_kept(client, home):
    good = {"request_id": "whole", "label": 1.0, "observed_at": OBSERVED}
    sent = [
        good,
        {**good, "label": "long"},
        {**good, "observed_at": "2018-07-01T12:00:00"},
        {**good, "request_id": ""},
        {**good, "lable": 1},
        "no object",
        {**good, "observed_at": "2999-01-01T00:00:00Z"},
        {**good, "label": True},
        {**good, "row": -1},
    ]
    answer = client.post("/labels", json=sent)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert broken(answer) == [
        (1, "label"), (2, "observed_at"), (3, "request_id"), (4, "lable"), (5, ""), (6, "observed_at"),
        (7, "label"), (8, "row"),
    ]  # fmt: skip
    assert "whole" not in labels(home)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"{}", 400),
        (b"[]", 400),
        (b"[" * 5000, 400),
        (json.dumps([{}] * 51).encode(), 413),
        (b"[" + b" " * 60_000 + b"]", 413),
        (b'[{"request_id": "a", "label": NaN, "observed_at": "2018-07-01T12:00:00Z"}]', 400),
        (b'[{"request_id": "a", "label": 1e999, "observed_at": "2018-07-01T12:00:00Z"}]', 400),
    ],
)
def test_what_cannot_be_a_list_of_labels_is_refused(client, body, status):
    answer = client.post("/labels", content=body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert answer.headers["x-request-id"]


def test_business_figures_are_kept_with_their_target(client, home):
    sent = [
        {"metric": "refunds", "value": 3, "at": OBSERVED, "target": 2.5},
        {"metric": "refunds", "value": 4, "at": OBSERVED},
        {"metric": "tip", "value": 1.5, "at": OBSERVED, "request_id": "r1"},
    ]
    assert client.post("/metrics-business", json=sent).json()["kept"] == 3
    found = read_figures(home / "taxi" / "business")
    assert [(each.metric, each.value, each.request_id) for each in found] == [
        ("refunds", 4.0, None), ("tip", 1.5, "r1"),
    ]  # fmt: skip
    answer = client.post("/metrics-business", json=[{"metric": "", "value": 1, "at": OBSERVED}])
    assert (answer.status_code, broken(answer)) == (422, [(0, "metric")])


def test_a_disk_that_refuses_is_told_by_503_and_the_next_attempt_works(client, home):
    folder = home / "taxi" / "business"
    for file in folder.glob("*"):
        file.unlink()  # what is written to a removed file nobody will read: the segment says so
    entry = [{"metric": "calls", "value": 1, "at": OBSERVED}]
    answer = client.post("/metrics-business", json=entry)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert client.post("/metrics-business", json=entry).status_code == 200
    assert [each.metric for each in read_figures(folder)] == ["calls"]
