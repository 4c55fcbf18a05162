"""The reference: the frozen profile of the training data, bound to a model version.

On disk it is a bundle of two files beside the model: `reference.json`, which a person can read and diff,
and `reference.npz`, the arrays. Both are sealed by hashes: a flipped bit, a lost tail or a file of another
build is refused. The seal tells damage and mix-ups; it is no signature.
"""

from __future__ import annotations

import hashlib
import io
import json
import typing
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline import whole
from wardline.errors import BundleError
from wardline.features import Kind
from wardline.verdict import Coverage


class Profile(msgspec.Struct, frozen=True):
    """One column of the training data (a feature, or a rung's predictions).

    `rows` counts everything; `nulls` the missing, `nonfinite` the infinite (continuous) among them.
    Continuous: `percentiles` has 101 values (0..100) of the finite data, `edges` the inner edges of the
    frozen bins (outer bins are open), `atoms` the single values heavy enough for a bin of their own, and
    `counts` the rows of: bins (len(edges) + 1), then atoms, then null, then nonfinite.
    Categorical and text: `categories` maps each of the most frequent values (as text) to its rows, `other`
    counts the rest; `counts` is categories in order, then other, then null. `known` holds every value seen
    (bounded; `known_complete` False says that the bound was reached).
    """

    name: str
    kind: Kind
    rows: int
    nulls: int = 0
    nonfinite: int = 0
    minimum: float = 0.0
    maximum: float = 0.0
    mean: float = 0.0
    std: float = 0.0
    percentiles: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.zeros(0))
    edges: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.zeros(0))
    atoms: tuple[float, ...] = ()
    categories: Mapping[str, int] = {}
    other: int = 0
    known: frozenset[str] = frozenset()
    known_complete: bool = True
    counts: NDArray[np.int64] = msgspec.field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def null_rate(self) -> float:
        """Share of missing values in training."""
        return self.nulls / self.rows if self.rows else 0.0


class Estimate(msgspec.Struct, frozen=True):
    """A measured figure with its confidence interval: `value` in [`low`, `high`] at `level`, from `rows`."""

    value: float
    low: float
    high: float
    rows: int
    level: float = 0.95


class Calibration(msgspec.Struct, frozen=True):
    """Conformal calibration scores of one rung, sorted, from rows the model was not fitted on.

    Regression: absolute residuals, one sorted array for each band of the prediction; `band_edges` are the
    inner edges between bands (Mondrian taxonomy by predicted value). Classification: 1 - probability of
    the true class; one array for all rows, or one per class when `per_class`.
    """

    scores: tuple[NDArray[np.float64], ...]
    band_edges: NDArray[np.float64]
    per_class: bool = False


class RungProfile(msgspec.Struct, frozen=True):
    """How one rung of the chain did on the reference data.

    `performance` maps a metric (mae, rmse, r2, bias | accuracy, log_loss, brier, ...) to its estimate;
    `slices` maps "column=value" to the same. `latency_ms` maps p50, p95, p99 to milliseconds a row.
    `coverage` is VOID, with `coverage_reason`, where the calibration may not be relied on.
    """

    name: str
    predictions: Profile
    performance: Mapping[str, Estimate]
    slices: Mapping[str, Mapping[str, Estimate]]
    latency_ms: Mapping[str, float]
    confidence: Profile | None = None
    calibration: Calibration | None = None
    scores: Mapping[str, NDArray[np.float64]] = {}
    """Of each score of strangeness the model gives, the held-out rows' values, sorted."""
    coverage: Coverage = Coverage.VOID
    coverage_reason: str = ""
    file: str = ""
    sha256: str = ""


class Ood(msgspec.Struct, frozen=True):
    """What the out-of-distribution rank needs: a whitening of the numeric features and sorted distances.

    Distance of x: norm((x - center) @ whitening), missing values replaced by `center`. `distances` are
    those of rows that did not shape the whitening, so that their ranks are uniform on like rows.
    """

    names: tuple[str, ...]
    center: NDArray[np.float64]
    whitening: NDArray[np.float64]
    distances: NDArray[np.float64]


class Golden(msgspec.Struct, frozen=True):
    """Training rows kept whole: raw inputs as JSON, the features and answers that training had for them.

    `features` is (n, numeric features), `text` has the others; `answers` maps a rung to (n, 1) numbers or
    (n, classes) probabilities. The first `typical` rows are a uniform sample, the rest were picked: `strata`
    says why (an extreme, a category, a null, a field left out).
    """

    ids: tuple[str, ...]
    inputs: tuple[str, ...]
    strata: tuple[str, ...]
    typical: int
    features: NDArray[np.float64]
    text: Mapping[str, tuple[str | None, ...]]
    answers: Mapping[str, NDArray[np.float64]]


class Reference(msgspec.Struct, frozen=True):
    """The whole bundle. `id` is a short hash of its content; the gate writes it into every record."""

    id: str
    gate: str
    created: str
    rows: int
    rejected: int
    reject_reasons: Mapping[str, int]
    period: tuple[str, str] | None
    target: str
    features_version: str
    features_hash: str
    contract_hash: str
    data: Mapping[str, str]
    libraries: Mapping[str, str]
    classes: tuple[str, ...]
    features: Mapping[str, Profile]
    targets: Profile
    rungs: Mapping[str, RungProfile]
    ood: Ood | None = None
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = {}
    golden: Golden | None = None
    environment: Mapping[str, str] = {}
    """What else can move a number: onnxruntime's providers, features of the processor, further libraries."""


JSON_NAME = "reference.json"
NPZ_NAME = "reference.npz"
FORMAT = 1
"""Raised when a bundle changes so that this code could not read the old one, or old code the new one."""

_ARRAY = "npz"  # in the JSON, {"npz": "00012"} stands for that array of the other file
_ANEW = "build it anew with `wardline reference`"


def save(reference: Reference, directory: Path) -> Reference:
    """Write the bundle into the model's directory, each file atomically; return it with its `id`.

    Interrupted between the two files, what is left does not fit together and is refused by `load`.
    """
    arrays: dict[str, NDArray[Any]] = {}
    tree = msgspec.to_builtins(reference, enc_hook=lambda value: _store(value, arrays))
    del tree["id"]
    _sort_sets(tree)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # every key is a number
    npz = buffer.getvalue()
    body = {"format": FORMAT, "npz_sha256": hashlib.sha256(npz).hexdigest(), "reference": tree}
    content = hashlib.sha256(_canonical(body)).hexdigest()
    directory.mkdir(parents=True, exist_ok=True)
    whole.put(directory / NPZ_NAME, npz, synced=True)
    whole.put(directory / JSON_NAME, _canonical({**body, "content_sha256": content}), synced=True)
    return msgspec.structs.replace(reference, id=content[:12])


def load(directory: Path, *, gate: str | None = None) -> Reference:
    """Read and verify a bundle; `gate` is the name it must have been built for.

    Raises BundleError, which says what is wrong and what to do: missing, damaged, not of one build, of a
    newer format, of another gate. Nothing in a bundle is ever executed: there is no pickle in it.
    """
    text, npz = _read(directory / JSON_NAME), _read(directory / NPZ_NAME)
    body = _verified(text, directory / JSON_NAME)
    if hashlib.sha256(npz).hexdigest() != body["npz_sha256"]:
        raise BundleError(
            f"{directory / NPZ_NAME} is not the one that {JSON_NAME} was written with: restore both, "
            f"or {_ANEW}"
        )
    tree = {**body["reference"], "id": body["content_sha256"][:12]}
    try:
        with np.load(io.BytesIO(npz), allow_pickle=False) as arrays:
            reference = msgspec.convert(
                tree, Reference, dec_hook=lambda kind, value: _fetch(kind, value, arrays)
            )
    except (msgspec.ValidationError, ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{directory} holds no reference this version can read ({error}): {_ANEW}"
        ) from error
    if gate is not None and reference.gate != gate:
        raise BundleError(
            f"{directory} is the reference of gate {reference.gate!r}, not of {gate!r}: correct the gate's "
            f"reference=, or {_ANEW}"
        )
    return reference


def _verified(text: bytes, path: Path) -> dict[str, Any]:
    """Parse the JSON, and hold every byte of it to the hash inside."""
    damaged = BundleError(f"{path} was changed or cut off after it was written: restore it, or {_ANEW}")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise damaged from None
    if not isinstance(body, dict) or not isinstance(body.get("reference"), dict):
        raise BundleError(f"{path} is not a reference of wardline's: {_ANEW}")
    if isinstance(body.get("format"), int) and body["format"] > FORMAT:
        raise BundleError(
            f"{path} has format {body['format']}, this wardline reads up to {FORMAT}: upgrade wardline, "
            f"or {_ANEW}"
        )
    sealed = {name: value for name, value in body.items() if name != "content_sha256"}
    content = hashlib.sha256(_canonical(sealed)).hexdigest()
    if body.get("content_sha256") != content or _canonical(body) != text:
        raise damaged
    if body.keys() != {"format", "npz_sha256", "reference", "content_sha256"}:
        raise BundleError(f"{path} is not a reference of wardline's: {_ANEW}")
    return body


def _canonical(body: Mapping[str, Any]) -> bytes:
    """Spell out the one way to write it; keys keep their order, for features and categories have one."""
    return json.dumps(body, indent=1, allow_nan=False).encode() + b"\n"


def _store(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "fi":  # objects would be pickled
        key = f"{len(arrays):05d}"
        arrays[key] = value
        return {_ARRAY: key}
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"a reference holds numbers, text and arrays, not {type(value).__name__}")


def _fetch(kind: Any, value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    dtype = typing.get_args(typing.get_args(kind)[1])[0]
    array = arrays[value[_ARRAY]]
    if array.dtype != dtype:
        raise ValueError(f"array {value[_ARRAY]} is {array.dtype}, expected {np.dtype(dtype)}")
    array.setflags(write=False)
    return array


def _sort_sets(tree: dict[str, Any]) -> None:
    """Sets have no order of their own; the file needs one."""
    profiles = [*tree["features"].values(), tree["targets"]]
    for rung in tree["rungs"].values():
        profiles += [rung["predictions"], *([rung["confidence"]] if rung["confidence"] else [])]
    for profile in profiles:
        profile["known"] = sorted(profile["known"])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleError(f"there is no {path}: restore it, or {_ANEW}") from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}): mend that, or {_ANEW}") from None
