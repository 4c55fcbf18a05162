"""ONNX models: the only door to onnxruntime."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from wardline.errors import DeadlineError, ModelError, PredictorError
from wardline.features import FeatureSchema, Kind
from wardline.inference import Batch, Outputs
from wardline.predictor import Site
from wardline.predictors.watchdog import Watchdog

_DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}

_SCORE = "score_"
Feed = Callable[[Batch], dict[str, NDArray[Any]]]


def providers() -> list[str]:
    """Name what onnxruntime could run on here."""
    return list(ort.get_available_providers())


@dataclass(frozen=True)
class Onnx:
    """A model in ONNX form: `Onnx("models/loan/3", deadline_ms=50)`.

    `path` is a file, or a directory with `model.onnx`. The graph takes either one tensor (rows, features)
    with the features in their declared order, or one tensor a feature by name, or pictures: uint8 (rows,
    height, width, 3) in BGR, resized to that. It answers a number a row, or class probabilities (rows,
    classes); outputs named `score_...` (rows, 1) say how unlike the training data a row is. A metadata
    entry `features` (a JSON list of names) is checked against the gate's features. The file's sha256 must
    be the one the reference pinned. A run that passes `deadline_ms` is really stopped: at the next node.
    """

    path: str
    deadline_ms: float | None = None
    name: str = ""
    threads: int = 1
    answers_blocked: bool = False
    instant: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.name:
            path = Path(self.path)
            version_folder = path.suffix != ".onnx" and path.parent.name
            object.__setattr__(self, "name", path.parent.name if version_folder else path.stem)

    def open(self, site: Site) -> OpenOnnx:
        """Load the model and check file hash, input names, widths and outputs against the site."""
        file = site.root / self.path
        if file.is_dir():
            file /= "model.onnx"
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ModelError(
                f"model file {file} cannot be read ({error.strerror}): build or restore it"
            ) from None
        digest = hashlib.sha256(content).hexdigest()
        if site.pinned is not None and site.pinned != digest:
            raise ModelError(
                f"{file} changed: its sha256 is {digest[:12]}…, the reference was built for "
                f"{site.pinned[:12]}…. Restore the model, or build the reference anew"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ModelError(f"{file} is not a model onnxruntime can load: {error}") from error
        first = session.get_inputs()[0]
        if first.type == "tensor(uint8)" and len(first.shape) == 4:
            feed = _pictures(first.name, first.shape, site, file)
        else:
            _check_names(session, site.features, file)
            feed = _feed(session, site.features, file)
        output, shape = _output(session, site, file)
        parent = file.parent
        version = f"{parent.parent.name}/{parent.name}" if file.name == "model.onnx" else file.stem
        watchdog = Watchdog(1.0 if self.deadline_ms is None else self.deadline_ms / 1000)
        return OpenOnnx(self.name, version, digest, session, feed, output, shape, watchdog)


@dataclass(frozen=True)
class OpenOnnx:
    """A loaded session, ready to answer."""

    name: str
    version: str
    sha256: str
    session: Any
    feed: Feed
    output: list[str]
    shape: Callable[[list[NDArray[Any]]], Outputs]
    watchdog: Watchdog

    def predict(self, batch: Batch, deadline: float | None) -> Outputs:
        """Run the graph; past `deadline` (monotonic seconds) it is terminated and DeadlineError raised."""
        inputs = self.feed(batch)
        if deadline is None:
            return self.shape(self.session.run(self.output, inputs))
        if time.monotonic() >= deadline:
            raise DeadlineError(f"{self.name} had no time left to start")
        options = ort.RunOptions()
        key = self.watchdog.guard(deadline, options)
        try:
            result = self.session.run(self.output, inputs, options)
        except Exception as error:
            if options.terminate:
                raise DeadlineError(f"{self.name} was stopped at its deadline") from None
            raise PredictorError(f"{self.name}: {error}") from error
        finally:
            self.watchdog.release(key)
        return self.shape(result)

    def close(self) -> None:
        """Stop watching; the session goes with its last reference."""
        self.watchdog.close()


def _check_names(session: Any, schema: FeatureSchema, file: Path) -> None:
    declared = session.get_modelmeta().custom_metadata_map.get("features")
    if declared is None:
        return
    names = tuple(json.loads(declared))
    if names != schema.names:
        wrong = next(
            (f"place {i}: the model takes {a!r}, the features give {b!r}"
             for i, (a, b) in enumerate(zip(names, schema.names, strict=False)) if a != b),
            f"the model takes {len(names)}, the features give {len(schema.names)}",
        )  # fmt: skip
        raise ModelError(f"{file} was trained on other features or another order; {wrong}")


def _feed(session: Any, schema: FeatureSchema, file: Path) -> Feed:
    inputs = session.get_inputs()
    unknown = [f"{each.name}: {each.type}" for each in inputs if each.type not in _DTYPES]
    if unknown:
        raise ModelError(f"{file} takes inputs that no feature can fill: {unknown}")
    if len(inputs) == 1 and len(inputs[0].shape) == 2 and not schema.text and len(schema.columns) > 1:
        (only,) = inputs
        width = only.shape[1]
        if isinstance(width, int) and width != len(schema.columns):
            raise ModelError(
                f"{file} takes {width} features, the gate's feature function gives {len(schema.columns)}"
            )
        dtype, key = _DTYPES[only.type], only.name
        return lambda batch: {key: batch.block.matrix.astype(dtype)}
    given, wanted = set(schema.names), {each.name for each in inputs}
    if len(inputs) == 1 and len(given) == 1:
        wanted = given  # one anonymous input, one feature: there is nothing to confuse
    if given != wanted:
        raise ModelError(
            f"{file} and the features do not fit: the model lacks {sorted(given - wanted)}, "
            f"the features lack {sorted(wanted - given)}"
        )
    kinds = {column.name: column.kind for column in schema.columns}
    plan = []
    for each, name in zip(
        inputs, [i.name for i in inputs] if len(inputs) > 1 else [schema.names[0]], strict=True
    ):
        if (kinds[name] is Kind.TEXT) != (each.type == "tensor(string)"):
            raise ModelError(f"{file}: input {name} is {each.type}, the feature is {kinds[name].value}")
        plan.append((each.name, name, _DTYPES[each.type]))

    def feed(batch: Batch) -> dict[str, NDArray[Any]]:
        column = batch.block.column
        return {key: np.asarray(column(name), dtype=dtype).reshape(-1, 1) for key, name, dtype in plan}

    return feed


def _pictures(key: str, shape: list[Any], site: Site, file: Path) -> Feed:
    """Feed the rows' own pictures: their features are for the guards."""
    if not isinstance(shape[1], int) or not isinstance(shape[2], int) or shape[3] != 3:
        raise ModelError(f"{file} takes pictures of {shape[1:]}: export it for one size, (height, width, 3)")
    if not site.pictures:
        raise ModelError(f"{file} takes pictures, the contract's rows have none: declare it with Frames(...)")
    height, width = shape[1:3]
    return lambda batch: {key: np.stack([row.fitted(height, width) for row in batch.rows])}


def _output(
    session: Any, site: Site, file: Path
) -> tuple[list[str], Callable[[list[NDArray[Any]]], Outputs]]:
    """Find the output that holds the answer, and how to read it."""
    outputs = session.get_outputs()
    floats = [each for each in outputs if each.type in ("tensor(float)", "tensor(double)")]
    scores = [each.name for each in floats if each.name.startswith(_SCORE)]
    numeric = [each for each in floats if each.name not in scores]
    if site.classes:
        wide = [
            each for each in numeric if (len(each.shape) == 2 and each.shape[1] in (len(site.classes), None))
            or (len(each.shape) == 2 and isinstance(each.shape[1], str))
        ]  # fmt: skip
        if not wide:
            raise ModelError(
                f"{file} has no output of {len(site.classes)} class probabilities, only "
                f"{[f'{each.name} {each.shape}' for each in outputs]}: export it with zipmap off"
            )
        return [wide[0].name, *scores], lambda found: _scored(_classify(found[0]), scores, found)
    if not numeric:
        raise ModelError(f"{file} has no numeric output: {[f'{e.name}: {e.type}' for e in outputs]}")
    return [numeric[0].name, *scores], lambda found: _scored(_regress(found[0]), scores, found)


def _scored(outputs: Outputs, names: list[str], found: list[NDArray[Any]]) -> Outputs:
    """Add how unlike the training data the rows are, by the graph's own outputs."""
    if not names:
        return outputs
    scores = {
        name.removeprefix(_SCORE): score.reshape(-1).astype(np.float64)
        for name, score in zip(names, found[1:], strict=True)
    }
    return Outputs(outputs.values, outputs.probabilities, scores)


def _classify(result: NDArray[Any]) -> Outputs:
    probabilities = result.astype(np.float64)
    return Outputs(probabilities.argmax(axis=1).astype(np.float64), probabilities)


def _regress(result: NDArray[Any]) -> Outputs:
    values = result.astype(np.float64)
    return Outputs(values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values)
