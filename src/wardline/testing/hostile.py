"""The same batch with the worst that a row may hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wardline.features import FeatureBlock
from wardline.inference import Batch, Inference, Outputs

_NUMBERS = {
    "missing": np.nan,
    "infinite": np.inf,
    "minus infinite": -np.inf,
    "huge": 1e308,
    "minus huge": -1e308,
    "tiny": 5e-324,
    "zero": 0.0,
    "a code that is none": 12345.5,
}


def hostile(batch: Batch) -> dict[str, Batch]:
    """Return the batch with hostile features, and where it is answered with hostile answers, by name.

    Features are missing everywhere, infinite, extreme, or unheard of; the row itself is gone; answers are
    not finite, no distribution, a tie, or without probabilities; the rung is one that nobody knows.
    """
    found = {f"{name} features": _filled(batch, number, None) for name, number in _NUMBERS.items()}
    found["empty text"] = _filled(batch, None, "")
    found["unheard-of text"] = _filled(batch, None, "\N{SNOWMAN}" * 1000)
    found["one feature missing each"] = _gaps(batch)
    found["no row"] = Batch([None] * len(batch), batch.block, batch.now, batch.rung, batch.outputs)
    found["no clock"] = Batch(batch.rows, batch.block, np.nan, batch.rung, batch.outputs)
    if batch.outputs is not None:
        found["unknown rung"] = Batch(batch.rows, batch.block, batch.now, "nobody", batch.outputs)
        for name, outputs in _answers(batch.outputs).items():
            found[name] = Batch(batch.rows, batch.block, batch.now, batch.rung, outputs)
    return found


def inferences(batch: Batch) -> list[Inference]:
    """Return every row as `check` takes it."""
    return [batch.inference(place) for place in range(len(batch))]


def _filled(batch: Batch, number: float | None, text: str | None) -> Batch:
    block = batch.block
    matrix = block.matrix if number is None else np.full_like(block.matrix, number)
    texts = {name: [text] * len(block) for name in block.text}
    return _with(batch, FeatureBlock(block.schema, matrix, texts))


def _gaps(batch: Batch) -> Batch:
    """Take another feature out of each row."""
    block = batch.block
    matrix = block.matrix.copy()
    if matrix.size:
        matrix[np.arange(len(matrix)), np.arange(len(matrix)) % matrix.shape[1]] = np.nan
    return _with(batch, FeatureBlock(block.schema, matrix, block.text))


def _with(batch: Batch, block: FeatureBlock) -> Batch:
    return Batch(batch.rows, block, batch.now, batch.rung, batch.outputs)


def _answers(outputs: Outputs) -> dict[str, Outputs]:
    values, P = outputs.values, outputs.probabilities
    found = {f"{name} answer": Outputs(np.full_like(values, number), P) for name, number in _NUMBERS.items()}
    if P is not None:
        found["no probabilities"] = Outputs(values)
        for name, row in _rows(P.shape[1]).items():
            found[f"{name} probabilities"] = Outputs(values, np.tile(row, (len(values), 1)))
    return found


def _rows(classes: int) -> dict[str, NDArray[np.float64]]:
    rows = {name: np.full(classes, number) for name, number in _NUMBERS.items()}
    rows["tied"] = np.full(classes, 1.0 / classes)
    rows["certain"] = np.eye(classes)[-1]
    rows["half missing"] = np.where(np.arange(classes) % 2, np.nan, 1.0)
    rows["opposed"] = np.where(np.arange(classes) % 2, -np.inf, np.inf)
    return rows
