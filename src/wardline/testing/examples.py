"""Small true batches and references, made of plain columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wardline.features import Feature, FeatureSchema, Kind
from wardline.health import Health
from wardline.inference import Batch, Outputs
from wardline.profiler import Origin, ReferenceBuilder
from wardline.reference import Reference

Columns = Mapping[str, Sequence[Any]]


def example_schema(columns: Columns) -> FeatureSchema:
    """Read the schema off plain columns: floats are amounts, integers and bools codes, strings names.

    >>> schema = example_schema({"age": [1.5], "zone": [3], "fuel": ["gas"]})
    >>> [feature.kind.value for feature in schema.columns]
    ['continuous', 'categorical', 'text']
    """
    return FeatureSchema(tuple(_feature(name, values) for name, values in columns.items()))


def example_batch(
    columns: Columns,
    *,
    rows: Sequence[Any] | None = None,
    now: float = 0.0,
    rung: str = "",
    values: Sequence[float] | None = None,
    probabilities: Sequence[Sequence[float]] | None = None,
    schema: FeatureSchema | None = None,
    health: Health | None = None,
) -> Batch:
    """Make a batch of plain columns, `None` for missing; with `values` or `probabilities` it is answered.

    `schema` is read off the columns unless given, as it must be where a column is all `None`.

    >>> example_batch({"age": [20.0, None]}).inference(1).feature("age") is None
    True
    """
    block = (schema or example_schema(columns)).block(list(zip(*columns.values(), strict=True)))
    outputs = None
    if probabilities is not None:
        outputs = _outputs(probabilities)
    elif values is not None:
        outputs = _outputs(values)
    return Batch([None] * len(block) if rows is None else rows, block, now, rung, outputs, health)


def example_reference(
    columns: Columns,
    *,
    rungs: Mapping[str, Sequence[Any]] | None = None,
    targets: Sequence[float] | None = None,
    schema: FeatureSchema | None = None,
    seed: int = 0,
) -> Reference:
    """Profile plain columns as `wardline reference` profiles training data.

    `rungs` holds each rung's answers, numbers or distributions; with `targets`, the truth of those rows
    (numbers, or class numbers), they count as held back from training, and the rungs are calibrated.
    `seed` chooses which rows shape the whitening and which only rank in it.
    """
    block = (schema or example_schema(columns)).block(list(zip(*columns.values(), strict=True)))
    answers = {name: _outputs(answer) for name, answer in (rungs or {}).items()}
    width = max((P.shape[1] for each in answers.values() if (P := each.probabilities) is not None), default=0)
    builder = ReferenceBuilder(block.schema, classes=[f"class {i}" for i in range(width)], seed=seed)
    unknown = np.full(len(block), np.nan)
    builder.observe(block, unknown)
    builder.freeze()
    builder.count(block, unknown)
    for name, outputs in answers.items():
        if targets is None:
            builder.answered(name, outputs, outputs.values, {}, held_out=False)
        else:
            builder.answered(name, outputs, np.array(targets, dtype=np.float64), {}, held_out=True)
    origin = Origin(
        gate="example",
        created="2024-01-01T00:00:00Z",
        target="target",
        features_version="1",
        features_hash="",
        contract_hash="",
    )
    return builder.finish(origin)


def _outputs(answer: Sequence[Any]) -> Outputs:
    found = np.array(answer, dtype=np.float64)
    if found.ndim == 1:
        return Outputs(found)
    return Outputs(found.argmax(axis=1).astype(np.float64), found)


def _feature(name: str, values: Sequence[Any]) -> Feature:
    some = next((value for value in values if value is not None), 0.0)
    if isinstance(some, str):
        return Feature(name, Kind.TEXT, "string")
    if isinstance(some, bool | np.bool_):
        return Feature(name, Kind.CATEGORICAL, "bool")
    if isinstance(some, int | np.integer):
        return Feature(name, Kind.CATEGORICAL, "int64")
    return Feature(name, Kind.CONTINUOUS, "float64")
