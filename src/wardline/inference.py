"""What the guards see: one row on its way through the gate, and the batch it travels in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.features import FeatureBlock
from wardline.health import Health


class Outputs(msgspec.Struct, frozen=True):
    """What a predictor answered for n rows.

    Regression: `values` of shape (n,), no `probabilities`. Classification: `probabilities` of shape (n, k)
    in the order of the gate's classes, and `values` the class numbers 0..k-1; a rule that can only name a
    class leaves `probabilities` out. `scores` are the model's own measures, shape (n,) each, of how unlike
    its training data a row is: they grow with strangeness.
    """

    values: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None = None
    scores: Mapping[str, NDArray[np.float64]] = {}

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.intp]) -> Outputs:
        """Return the outputs of these rows only, in this order."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return Outputs(self.values[rows], probabilities, {n: each[rows] for n, each in self.scores.items()})


class Inference(msgspec.Struct, frozen=True):
    """One row, as a guard sees it. Nothing here changes, and nothing here is about any other row.

    `row` is the validated input, `features` the named values computed from it (NaN or None where
    missing). At stage OUTPUT there is also the `rung` that answered, its `value` (a class number, for
    classification) and `probabilities`. `health` is the monitor's last word, where it ever spoke.
    """

    row: Any
    features: tuple[Any, ...]
    names: tuple[str, ...]
    vector: NDArray[np.float64]
    now: float = 0.0
    rung: str = ""
    value: float | None = None
    probabilities: Sequence[float] | None = None
    scores: Mapping[str, float] = {}
    health: Health | None = None

    def feature(self, name: str) -> Any:
        """Return one feature by name, `None` where the row has no such feature or no value for it."""
        try:
            value = self.features[self.names.index(name)]
        except ValueError:
            return None
        return None if value is None or value != value else value


class Batch(msgspec.Struct, frozen=True):
    """The rows of one request that met the contract, side by side. `now` is the gate's clock, in seconds;
    `health` is the monitor's snapshot, the same for all of them."""

    rows: Sequence[Any]
    block: FeatureBlock
    now: float = 0.0
    rung: str = ""
    outputs: Outputs | None = None
    health: Health | None = None

    def __len__(self) -> int:
        return len(self.block.matrix)

    def inference(self, place: int) -> Inference:
        """Return one row as a guard's `check` takes it."""
        block = self.block
        vector = block.matrix[place]
        values = vector.tolist()
        schema = block.schema
        if block.text:
            numbers = iter(values)
            features = tuple(
                block.text[name][place] if name in block.text else next(numbers) for name in schema.names
            )
        else:
            features = tuple(values)
        if self.outputs is None:
            return Inference(self.rows[place], features, schema.names, vector, self.now, health=self.health)
        probabilities = self.outputs.probabilities
        return Inference(
            self.rows[place],
            features,
            schema.names,
            vector,
            self.now,
            self.rung,
            float(self.outputs.values[place]),
            None if probabilities is None else probabilities[place].tolist(),
            {name: float(each[place]) for name, each in self.outputs.scores.items()},
            self.health,
        )

    def only(self, rows: NDArray[np.intp]) -> Batch:
        """Return the batch of these rows only, unanswered; the batch itself where that is all of them."""
        if len(rows) == len(self):
            return self
        taken = [self.rows[i] for i in rows]
        return Batch(taken, self.block.take(rows), self.now, health=self.health)

    def answered(self, rows: NDArray[np.intp], rung: str, outputs: Outputs) -> Batch:
        """Return the batch of these rows with what a rung answered for them."""
        some = self.only(rows)
        return Batch(some.rows, some.block, self.now, rung, outputs, self.health)


class Screened(msgspec.Struct, frozen=True):
    """What a guard's `screen` says of a whole batch at once.

    `suspect` is True for every row that `check` might not call `ok`: those rows are checked one by one.
    `measured` holds columns for the uncertainty of *all* rows, by the field names of `Measured`:
    `confidence` and `ood_p` of shape (n,), `members` (n, k) booleans, `interval` (n, 2).
    """

    suspect: NDArray[np.bool_]
    measured: Mapping[str, NDArray[Any]] = {}
