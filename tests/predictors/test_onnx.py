"""ONNX rungs: pinned by hash, checked against the features, and really stopped at their deadline."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.examples import Pair, pair_features
from wardline import Batch, Onnx, features
from wardline.errors import DeadlineError, ModelError
from wardline.predictor import Site

ROWS = [Pair(a=1.0, b=2.0), Pair(a=3.0, b=4.0)]
BATCH = Batch(ROWS, pair_features.of_rows(ROWS))


def save(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], **extra: Any) -> Path:
    graph = helper.make_graph(nodes, "g", inputs, outputs, extra.get("initializers", []))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    for key, value in extra.get("metadata", {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, path)
    return path


def linear(path: Path, width: int = 2, **extra: Any) -> Path:
    weights = numpy_helper.from_array(np.array([[10.0**i] for i in range(width)], dtype=np.float32), "w")
    return save(
        path,
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        initializers=[weights],
        **extra,
    )


def site(root: Path, **change: Any) -> Site:
    return Site(**{"features": pair_features.schema, "classes": (), "root": root, **change})


def test_one_tensor_takes_the_features_in_their_order(tmp_path: Path) -> None:
    linear(tmp_path / "m.onnx")
    opened = Onnx("m.onnx").open(site(tmp_path))
    assert opened.predict(BATCH, None).values.tolist() == [31.0, 73.0]
    assert Onnx("m.onnx").name == "m"
    assert Onnx("models/loan/3").name == "loan"


def test_a_changed_file_is_refused_by_its_hash(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx")
    pinned = Onnx("m.onnx").open(site(tmp_path)).sha256
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="changed"):
        Onnx("m.onnx").open(site(tmp_path, pinned=pinned))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "cannot be read"),
        (lambda path: path.write_bytes(b"not a model"), "not a model"),
        (lambda path: linear(path, width=3), "takes 3 features"),
        (lambda path: linear(path, metadata={"features": json.dumps(["total", "a"])}), "place 0"),
        (lambda path: linear(path, metadata={"features": json.dumps(["a", "total", "c"])}), "takes 3"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_the_reason(tmp_path: Path, make: Any, says: str) -> None:
    make(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=says):
        Onnx("m.onnx").open(site(tmp_path))


class Named(NamedTuple):
    a: float
    word: str


def named(row: Pair) -> Named:
    return Named(row.a, "yes" if row.b > 2 else "no")


NAMED = features(version="1")(named)


def by_name(path: Path, word: str = "word") -> Path:
    return save(
        path,
        [
            helper.make_node("LabelEncoder", [word], ["code"], domain="ai.onnx.ml",
                             keys_strings=["no", "yes"], values_floats=[0.0, 100.0]),
            helper.make_node("Add", ["a", "code"], ["y"]),
        ],
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [None, 1]),
            helper.make_tensor_value_info(word, TensorProto.STRING, [None, 1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )  # fmt: skip


def with_ml_domain(path: Path) -> None:
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    onnx.save(model, path)


def test_named_inputs_take_the_features_by_name_strings_too(tmp_path: Path) -> None:
    with_ml_domain(by_name(tmp_path / "m.onnx"))
    opened = Onnx("m.onnx").open(site(tmp_path, features=NAMED.schema))
    assert opened.predict(Batch(ROWS, NAMED.of_rows(ROWS)), None).values.tolist() == [1.0, 103.0]


def test_named_inputs_that_the_features_lack_are_refused(tmp_path: Path) -> None:
    with_ml_domain(by_name(tmp_path / "m.onnx", word="term"))
    with pytest.raises(ModelError, match="term"):
        Onnx("m.onnx").open(site(tmp_path, features=NAMED.schema))


def test_a_classifier_without_probabilities_is_refused(tmp_path: Path) -> None:
    linear(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="probabilities"):
        Onnx("m.onnx").open(site(tmp_path, classes=("no", "yes")))


def slow(path: Path) -> Path:
    """A chain of matrix products that takes a second or more on any machine this runs on."""
    square = numpy_helper.from_array(np.eye(900, dtype=np.float32), "w")
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=1),
        helper.make_node("Expand", ["s", "shape"], ["h0"]),
        *(helper.make_node("MatMul", [f"h{i}", "w"], [f"h{i + 1}"]) for i in range(120)),
        helper.make_node("ReduceMax", ["h120"], ["y"], axes=[1], keepdims=1),
    ]
    return save(
        path,
        nodes,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        initializers=[square, numpy_helper.from_array(np.array([900, 900]), "shape")],
    )


def test_a_run_past_its_deadline_is_really_stopped(tmp_path: Path) -> None:
    slow(tmp_path / "m.onnx")
    opened = Onnx("m.onnx", deadline_ms=60).open(site(tmp_path))
    began = time.monotonic()
    opened.predict(BATCH, None)
    whole = time.monotonic() - began
    began = time.monotonic()
    with pytest.raises(DeadlineError):
        opened.predict(BATCH, began + 0.06)
    assert time.monotonic() - began < whole  # it did not run to its end
    with pytest.raises(DeadlineError, match="no time left"):
        opened.predict(BATCH, began)
    opened.close()
