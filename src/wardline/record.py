"""The record: what one row left behind. One per input row, always."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.features import FeatureBlock, FeatureSchema
from wardline.verdict import Finding


class RecordSchema(msgspec.Struct, frozen=True):
    """What is the same in every record a gate writes while it is open: its columns and its versions."""

    gate: str
    features: FeatureSchema
    slices: tuple[str, ...]
    classes: tuple[str, ...]
    rungs: tuple[str, ...]
    stages: tuple[str, ...]
    constants: Mapping[str, str]
    """model, model_sha256, features_version, features_hash, reference, contract_hash, libraries, ..."""


class Records(msgspec.Struct):
    """The records of the n rows of one request, side by side; this is what the hot path hands to the log.

    `time` is nanoseconds since the epoch at arrival. Row i's id is `request_id` where n is 1 and the request
    was not a batch, else `request_id` + "-" + i. `actions` holds codes (`verdict.ACTIONS`), `rungs` the
    number of the rung that answered or -1. `block` holds the features of the rows at `admitted` only:
    other rows broke the contract. `values` are class numbers for classification. `findings` has the
    findings that are not ok, by row. `stages_us` are the microseconds each stage took for the whole
    request, in the order of `RecordSchema.stages`.
    """

    time: int
    request_id: str
    trace_id: str
    batch: bool
    actions: NDArray[np.int8]
    rungs: NDArray[np.int8]
    values: NDArray[np.float64]
    admitted: NDArray[np.intp]
    block: FeatureBlock | None
    slices: Mapping[str, Sequence[Any]]
    findings: Mapping[int, Sequence[Finding]]
    stages_us: Sequence[float]
    confidence: NDArray[np.float64] | None = None
    members: NDArray[np.bool_] | None = None
    interval: NDArray[np.float64] | None = None
    ood_p: NDArray[np.float64] | None = None
    level: float | None = None
    coverage: str = "void"
    unknown: Mapping[int, Sequence[str]] = {}
    camera: str | None = None
    firmware: str | None = None

    def __len__(self) -> int:
        return len(self.actions)

    def id_of(self, place: int) -> str:
        """Return the request id of one row."""
        return f"{self.request_id}-{place}" if self.batch else self.request_id
