"""Any records there could be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.log.samples import FEATURES
from wardline.features import Feature, FeatureBlock, Kind
from wardline.record import STAGES, Records, RecordSchema
from wardline.verdict import Coverage, Finding, Severity, Stage

_text = st.text(max_size=8)
_numbers = st.floats(allow_nan=False)
_measured = st.one_of(st.just(math.nan), st.floats(0, 1))
_findings = st.builds(
    Finding,
    guard=_text,
    stage=st.sampled_from(Stage),
    severity=st.sampled_from([Severity.WARN, Severity.BLOCK]),
    reason=_text,
    subject=_text,
    observed=st.one_of(st.none(), st.floats(), _text),
    expected=_text,
    score=_numbers,
    threshold=_numbers,
)


@st.composite
def requests(draw: st.DrawFn, schema: RecordSchema) -> Records:
    """Any request whatever: batches with rejected rows, nothing measured, every kind of missing value."""
    count = draw(st.integers(1, 4))
    rows = range(count)
    admitted = [place for place in rows if draw(st.booleans())]
    reached = bool(admitted) and draw(st.booleans())
    columns = [
        [draw(_cell(column)) for _ in admitted] if column.kind is not Kind.TEXT else []
        for column in FEATURES.columns
    ]
    numeric = [
        values
        for values, column in zip(columns, FEATURES.columns, strict=True)
        if column.kind is not Kind.TEXT
    ]
    text = {"region": [draw(st.none() | _text) for _ in admitted]}
    rungs = np.array(
        [draw(st.integers(-1, 2)) if reached and place in admitted else -1 for place in rows], np.int8
    )
    top = len(schema.classes) - 1
    answers = [draw(st.integers(0, top).map(float) if schema.classes else _numbers) for _ in rows]
    matrix = np.array(numeric, float).T.reshape(len(admitted), 4)
    found = {place: tuple(draw(st.lists(_findings, max_size=2))) for place in rows if draw(st.booleans())}
    return Records(
        time=draw(st.integers(0, 2**62)),
        request_id=draw(_text),
        trace_id=draw(_text),
        batch=count > 1 or draw(st.booleans()),
        actions=np.array([draw(st.integers(0, 4)) for _ in rows], np.int8),
        rungs=rungs,
        values=np.where(rungs < 0, np.nan, answers),
        admitted=np.array(admitted, np.intp),
        block=FeatureBlock(FEATURES, matrix, text) if reached else None,
        slices={"channel": [draw(st.none() | _text) for _ in admitted]} if reached else {},
        findings=found,
        stages_us=draw(st.lists(st.floats(0, 1e6), max_size=len(STAGES))),
        confidence=draw(st.none() | _column(count, _measured)),
        members=draw(st.none() | _column(count, st.booleans(), len(schema.classes) or 3)),
        interval=draw(st.none() | _column(count, _measured, 2).map(_sound)),
        ood_p=draw(st.none() | _column(count, _measured)),
        level=draw(st.none() | st.floats(0.5, 1)),
        doubted={place: draw(st.sampled_from(Coverage)) for place in rows if draw(st.booleans())},
        unknown={place: draw(st.lists(_text, max_size=2)) for place in rows if draw(st.booleans())},
        camera=draw(st.none() | _text),
        firmware=draw(st.none() | _text),
    )  # fmt: skip


def _cell(column: Feature) -> st.SearchStrategy[float]:
    kinds = {
        "float64": _numbers,
        "int64": st.integers(-(2**53), 2**53).map(float),
        "bool": st.booleans().map(float),
    }
    return st.just(math.nan) | kinds[column.dtype]


def _column(count: int, values: st.SearchStrategy[Any], width: int | None = None) -> st.SearchStrategy[Any]:
    row = values if width is None else st.lists(values, min_size=width, max_size=width)
    return st.lists(row, min_size=count, max_size=count).map(np.array)


def _sound(interval: Any) -> Any:
    """An interval is there or not: never half."""
    interval[np.isnan(interval).any(axis=1)] = np.nan
    return interval
