"""What a V2 server says of its model, and how features travel to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.errors import DeadlineError, ModelError, UnavailableError, UnreachableError
from wardline.features import FeatureSchema
from wardline.inference import Batch
from wardline.predictors.connection import Answer, Connections
from wardline.tensors import FLOATS, INTEGERS, NUMERIC

OPENING_S = 10.0
"""Seconds for an exchange without a deadline of its own: when the gate opens and warms up."""

_MOST_METADATA = 1 << 20

Feed = Callable[[Batch], list[tuple[str, str, NDArray[Any] | list[str]]]]
"""What of a batch goes to the server: name, datatype and values of each tensor."""


class Declared(Protocol):
    """The names that a remote model was declared with."""

    @property
    def model(self) -> str:
        """The model's name there."""

    @property
    def input(self) -> str:
        """The tensor that takes the matrix of features; empty where the metadata says it."""

    @property
    def output(self) -> str:
        """The tensor of the answer; empty where the metadata says it."""


def told(connections: Connections, path: str) -> Mapping[str, Any]:
    """Ask for metadata."""
    until = time.monotonic() + OPENING_S
    try:
        answer = connections.ask("GET", path, deadline=until, most=_MOST_METADATA)
    except (DeadlineError, UnavailableError) as error:
        raise UnreachableError(f"{error}: start that server first") from None
    try:
        found = msgspec.json.decode(answer.body)
    except (ValueError, RecursionError):
        found = None
    if answer.status != 200 or not isinstance(found, dict):
        raise ModelError(f"{connections.url}{path} answered {answer.status}: {sentence(answer)}")
    return found


def feed(declared: Declared, inputs: list[Any], schema: FeatureSchema) -> Feed:
    """Decide how the features travel, by what the server publishes."""
    kinds = {str(each.get("name")): str(each.get("datatype")) for each in inputs if isinstance(each, dict)}
    if kinds and set(kinds) == set(schema.names) and not declared.input:
        strange = [n for n in schema.names if (kinds[n] == "BYTES") != (n in schema.text)]
        if strange:
            raise ModelError(
                f"{declared.model} takes {strange[0]} as {kinds[strange[0]]}: the feature is not"
            )
        return lambda batch: [(n, kinds[n], _column(batch.block.column(n), kinds[n])) for n in schema.names]
    name = declared.input or (next(iter(kinds)) if len(kinds) == 1 else "")
    if not name:
        raise ModelError(
            f"{declared.model} publishes the inputs {sorted(kinds)}, the features are {list(schema.names)}: "
            "declare which one takes the matrix of features, input=..."
        )
    if schema.text:
        raise ModelError(f"features {schema.text} are text: {declared.model} must take one tensor a feature")
    datatype = kinds.get(name, "FP64")
    widths = [each.get("shape") for each in inputs if isinstance(each, dict) and each.get("name") == name]
    if datatype not in FLOATS | INTEGERS:
        raise ModelError(f"{declared.model} takes {kinds}: no matrix of numbers called {name!r}")
    if widths and isinstance(widths[0], list) and widths[0][-1:] not in ([-1], [len(schema.names)], []):
        raise ModelError(f"{declared.model} takes {widths[0]}, the features are {len(schema.names)}")
    return lambda batch: [(name, datatype, _column(batch.block.matrix, datatype))]


def _column(values: Any, datatype: str) -> NDArray[Any] | list[str]:
    if datatype == "BYTES":
        return ["" if each is None else each for each in values]
    array: NDArray[Any] = np.asarray(values).astype(NUMERIC[datatype])
    return array


def output(declared: Declared, outputs: list[Any]) -> str:
    """Decide which output is the answer."""
    names = [str(each.get("name")) for each in outputs if isinstance(each, dict)]
    if declared.output and (not names or declared.output in names):
        return declared.output
    if len(names) == 1 and not declared.output:
        return names[0]
    raise ModelError(
        f"{declared.model} publishes the outputs {names}: declare which is the answer, output=..."
    )


def sentence(answer: Answer) -> str:
    """Return what the server says of its error, shortened: it is for our log only."""
    try:
        said = msgspec.json.decode(answer.body)
        text = str(said.get("error", said)) if isinstance(said, dict) else str(said)
    except (ValueError, RecursionError):
        text = answer.body[:200].decode(errors="replace")
    return text[:200]
