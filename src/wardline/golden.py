"""Golden rows: training's own inputs, recomputed through the serving path and held to what training had."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydantic_core
from numpy.typing import NDArray

from wardline.contract import Tabular
from wardline.features import FeatureBlock, Features, FeatureSchema
from wardline.inference import Batch, Outputs
from wardline.kinds import Columns, kind_of, refused_kind
from wardline.predictor import Opened
from wardline.reference import Golden
from wardline.verdict import Finding

FEATURE_TOLERANCE = 1e-9
"""Relative; another C library's `log` differs by 1e-16, another formula by far more."""
ANSWER_TOLERANCE = 1e-4
"""Relative; models run in single precision, and another processor adds in another order."""


@dataclass(frozen=True)
class Difference:
    """One feature (field, rung) that serving does not reproduce, shown by its worst golden row."""

    subject: str
    row: str
    expected: str
    got: str
    kind: str
    rows: int
    of: int

    def __str__(self) -> str:
        share = f"{self.rows} of {self.of} golden rows"
        return (
            f"{self.subject} differs in {share}; row {self.row}: expected {self.expected}, got {self.got}; "
            f"likely {self.kind}"
        )


@dataclass(frozen=True)
class Recomputed:
    """The golden rows on the serving path: rows it took (`places` in the golden rows), or why it did not."""

    places: NDArray[np.intp]
    rows: Sequence[Any]
    block: FeatureBlock
    refused: Mapping[int, tuple[Finding, ...]]
    raised: Mapping[int, str]

    @property
    def batch(self) -> Batch:
        """The rows as a predictor takes them."""
        return Batch(self.rows, self.block)


def recompute(inputs: Sequence[str | Mapping[str, Any]], contract: Tabular, features: Features) -> Recomputed:
    """Walk raw inputs through contract and features, as a request does; freshness is not judged."""
    contract = contract.afresh()
    admitted = contract.admit_rows([json.loads(each) if isinstance(each, str) else each for each in inputs])
    rows, places = list(admitted.rows), admitted.positions
    raised: dict[int, str] = {}
    try:
        block = features.of_rows(rows)
    except Exception:  # a feature function may raise anything: the rows that do are named
        block, failed = features.of_rows_apart(rows)
        raised = {int(places[place]): kind for place, kind in failed.items()}
        kept = np.array([place for place in range(len(rows)) if place not in failed], dtype=np.intp)
        rows, places, block = [rows[place] for place in kept], places[kept], block.take(kept)
    return Recomputed(places, rows, block, admitted.rejects, raised)


def as_sent(payload: Mapping[str, Any]) -> str:
    """Write a raw row as a caller would send it: stamps as ISO 8601, bytes of pictures as base64."""
    return json.dumps(payload, ensure_ascii=False, default=_jsonable)


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return pydantic_core.to_jsonable_python(value)


def feature_differences(
    golden: Golden, contract: Tabular, features: Features, seen: Recomputed | None = None
) -> list[Difference]:
    """Hold every feature of every golden row to what training had; an empty list means parity."""
    seen = seen or recompute(golden.inputs, contract, features)
    found = [*_refused(golden, seen), *_raised(golden, seen)]
    if len(seen.places):
        expected = block_of(golden, features.schema).take(seen.places)
        inputs = [json.loads(golden.inputs[place]) for place in seen.places]
        strata = [golden.strata[place] for place in seen.places]
        columns = Columns(inputs, strata, expected, seen.block, contract, features)
        found += [_worst(name, golden, seen.places, columns) for name in columns.moved(FEATURE_TOLERANCE)]
    return found


def answer_differences(
    golden: Golden, rungs: Mapping[str, Opened], pins: Mapping[str, str], seen: Recomputed
) -> Iterator[Difference]:
    """Hold every rung's answers to those training recorded; ask only where the features agree."""
    for name in golden.answers:
        if name in rungs and len(seen.places):
            found = _answered_otherwise(name, golden, rungs[name], pins.get(name, ""), seen)
            if found is not None:
                yield found


def _answered_otherwise(
    name: str, golden: Golden, rung: Opened, pinned: str, seen: Recomputed
) -> Difference | None:
    want, got = golden.answers[name][seen.places], answers(rung, seen.batch)
    if np.isnan(got).all():  # it answers no row, so nothing says how wide its answers are
        got = np.full_like(want, np.nan)
    if got.shape != want.shape:
        return Difference(name, golden.ids[0], f"{want.shape[1]} numbers a row", f"{got.shape[1]}",
                          "model file", len(want), len(want))  # fmt: skip
    apart = np.abs(got - want) / np.maximum(np.abs(want), 1.0)
    bad = ~(apart <= ANSWER_TOLERANCE) & ~(np.isnan(got) & np.isnan(want))
    if not bad.any():
        return None
    worst = np.argmax(np.where(bad, np.nan_to_num(apart, nan=np.inf), -1.0))
    place, column = np.unravel_index(worst, bad.shape)
    kind = "model file" if pinned not in ("", rung.sha256) else "library version"
    return Difference(
        name, golden.ids[seen.places[place]], f"{want[place, column]:.6g}", f"{got[place, column]:.6g}",
        kind, int(bad.any(axis=1).sum()), len(want),
    )  # fmt: skip


def answers(rung: Opened, batch: Batch) -> NDArray[np.float64]:
    """Ask a rung: numbers (n, 1), or probabilities (n, classes) where it has them; NaN where it raises."""
    try:
        return _numbers(rung.predict(batch, None))
    except Exception:  # one row may poison a batch: ask for each alone
        alone = [_answer(rung, batch.only(np.array([place]))) for place in range(len(batch))]
    width = max((part.shape[1] for part in alone if part is not None), default=1)
    return np.concatenate([np.full((1, width), np.nan) if part is None else part for part in alone])


def _answer(rung: Opened, one: Batch) -> NDArray[np.float64] | None:
    try:
        return _numbers(rung.predict(one, None))
    except Exception:
        return None


def _numbers(outputs: Outputs) -> NDArray[np.float64]:
    return outputs.values[:, None] if outputs.probabilities is None else outputs.probabilities


def block_of(golden: Golden, schema: FeatureSchema) -> FeatureBlock:
    """Return the features that training had."""
    return FeatureBlock(schema, golden.features, golden.text)


def _refused(golden: Golden, seen: Recomputed) -> Iterator[Difference]:
    """Training took these rows; a contract that does not is not the one the model was trained behind."""
    by_subject: dict[str, list[tuple[int, Finding]]] = {}
    for place, findings in seen.refused.items():
        for finding in findings:
            by_subject.setdefault(finding.subject, []).append((place, finding))
    reasons = {finding.reason for findings in seen.refused.values() for finding in findings}
    for subject, found in by_subject.items():
        place, finding = found[0]
        yield Difference(
            subject, golden.ids[place], f"a row as trained on ({finding.expected})", str(finding.observed),
            refused_kind(finding.reason, reasons), len(found), len(golden.ids),
        )  # fmt: skip


def _raised(golden: Golden, seen: Recomputed) -> Iterator[Difference]:
    if seen.raised:
        place, error = next(iter(seen.raised.items()))
        yield Difference("features", golden.ids[place], "features", f"raises {error}", "feature code",
                         len(seen.raised), len(golden.ids))  # fmt: skip


def _worst(name: str, golden: Golden, places: NDArray[np.intp], columns: Columns) -> Difference:
    expected, got = columns.pair(name)
    bad = columns.apart(name, FEATURE_TOLERANCE)
    place = int(np.flatnonzero(bad)[0])
    if not isinstance(expected, list):
        sizes = np.where(bad, np.abs(np.asarray(got) - np.asarray(expected)), -1.0)
        place = int(np.argmax(np.nan_to_num(sizes, nan=np.finfo(float).max)))
    return Difference(
        name, golden.ids[int(places[place])], _text(expected[place]), _text(got[place]),
        kind_of(name, columns, bad), int(bad.sum()), len(bad),
    )  # fmt: skip


def _text(value: Any) -> str:
    if value is None or value != value:
        return "null"
    return value if isinstance(value, str) else f"{float(value):.10g}"
