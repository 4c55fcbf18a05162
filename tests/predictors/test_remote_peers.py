"""A gate stands in front of a server that its users already run: MLServer with a scikit-learn model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from bench.mlserver import mlserver, train
from tests.examples import MemorySink, Pair, pair_features
from wardline import Chain, Gate, Remote, Rule, Settings, Tabular
from wardline.errors import ModelError

pytestmark = pytest.mark.peers

TRAINED = """
import numpy as np
from sklearn.linear_model import LogisticRegression
X = np.random.default_rng(0).normal(0, 10, (500, 2))
model = LogisticRegression().fit(X, (X[:, 1] > 0).astype(int))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlserver")
    train(folder, TRAINED)
    with mlserver(folder, "sign", version="v1") as url:
        yield url


def gate_before(url: str, output: str) -> Gate:
    return Gate(
        "sign",
        contract=Tabular(Pair, examples=[{"a": 1.0, "b": 2.0}]),
        features=pair_features,
        chain=Chain(
            Remote(url, "sign", version="v1", input="x", output=output, deadline_ms=120_000.0),
            Rule(lambda _: "down"),
        ),
        classes=("down", "up"),
    )


@pytest.mark.parametrize("output", ["predict", "predict_proba"])
def test_its_model_answers_through_the_gate(server: str, output: str) -> None:
    gate = gate_before(server, output)
    sink = MemorySink()
    opened = gate.open(Settings(), sink=sink)
    rows = [{"a": float(a), "b": float(b)} for a, b in [(1, 20), (-20, 1), (90, 5), (-50, -50)]]
    rows.append({"a": 1000.0, "b": 0.0})
    verdicts = gate.batch(rows)
    assert [v.prediction for v in verdicts] == ["up", "down", "up", "down", None]
    assert [v.action for v in verdicts] == ["serve"] * 4 + ["reject"]
    assert verdicts[0].model == "sign/v1"
    assert gate(rows[0]).prediction == "up"
    remote = opened.chain.rungs[0].opened
    (values,) = [records.values for records in sink.records if len(records) == 5]
    assert values[:4].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert len(remote.connections._idle) == 1  # type: ignore[attr-defined]
    gate.close()


def test_probabilities_come_through_as_the_model_gives_them(server: str) -> None:
    opened = gate_before(server, "predict_proba").open(Settings(), sink=MemorySink())
    batch, _ = opened._features(
        opened.gate.contract.admit_rows([{"a": 0.0, "b": 0.01}, {"a": 50.0, "b": 0.0}])
    )
    outputs = opened.chain.rungs[0].opened.predict(batch, None)
    assert outputs.probabilities is not None
    assert np.allclose(outputs.probabilities.sum(axis=1), 1)
    assert 0.4 < outputs.probabilities[0, 1] < 0.6
    assert outputs.probabilities[1, 1] > 0.99
    opened.gate.close()


def test_a_model_it_does_not_have_keeps_the_gate_shut(server: str) -> None:
    gate = Gate(
        "other",
        contract=Tabular(Pair, examples=[{"a": 1.0, "b": 2.0}]),
        features=pair_features,
        chain=Chain(Remote(server, "other", input="x", output="predict")),
    )
    with pytest.raises(ModelError, match="answered 404"):
        gate.open(Settings(), sink=MemorySink())
