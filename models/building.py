"""What the model builds share: the split, the same path as serving from raw row to vector, and the export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from skl2onnx import to_onnx

from wardline import Gate

ROOT = Path(__file__).parents[1]
OPSET = {"": 17, "ai.onnx.ml": 3}  # old enough for every runtime in use, new enough for tree ensembles
SHARES = {"fit": 0.6, "calibration": 0.2, "held_back": 0.2}


class Part(NamedTuple):
    """One part of the split, as the models see it: rows that broke the contract are not in it."""

    X: NDArray[np.float32]
    y: NDArray[Any]
    table: pa.Table


def split(table: pa.Table, folder: Path, seed: int) -> dict[str, pa.Table]:
    """Deal the rows into three parts at random, and keep each as a file for the reference and the tests.

    Rows stay in the order they came in: it is the order of time, and it compresses.
    """
    order = np.random.default_rng(seed).permutation(table.num_rows)
    ends = np.round(np.cumsum(list(SHARES.values())) * table.num_rows).astype(int)
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, pa.Table] = {}
    for name, rows in zip(SHARES, np.split(order, ends[:-1]), strict=True):
        parts[name] = table.take(pa.array(np.sort(rows)))
        pq.write_table(parts[name], folder / f"{name}.parquet", compression="zstd", compression_level=19)
    return parts


def see(gate: Gate, table: pa.Table, target: str) -> Part:
    """Walk raw rows through the gate's own contract and features: training and serving cannot differ."""
    admitted = gate.contract.admit_rows([gate.contract.adopt(row) for row in table.to_pylist()])
    kept = table.take(pa.array(admitted.positions))
    block = gate.features.of_rows(admitted.rows)
    return Part(block.matrix.astype(np.float32), kept[target].to_numpy(), kept)


def export(model: Any, part: Part, gate: Gate, name: str) -> Path:
    """Write models/<name>/1/model.onnx; its feature names travel inside, for the gate to check."""
    options = {"zipmap": False} if hasattr(model, "predict_proba") else {}
    graph = to_onnx(model, part.X[:1], name=name, target_opset=OPSET, options={id(model): options})
    graph.opset_import.sort(key=lambda each: each.domain)  # the exporter keeps them in a set
    onnx.helper.set_model_props(graph, {"features": json.dumps(gate.features.schema.names)})
    file = ROOT / "models" / name / "1" / "model.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(graph.SerializeToString(deterministic=True))
    return file


def answers(file: Path, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Ask the exported file, not the object it came from: what is measured is what is served.

    Regression: minutes (or whatever the unit) of shape (n,); classification: probabilities (n, k).
    """
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    result = session.run([session.get_outputs()[-1].name], {session.get_inputs()[0].name: X})[0]
    return np.asarray(result[:, 0] if result.shape[1] == 1 else result, dtype=np.float64)


def by_slice(table: pa.Table, columns: Sequence[str], score: NDArray[np.float64]) -> list[str]:
    """Return Markdown rows of the mean score for each value of each slice column."""
    lines = []
    for column in columns:
        values = table[column].to_numpy()
        for value in np.unique(values):
            rows = values == value
            lines.append(f"| {column} = {value} | {rows.sum():,} | {score[rows].mean():.3f} |")
    return lines


def write_card(name: str, template: str, facts: Mapping[str, Any]) -> None:
    """Fill models/<name>/card.md's text into the version's folder and print its figures."""
    text = template.format(**facts)
    (ROOT / "models" / name / "1" / "card.md").write_text(text)
    print(text)
