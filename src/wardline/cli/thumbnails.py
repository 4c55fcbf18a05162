"""A simple model of pictures: logistic regression on thumbnails, as one graph that takes pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from pyarrow import parquet
from sklearn.linear_model import LogisticRegression

from wardline.camera import Frame, Frames

SIDE = 24  # pixels: enough for colour and layout, which is all that so simple a model can use
_STRENGTH = 0.01  # of the fit against its penalty: there are more weights than most folders have pictures


def fit(file: Path, classes: Sequence[str], label: str) -> onnx.ModelProto:
    """Return the graph: uint8 pictures (rows, SIDE, SIDE, 3) to probabilities in the order of `classes`."""
    X, y = _thumbnails(file, label)
    mean, scale = X.mean(axis=0), X.std() + 1e-6
    model = LogisticRegression(C=_STRENGTH, max_iter=500).fit((X - mean) / scale, y)
    if tuple(model.classes_) != tuple(classes):
        raise click.UsageError(
            f"the contract took no picture of {sorted(set(classes) - set(model.classes_))}"
        )
    W, b = model.coef_.T, model.intercept_
    if len(classes) == 2:  # one column of weights says how much the second class is likelier
        W, b = np.hstack([np.zeros_like(W), W]), np.array([0.0, b[0]])
    return _graph(mean, scale, W, b)


def _thumbnails(file: Path, label: str) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """See every picture as the served model will: admitted, decoded and resized by the same code."""
    contract = Frames(Frame, examples=[{"camera": "a", "firmware": "1"}])
    seen, labels = [], []
    for batch in parquet.ParquetFile(file).iter_batches(batch_size=64):
        rows = batch.to_pylist()
        names = [row.pop(label) for row in rows]
        admitted = contract.admit_rows(rows)
        seen += [row.fitted(SIDE, SIDE).reshape(-1) for row in admitted.rows]
        labels += [names[place] for place in admitted.positions]
    if not seen:
        raise click.UsageError("the contract took not one picture: they are damaged, or too small")
    return np.stack(seen).astype(np.float32), np.array(labels)


def _graph(
    mean: NDArray[np.float32], scale: float, W: NDArray[np.float64], b: NDArray[np.float64]
) -> onnx.ModelProto:
    constants: dict[str, NDArray[Any]] = {
        "shape": np.array([0, -1], np.int64), "mean": mean.astype(np.float32),
        "scale": np.array(scale, np.float32), "W": W.astype(np.float32), "b": b.astype(np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["picture"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["real", "shape"], ["flat"]),
        helper.make_node("Sub", ["flat", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("Gemm", ["scaled", "W", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "thumbnails",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, ["rows", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", W.shape[1]])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return made
