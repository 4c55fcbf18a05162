"""Fitting and exporting: the one door to scikit-learn, which makes gates and never serves one."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
from pyarrow import parquet
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from wardline.cli.target import importable
from wardline.launch.inferring import Guess

MOST = 200_000
"""Rows a model is fitted on; of more, the first so many."""

_OPSET = {"": 17, "ai.onnx.ml": 3}


def fit(file: Path, fields: Sequence[Guess], target: str, place: str) -> Any:
    """Return the estimator at `place` (module:object), fitted if it is not yet."""
    model = _object(place)
    try:
        check_is_fitted(model)
    except NotFittedError:
        return _fitted(model, *_frame(file, fields, target), place)
    return model


def simple(file: Path, fields: Sequence[Guess], target: str, classes: Sequence[str]) -> Any:
    """Return a linear model, fitted; it numbers the classes in the order given."""
    frame, y = _frame(file, fields, target)
    if classes:
        y = np.array([classes.index(name) for name in y])
    model = _fitted(_linear(fields, classes), frame, y, "the linear model")
    if classes and len(model.classes_) < len(classes):
        rare = next(name for place, name in enumerate(classes) if place not in model.classes_)
        raise click.UsageError(f"class {rare!r} is too rare: no row of it is left to fit on")
    return model


def _fitted(model: Any, frame: Any, y: Any, who: str) -> Any:
    try:
        return model.fit(frame, y)
    except Exception as error:
        raise click.UsageError(f"{who} cannot be fitted on the data: {error}") from None


def names_of_classes(model: Any, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes in the order of the model's probabilities."""
    own = tuple(str(name) for name in getattr(model, "classes_", ()))
    if set(own) != set(classes):
        raise click.UsageError(f"the model knows the classes {own}, the target column has {tuple(classes)}")
    return own


def export(model: Any, fields: Sequence[Guess], out: Path) -> None:
    """Write model.onnx, with the features' names inside for the gate to check."""
    if _by_name(model) or any(field.kind == "category" for field in fields):
        inputs: list[tuple[str, Any]] = [
            (each.name, (StringTensorType if each.kind == "category" else FloatTensorType)([None, 1]))
            for each in fields
        ]
    else:
        inputs = [("X", FloatTensorType([None, len(fields)]))]
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    try:
        graph = to_onnx(model, initial_types=inputs, target_opset=_OPSET, options=options)
    except Exception as error:
        raise click.UsageError(
            f"the model cannot be exported to ONNX ({type(error).__name__}: {str(error)[:200]}); export it "
            "yourself and give --model model.onnx"
        ) from None
    onnx.helper.set_model_props(graph, {"features": json.dumps([each.name for each in fields])})
    out.write_bytes(graph.SerializeToString())


def _frame(file: Path, fields: Sequence[Guess], target: str) -> tuple[Any, Any]:
    """Read the features as the gate will hand them over: numbers as floats, null texts by name."""
    table = parquet.read_table(file).slice(0, MOST)
    frame = table.select([each.name for each in fields]).to_pandas()
    for each in fields:
        if each.kind == "category":
            frame[each.name] = frame[each.name].astype(object).where(frame[each.name].notna(), "missing")
        else:
            frame[each.name] = frame[each.name].astype("float32")
    return frame, np.asarray(table[target].to_pylist())


def _linear(fields: Sequence[Guess], classes: Sequence[str]) -> Any:
    """Return the linear model, unfitted: amounts scaled with medians for nulls, one weight a category."""
    amounts = [each.name for each in fields if each.kind != "category"]
    names = [each.name for each in fields if each.kind == "category"]
    parts = [
        ("amounts", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), amounts),
        ("names", OneHotEncoder(handle_unknown="ignore"), names),
    ]
    terms = ColumnTransformer([part for part in parts if part[2]])
    return make_pipeline(terms, LogisticRegression(max_iter=1000) if classes else Ridge())


def _by_name(model: Any) -> bool:
    """Say whether a pipeline picks its columns by name."""
    first = model.steps[0][1] if hasattr(model, "steps") else model
    return type(first).__name__ == "ColumnTransformer"


def _object(place: str) -> Any:
    module, _, name = place.partition(":")
    importable()
    try:
        made = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise click.UsageError(
            f"--sklearn {place}: {error}; it is module:object, such as train:pipeline"
        ) from None
    made = made() if callable(made) and not hasattr(made, "fit") else made
    if not hasattr(made, "fit"):
        raise click.UsageError(f"--sklearn {place} is a {type(made).__name__}, not a scikit-learn estimator")
    return made
