"""V2 outputs: what the gate said of each row as tensors, and the verdict as parameters.

Parameters are scalars in the protocol, so the verdict of one row travels as JSON text in `verdict`. A batch
tells each row's action, answer and uncertainty in its tensors, and in `verdicts` the whole verdict of every
row that was not plainly served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wardline.errors import PayloadError
from wardline.gate import Gate
from wardline.record import Records, RecordSchema, verdict_of
from wardline.tensors import SIZE, InferRequest, InferResponse, Tensor, packed
from wardline.verdict import ACTIONS, Verdict

Column = NDArray[Any] | list[str]

_encode = msgspec.json.Encoder().encode
_SERVED = 0  # the code of Action.SERVE
_NAN = float("nan")


@dataclass(frozen=True)
class Outputs:
    """The tensors a gate answers with."""

    classes: tuple[str, ...]
    widths: Mapping[str, int]
    """Every output by name, with its second dimension; 0 for none."""
    datatypes: Mapping[str, str]

    @classmethod
    def of(cls, gate: Gate) -> Outputs:
        """Derive them from the gate's declaration."""
        kinds = {"prediction": ("BYTES" if gate.classes else "FP64", 0), "action": ("BYTES", 0)}
        if gate.classes:
            kinds |= {"confidence": ("FP64", 0), "set": ("BOOL", len(gate.classes))}
        else:
            kinds |= {"interval": ("FP64", 2)}
        kinds["ood_p"] = ("FP64", 0)
        return cls(
            gate.classes,
            {name: width for name, (_, width) in kinds.items()},
            {name: datatype for name, (datatype, _) in kinds.items()},
        )

    def metadata(self) -> list[dict[str, Any]]:
        """Say which tensors are answered; `set` has one column a class, in the order of its labels."""
        return [
            {"name": name, "datatype": self.datatypes[name], "shape": [-1, width] if width else [-1]}
            | ({"parameters": {"labels": _text(self.classes)}} if name == "set" else {})
            for name, width in self.widths.items()
        ]

    def wanted(self, request: InferRequest) -> dict[str, bool]:
        """Return the outputs asked for, and whether each goes in binary; all of them where none is named."""
        binary = bool((request.parameters or {}).get("binary_data_output", False))
        if not request.outputs:
            return dict.fromkeys(self.widths, binary)
        wanted: dict[str, bool] = {}
        for each in request.outputs:
            parameters = each.parameters or {}
            if each.name not in self.widths:
                raise PayloadError(
                    f"the model has no output {each.name[:80]!r}, it has {', '.join(self.widths)}"
                )
            refused = {"classification", "shared_memory_region"} & parameters.keys()
            if refused:
                raise PayloadError(f"output {each.name}: {', '.join(refused)} is not offered here")
            wanted[each.name] = bool(parameters.get("binary_data", binary))
        return wanted

    def one(self, verdict: Verdict) -> dict[str, Column]:
        """Return the columns of one row, by its verdict."""
        doubt = verdict.uncertainty
        none = "" if self.classes else _NAN
        columns: dict[str, Any] = {
            "prediction": [none if verdict.prediction is None else verdict.prediction],
            "action": [verdict.action.value],
            "ood_p": [doubt.ood_p],
        }
        if self.classes:
            columns["confidence"] = [doubt.confidence]
            columns["set"] = [name in (doubt.set or ()) for name in self.classes]
        else:
            columns["interval"] = list(doubt.interval or (None, None))
        return columns

    def many(self, records: Records) -> dict[str, Column]:
        """Return the columns of a batch: NaN, or nothing, where the gate has nothing to say."""
        count, silent = len(records), records.rungs < 0
        columns: dict[str, Column] = {
            "action": [_ACTIONS[code] for code in records.actions.tolist()],
            "ood_p": _or_nan(records.ood_p, count),
        }
        if self.classes:
            codes = np.where(silent, len(self.classes), records.values).astype(np.intp)
            names = (*self.classes, "")
            columns["prediction"] = [names[code] for code in codes.tolist()]
            columns["confidence"] = np.where(silent, _NAN, _or_nan(records.confidence, count))
            members = np.zeros((count, len(self.classes)), np.bool_)
            if records.members is not None:
                members[:] = np.asarray(records.members)
                members[silent] = False
            columns["set"] = members.ravel()
        else:
            columns["prediction"] = np.where(silent, _NAN, records.values)
            interval = np.full((count, 2), _NAN)
            if records.interval is not None:
                interval[:] = np.asarray(records.interval)
                interval[silent] = _NAN
            columns["interval"] = interval.ravel()
        return columns


_ACTIONS = tuple(action.value for action in ACTIONS)


def parameters_of_one(verdict: Verdict) -> dict[str, Any]:
    """Return one row's verdict as parameters."""
    return {
        "request_id": verdict.request_id,
        "trace_id": verdict.trace_id,
        "action": verdict.action,
        "rows": 1,
        "model": verdict.model,
        "features_version": verdict.features_version,
        "reference": verdict.reference,
        "verdict": _text(verdict),
    }


def parameters_of_many(records: Records, schema: RecordSchema) -> dict[str, Any]:
    """Return a batch's verdicts as parameters; row i's request id is `request_id` + "-" + i."""
    told = {
        str(place): verdict_of(records, schema, place)
        for place in np.flatnonzero(records.actions != _SERVED).tolist()
    }
    stated = records.members is not None or records.interval is not None
    return {
        "request_id": records.request_id,
        "trace_id": records.trace_id,
        "action": ACTIONS[int(records.actions.max())],
        "rows": len(records),
        "served": len(records) - len(told),
        "model": schema.models[0],
        "features_version": schema.constants["features_version"],
        "reference": schema.constants["reference"],
        **(
            {"level": records.level, "coverage_status": schema.coverage[0]}
            if stated and schema.coverage
            else {}
        ),
        "verdicts": _text(told),
    }


def message(
    response: InferResponse,
    outputs: Outputs,
    columns: Mapping[str, Column],
    wanted: Mapping[str, bool],
    rows: int,
) -> tuple[bytes, int | None]:
    """Write the answer; with binary outputs also say how long its JSON is."""
    tails: list[bytes] = []
    for name, binary in wanted.items():
        column, width = columns[name], outputs.widths[name]
        shape = [rows, width] if width else [rows]
        tensor = Tensor(name, shape, outputs.datatypes[name])
        if binary:
            raw = packed(_array(column, tensor.datatype))
            tensor.parameters = {SIZE: len(raw)}
            tails.append(raw)
        else:
            tensor.data = column.tolist() if isinstance(column, np.ndarray) else column
        response.outputs.append(tensor)
    head = _encode(response)
    return (b"".join((head, *tails)), len(head)) if tails else (head, None)


def _array(column: Column, datatype: str) -> Any:
    """Make numbers of a list for the binary form."""
    if datatype == "BYTES" or isinstance(column, np.ndarray):
        return column
    return np.array(column, np.bool_ if datatype == "BOOL" else np.float64)


def _or_nan(column: Any, count: int) -> NDArray[np.float64]:
    return np.full(count, _NAN) if column is None else np.asarray(column, dtype=np.float64)


def _text(content: Any) -> str:
    return _encode(content).decode()
