"""A model on another server, asked by the Open Inference Protocol (V2)."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec
import numpy as np

from wardline.errors import (
    DeclarationError,
    ModelError,
    PayloadError,
    PredictorError,
    UnavailableError,
)
from wardline.inference import Batch, Outputs
from wardline.predictor import Site
from wardline.predictors.connection import Answer, Connections
from wardline.predictors.upstream import OPENING_S, Feed, feed, output, sentence, told
from wardline.telemetry import outgoing, request_id
from wardline.tensors import (
    FLOATS,
    INTEGERS,
    SIZE,
    InferRequest,
    Tensor,
    Wanted,
    packed,
    response_of,
)

_ANSWER_BYTES = 1 << 16  # of an answer's frame; each row adds to it
_ROW_BYTES = 64  # of a number and what JSON puts around it
_NOT_THE_ROWS = frozenset((401, 403, 404, 429, 502, 503, 504))
"""Statuses that no other choice of rows would change."""
_HEADER = "inference-header-content-length"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Remote:
    """A model that another server runs: `Remote("http://models:8080", "loan", output="predict_proba")`.

    The server speaks V2 over HTTP (MLServer, Triton, KServe, another wardline). It gets the features: one
    tensor each where its metadata names them so, else one matrix called `input`, in the features' order.
    `output` names the tensor of the answer: a number a row, probabilities (rows, classes), or labels; where
    the metadata publishes one input or output its name may be left out. With `version` only that one is
    asked. What comes back is held to what was asked: name, version, id, datatype, shape and number of rows;
    anything else is a fault of this rung. `deadline_ms` bounds each whole exchange. Connections are kept;
    only connecting is tried again, never a request of which a byte was sent.
    """

    url: str
    model: str
    version: str = ""
    input: str = ""
    output: str = ""
    deadline_ms: float = 1000.0
    name: str = ""
    answers_blocked: bool = False
    trace: Callable[[str], Mapping[str, str]] = outgoing
    """Gives the headers that pass the trace on, by the rung: those of the request answered, unless said."""
    instant: ClassVar[bool] = False
    waits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.model)
        if not self.model or self.deadline_ms <= 0:
            raise DeclarationError("a remote model has a name, and a deadline above zero")
        Connections(self.url)

    def open(self, site: Site) -> OpenRemote:
        """Ask the server what the model takes and gives, and check that it fits the site."""
        connections = Connections(self.url)
        path = f"/v2/models/{quote(self.model, safe='')}"
        if self.version:
            path += f"/versions/{quote(self.version, safe='')}"
        try:
            metadata = told(connections, path)
            server = told(connections, "/v2")
            feeding = feed(self, metadata.get("inputs") or [], site.features)
            answer = output(self, metadata.get("outputs") or [])
        except BaseException:
            connections.close()
            raise
        versions = metadata.get("versions") or []
        version = self.version or (str(versions[0]) if len(versions) == 1 else "")
        digest = hashlib.sha256(
            json.dumps([self.model, version, metadata], sort_keys=True).encode()
        ).hexdigest()
        if site.pinned is not None and site.pinned != digest:
            connections.close()
            raise ModelError(
                f"{self.model} on {self.url} is not what the reference was built for: version {version!r} "
                "or its tensors changed. Declare the version that was profiled, or build the reference anew"
            )
        binary = "binary_tensor_data" in (server.get("extensions") or [])
        return OpenRemote(
            self, digest, version, connections, path + "/infer", feeding, answer, binary, site.classes
        )


@dataclass(frozen=True)
class OpenRemote:
    """A remote model, ready to answer."""

    declared: Remote
    sha256: str
    model_version: str
    connections: Connections
    path: str
    feed: Feed
    output: str
    binary: bool
    classes: tuple[str, ...]

    @property
    def version(self) -> str:
        """The model's name there, and its version where the server names one."""
        return f"{self.declared.model}/{self.model_version}" if self.model_version else self.declared.model

    def predict(self, batch: Batch, deadline: float | None) -> Outputs:
        """Ask the server; whatever it says that does not fit the question is refused."""
        sent = request_id()
        body, headers = self._written(batch, sent)
        most = _ANSWER_BYTES + _ROW_BYTES * len(batch) * max(1, len(self.classes))
        until = time.monotonic() + OPENING_S if deadline is None else deadline
        answer = self.connections.ask("POST", self.path, body, headers, deadline=until, most=most)
        if answer.status != 200:
            kind = UnavailableError if answer.status in _NOT_THE_ROWS else PredictorError
            raise kind(f"{self.declared.url} answered {answer.status}: {sentence(answer)}")
        return self._read(answer, len(batch), sent)

    def _written(self, batch: Batch, sent: str) -> tuple[bytes, dict[str, str]]:
        """Write the request: binary where the server takes it, else JSON, in which NaN is null."""
        tensors: list[Tensor] = []
        tails: list[bytes] = []
        for name, datatype, values in self.feed(batch):
            shape = list(values.shape) if isinstance(values, np.ndarray) else [len(values)]
            tensor = Tensor(name, shape, datatype)
            if self.binary:
                raw = packed(values)
                tensor.parameters = {SIZE: len(raw)}
                tails.append(raw)
            else:
                tensor.data = values.ravel().tolist() if isinstance(values, np.ndarray) else values
            tensors.append(tensor)
        wanted = Wanted(self.output, {"binary_data": True} if self.binary else None)
        head = _encode(InferRequest(tensors, sent, outputs=[wanted]))
        headers = {"content-type": "application/octet-stream" if tails else "application/json"}
        if tails:
            headers[_HEADER] = str(len(head))
        headers.update(self.declared.trace(self.declared.name))
        return b"".join((head, *tails)), headers

    def _read(self, answer: Answer, count: int, sent: str) -> Outputs:
        length = answer.headers.get(_HEADER)
        try:
            response, flats = response_of(answer.body, None if length is None else int(length[:18]))
        except ValueError:
            raise self._wrong(f"{_HEADER}: {length!r}") from None
        except PayloadError as error:
            raise self._wrong(str(error)) from None
        if response.model_name != self.declared.model or response.id not in (None, sent):
            raise self._wrong(f"model {response.model_name!r}, id {response.id!r}: not what was asked")
        if self.model_version and response.model_version not in (None, "", self.model_version):
            raise self._wrong(f"version {response.model_version!r}, not {self.model_version!r}")
        found = [
            (tensor, flat)
            for tensor, flat in zip(response.outputs, flats, strict=True)
            if tensor.name == self.output
        ]
        if len(found) != 1:
            raise self._wrong(f"{len(found)} outputs called {self.output!r}")
        return self._outputs(*found[0], count)

    def _outputs(self, tensor: Tensor, flat: Any, count: int) -> Outputs:
        """Hold the answer to its shape; numbers that cannot be an answer become NaN, which none is."""
        classes, width = self.classes, tensor.shape[1] if len(tensor.shape) == 2 else 1
        wide = bool(classes) and width == len(classes) and len(tensor.shape) == 2
        if tensor.shape[0] != count or len(tensor.shape) > 2 or (width != 1 and not wide):
            raise self._wrong(f"shape {tensor.shape} for {count} rows")
        if tensor.datatype == "BYTES":
            if not classes or width != 1:
                raise self._wrong("text where a number belongs")
            names = {name: float(code) for code, name in enumerate(classes)}
            texts = [each.decode(errors="replace") if isinstance(each, bytes) else each for each in flat]
            return Outputs(np.array([names.get(each, np.nan) for each in texts]))
        if tensor.datatype not in FLOATS | INTEGERS:
            raise self._wrong(f"datatype {tensor.datatype}")
        values = np.array(flat, dtype=np.float64)
        if wide:
            P = values.reshape(count, width)
            with np.errstate(invalid="ignore"):
                sound = (P >= 0).all(axis=1) & (P <= 1).all(axis=1) & (np.abs(P.sum(axis=1) - 1) < 1e-3)
            P[~sound] = np.nan
            return Outputs(P.argmax(axis=1).astype(np.float64), P)
        if classes:
            values[values != np.floor(values)] = np.nan
        return Outputs(values)

    def _wrong(self, what: str) -> UnavailableError:
        """What it says cannot be the answer: no choice of rows would mend that."""
        return UnavailableError(f"{self.declared.url} answered {what[:300]}")

    def close(self) -> None:
        """Close the idle connections."""
        self.connections.close()
