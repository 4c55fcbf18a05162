"""Small true batches and references, made of plain columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wardline.features import Feature, FeatureSchema, Kind
from wardline.inference import Batch, Outputs
from wardline.reference import Calibration, Ood, Profile, Reference, RungProfile
from wardline.stats import bins, conformal, ood
from wardline.verdict import Coverage

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
) -> Batch:
    """Make a batch of plain columns, `None` for missing; with `values` or `probabilities` it is answered.

    `schema` is read off the columns unless given, as it must be where a column is all `None`.

    >>> example_batch({"age": [20.0, None]}).inference(1).feature("age") is None
    True
    """
    block = (schema or example_schema(columns)).block(list(zip(*columns.values(), strict=True)))
    outputs = None
    if probabilities is not None:
        P = np.array(probabilities, dtype=np.float64)
        classes = P.argmax(axis=1).astype(np.float64)
        outputs = Outputs(classes if values is None else np.array(values, dtype=np.float64), P)
    elif values is not None:
        outputs = Outputs(np.array(values, dtype=np.float64))
    return Batch([None] * len(block) if rows is None else rows, block, now, rung, outputs)


def example_reference(
    columns: Columns,
    *,
    rungs: Mapping[str, Sequence[Any]] | None = None,
    targets: Sequence[float] | None = None,
    schema: FeatureSchema | None = None,
    per_class: bool = False,
    seed: int = 0,
) -> Reference:
    """Profile plain columns as `wardline reference` profiles training data.

    `rungs` holds each rung's answers on held-back rows, numbers or distributions, and `targets` the truth
    of those rows (numbers, or class numbers): with it the rungs are calibrated. `seed` chooses which rows
    shape the whitening and which only rank in it.
    """
    rng = np.random.default_rng(seed)
    block = (schema or example_schema(columns)).block(list(zip(*columns.values(), strict=True)))
    rungs = rungs or {}
    answers = {name: np.array(answer, dtype=np.float64) for name, answer in rungs.items()}
    width = max((answer.shape[1] for answer in answers.values() if answer.ndim == 2), default=0)
    truth = None if targets is None else np.array(targets, dtype=np.float64)
    return Reference(
        id="example",
        gate="example",
        created="2024-01-01T00:00:00Z",
        rows=len(block),
        rejected=0,
        reject_reasons={},
        period=None,
        target="target",
        features_version="1",
        features_hash="",
        contract_hash="",
        data={},
        libraries={},
        classes=tuple(f"class {i}" for i in range(width)),
        features={each.name: _profile(each, block.column(each.name)) for each in block.schema.columns},
        targets=_continuous("target", np.zeros(0) if truth is None else truth),
        rungs={name: _rung(name, answer, truth, per_class) for name, answer in answers.items()},
        ood=_ood(block.schema.numeric, rng.permutation(block.matrix)),
    )


def _feature(name: str, values: Sequence[Any]) -> Feature:
    some = next((value for value in values if value is not None), 0.0)
    if isinstance(some, str):
        return Feature(name, Kind.TEXT, "string")
    if isinstance(some, bool | np.bool_):
        return Feature(name, Kind.CATEGORICAL, "bool")
    if isinstance(some, int | np.integer):
        return Feature(name, Kind.CATEGORICAL, "int64")
    return Feature(name, Kind.CONTINUOUS, "float64")


def _profile(feature: Feature, column: Any) -> Profile:
    if feature.kind is Kind.CONTINUOUS:
        return _continuous(feature.name, column)
    counts = bins.tally(column)
    categories = bins.top(counts, 50)
    known = frozenset(name for name in counts if name is not None)
    folded = bins.fold(categories, counts)
    return Profile(
        feature.name,
        feature.kind,
        rows=len(column),
        nulls=int(folded[-1]),
        categories={name: counts[name] for name in categories},
        other=int(folded[-2]),
        known=known,
        counts=folded,
    )


def _continuous(name: str, column: NDArray[np.float64]) -> Profile:
    finite = column[np.isfinite(column)]
    nulls, nonfinite = int(np.isnan(column).sum()), int(np.isinf(column).sum())
    if not len(finite):
        return Profile(name, Kind.CONTINUOUS, len(column), nulls, nonfinite)
    cuts = bins.cut(finite)
    return Profile(
        name,
        Kind.CONTINUOUS,
        rows=len(column),
        nulls=nulls,
        nonfinite=nonfinite,
        minimum=float(finite.min()),
        maximum=float(finite.max()),
        mean=float(finite.mean()),
        std=float(finite.std()),
        percentiles=np.percentile(finite, np.arange(101)),
        edges=cuts.edges,
        atoms=cuts.atoms,
        counts=bins.count(cuts.edges, cuts.atoms, column),
    )


def _rung(
    name: str, answer: NDArray[np.float64], truth: NDArray[np.float64] | None, per_class: bool
) -> RungProfile:
    """Profile one rung's answers, and calibrate it where the truth is known."""
    values = answer.argmax(axis=1).astype(np.float64) if answer.ndim == 2 else answer
    calibration = None
    if truth is not None and answer.ndim == 2:
        classes = truth.astype(np.intp)
        scores = conformal.true_class_scores(answer, classes)
        count = answer.shape[1] if per_class else 1
        groups = classes if per_class else np.zeros(len(classes), np.intp)
        calibration = Calibration(conformal.split(scores, groups, count), np.zeros(0), per_class)
    elif truth is not None:
        edges = conformal.bands(values, values, most=4, least=100)
        residuals = np.abs(truth - values)
        scored = conformal.split(residuals, conformal.band(edges, values), len(edges) + 1)
        calibration = Calibration(scored, edges)
    return RungProfile(
        name,
        _continuous(name, values),
        {},
        {},
        {},
        calibration=calibration,
        coverage=Coverage.VOID if calibration is None else Coverage.VALID,
    )


def _ood(names: tuple[str, ...], matrix: NDArray[np.float64]) -> Ood | None:
    """Whiten on one half of the rows and rank the other half in it."""
    if not names or len(matrix) < 2:
        return None
    half = len(matrix) // 2
    whitening = ood.whiten(matrix[:half])
    return Ood(names, *whitening, np.sort(ood.distances(matrix[half:], *whitening)))
