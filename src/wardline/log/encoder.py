"""From the records of many requests to one Arrow batch, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from wardline.features import Kind
from wardline.log.arrays import Layout, coded, flatten, gather, offsets, placed, scattered, strings, typed
from wardline.log.schema import FEATURE, FINDING, MICROSECONDS, PER_ROW, SLICE, TIME, arrow_schema
from wardline.record import Records, RecordSchema
from wardline.slices import Slices
from wardline.verdict import ACTIONS, Coverage, Finding

_KEPT_ROWS = 4096  # constant columns of up to this many rows are slices of one array made once


class Encoder:
    """Encodes the records of one gate. Make one per writer: it keeps what is the same in every batch.

    >>> import numpy as np
    >>> from wardline.features import Feature, FeatureSchema, Kind
    >>> features = FeatureSchema((Feature("age", Kind.CONTINUOUS, "int64"),))
    >>> schema = RecordSchema("loan", features, (), (), ("gbm",), (), ("loan/3",), {"reference": "ab12"})
    >>> one = Records(0, "r1", "t1", False, np.zeros(1, np.int8), np.zeros(1, np.int8), np.array([7.5]),
    ...     np.array([0]), features.block([(41,)]), {}, {}, ())
    >>> row = Encoder(schema)([one]).to_pylist()[0]
    >>> row["request_id"], row["action"], row["served_by"], row["prediction"], row["feature.age"]
    ('r1', 'serve', 'gbm', 7.5, 41)
    """

    def __init__(self, schema: RecordSchema) -> None:
        self.arrow = arrow_schema(schema)
        self._schema = schema
        self._columns = schema.features.columns
        self._constants = {
            name: coded(np.zeros(_KEPT_ROWS, np.int32), pa.array([value], pa.string()))
            for name, value in schema.constants.items()
            if name not in PER_ROW
        }
        self._actions = pa.array(list(ACTIONS), pa.string())
        self._rungs = pa.array(schema.rungs, pa.string())
        self._models = pa.array(schema.models, pa.string())
        self._classes = pa.array(schema.classes, pa.string())
        self._coverages = pa.array(list(Coverage), pa.string())  # what promises most comes first
        promised = schema.coverage or (Coverage.VOID,) * len(schema.rungs)
        self._promised = np.array([_COVERAGE[coverage] for coverage in promised], dtype=np.int8)

    def __call__(self, records: Sequence[Records]) -> pa.RecordBatch:
        """Return one row for each row of each request, in order.

        NaN features are missing and become nulls, infinities stay. Rows that broke the contract have no
        features. What was not measured, and all uncertainty but `ood_p` where nobody answered, is null.
        """
        layout = Layout.of(records)
        rungs = gather(records, layout, "rungs")
        columns = {
            **_identity(records, layout),
            **self._outcome(records, layout, rungs),
            **self._uncertainty(records, layout, rungs),
            **_notes(records, layout),
            **self._features(records, layout),
            **self._slices(records, layout),
            **self._stages(records, layout),
        }
        for name, column in self._constants.items():
            columns[name] = (
                column.slice(0, layout.total)
                if layout.total <= _KEPT_ROWS
                else coded(np.zeros(layout.total, np.int32), column.dictionary)
            )
        return pa.RecordBatch.from_arrays([columns[name] for name in self.arrow.names], schema=self.arrow)

    def _outcome(
        self, records: Sequence[Records], layout: Layout, rungs: NDArray[Any]
    ) -> dict[str, pa.Array]:
        silent = rungs < 0
        values = gather(records, layout, "values")
        if self._schema.classes:
            known = (values >= 0) & (values < len(self._classes)) & ~silent
            prediction = self._classes.take(
                pa.array(np.where(known, values, 0).astype(np.int32), mask=~known)
            )
        else:
            prediction = pa.array(values, mask=silent)
        return {
            "action": coded(gather(records, layout, "actions"), self._actions),
            "rung": pa.array(rungs, mask=silent),
            "served_by": coded(rungs, self._rungs, silent),
            "model": coded(np.maximum(rungs, 0), self._models),
            "prediction": prediction,
            "shadow_prediction": pa.nulls(layout.total, prediction.type),
        }

    def _uncertainty(
        self, records: Sequence[Records], layout: Layout, rungs: NDArray[Any]
    ) -> dict[str, pa.Array]:
        """The same reading as `record.verdict_of`, column by column."""
        answered = rungs >= 0
        confidence = gather(records, layout, "confidence", np.nan)
        interval = gather(records, layout, "interval", np.nan, width=2)
        sets, has_set = self._sets(records, layout, answered)
        bounded = answered & ~np.isnan(interval[:, 0])
        stated = bounded | has_set
        level = [np.nan if record.level is None else record.level for record in records]
        return {
            "confidence": pa.array(np.where(answered, confidence, np.nan), from_pandas=True),
            "set": sets,
            "interval_low": pa.array(np.ascontiguousarray(interval[:, 0]), mask=~bounded),
            "interval_high": pa.array(np.ascontiguousarray(interval[:, 1]), mask=~bounded),
            "level": pa.array(np.where(stated, layout.spread(np.array(level)), np.nan), from_pandas=True),
            "coverage_status": coded(
                np.where(stated, self._coverage(records, layout, rungs), _COVERAGE[Coverage.VOID]),
                self._coverages,
            ),
            "ood_p": pa.array(gather(records, layout, "ood_p", np.nan), from_pandas=True),
        }

    def _coverage(self, records: Sequence[Records], layout: Layout, rungs: NDArray[Any]) -> NDArray[np.int8]:
        """Return each row's code in `_coverages`: its rung's promise, less what was found about the row."""
        codes = np.where(rungs < 0, _COVERAGE[Coverage.VOID], self._promised[rungs])
        for start, record in zip(layout.starts.tolist(), records, strict=True):
            if record.doubted:
                for place, left in record.doubted.items():
                    codes[start + place] = max(codes[start + place], _COVERAGE[left])  # in order of promise
        return codes.astype(np.int8)

    def _sets(
        self, records: Sequence[Records], layout: Layout, answered: NDArray[np.bool_]
    ) -> tuple[pa.Array, NDArray[np.bool_]]:
        """Return the class names of each row's set; null where there is none: an empty one says nothing."""
        if not len(self._classes) or all(record.members is None for record in records):
            return pa.nulls(layout.total, pa.list_(pa.string())), np.zeros(layout.total, np.bool_)
        members = gather(records, layout, "members", fill=False, width=len(self._classes))
        members = members & answered[:, None]
        sizes = members.sum(axis=1)
        names = self._classes.take(pa.array(np.nonzero(members)[1]))
        return pa.ListArray.from_arrays(offsets(sizes), names, mask=pa.array(sizes == 0)), sizes > 0

    def _features(self, records: Sequence[Records], layout: Layout) -> dict[str, pa.Array]:
        blocks = [record.block for record in records if record.block is not None]
        empty = np.zeros((0, len(self._schema.features.numeric)))
        matrix = np.concatenate([block.matrix for block in blocks] or [empty])
        places = None if len(matrix) == layout.total else placed(records, layout)
        if places is not None:
            stacked, matrix = matrix, np.full((layout.total, matrix.shape[1]), np.nan)
            matrix[places] = stacked
        missing = bool(np.isnan(matrix).any())
        numbers = iter(np.ascontiguousarray(matrix.T))
        columns = {}
        for column in self._columns:
            if column.kind is Kind.TEXT:
                parts = [block.text[column.name] for block in blocks]
                columns[FEATURE + column.name] = strings(scattered(parts, places, layout.total))
            else:
                columns[FEATURE + column.name] = typed(column, next(numbers), missing=missing)
        return columns

    def _slices(self, records: Sequence[Records], layout: Layout) -> dict[str, pa.Array]:
        if not self._schema.slices:
            return {}
        held = [record.slices for record in records if record.block is not None]
        whole = sum(len(record.admitted) for record in records if record.block is not None) == layout.total
        places = None if whole else placed(records, layout)
        return {
            SLICE + name: strings(scattered([Slices.gathered(held, name)], places, layout.total))
            for name in self._schema.slices
        }

    def _stages(self, records: Sequence[Records], layout: Layout) -> dict[str, pa.Array]:
        """A request that never reached a stage has no time for it."""
        width = len(self._schema.stages)
        times = [record.stages_us for record in records]
        if set(map(len, times)) != {width}:
            times = [(*spans, *[np.nan] * width)[:width] for spans in times]
        flat = np.fromiter(chain.from_iterable(times), np.float32, count=len(times) * width)
        table = flat.reshape(len(records), width)
        return {
            MICROSECONDS + name: pa.array(layout.spread(np.ascontiguousarray(table[:, i])), from_pandas=True)
            for i, name in enumerate(self._schema.stages)
        }


_SUFFIXES = [f"-{place}" for place in range(_KEPT_ROWS)]
_NOTHING_FOUND = pa.nulls(0, FINDING)
_COVERAGE = {coverage: place for place, coverage in enumerate(Coverage)}


def _identity(records: Sequence[Records], layout: Layout) -> dict[str, pa.Array]:
    requests = None if layout.single else pa.array(np.repeat(np.arange(len(records)), layout.counts))

    def spread(values: list[str | None]) -> pa.Array:
        column = strings(values)
        if column.null_count == len(column):
            return pa.nulls(layout.total, pa.string())
        return column if requests is None else column.take(requests)

    if any(record.batch for record in records):
        ids = strings(list(chain.from_iterable(map(_ids, records))))
    else:
        ids = spread([record.request_id for record in records])
    times = np.array([record.time for record in records], dtype=np.int64)
    row = np.arange(layout.total) - layout.spread(layout.starts)
    return {
        "time": pa.array(layout.spread(times), TIME),
        "request_id": ids,
        "row": pa.array(row.astype(np.int32)),
        "trace_id": spread([record.trace_id for record in records]),
        "camera": spread([record.camera for record in records]),
        "firmware": spread([record.firmware for record in records]),
    }


def _ids(record: Records) -> list[str]:
    """Return `id_of` of every row, with the numbers' text made once for all requests."""
    count = len(record.actions)
    if not record.batch or count > _KEPT_ROWS:
        return [record.id_of(place) for place in range(count)]
    request_id = record.request_id
    return [request_id + suffix for suffix in _SUFFIXES[:count]]


def _notes(records: Sequence[Records], layout: Layout) -> dict[str, pa.Array]:
    offsets, findings = flatten(layout, [record.findings for record in records])
    unknown_offsets, unknown = flatten(layout, [record.unknown for record in records])
    return {
        "findings": pa.ListArray.from_arrays(offsets, _found(findings)),
        "unknown_fields": pa.ListArray.from_arrays(unknown_offsets, strings(unknown)),
    }


def _found(findings: Sequence[Finding]) -> pa.StructArray:
    if not findings:
        return _NOTHING_FOUND
    return pa.StructArray.from_arrays(
        [
            *(
                strings([getattr(finding, name) for finding in findings])
                for name in ("guard", "stage", "severity", "reason", "subject")
            ),
            strings([None if f.observed is None else str(f.observed) for f in findings]),
            strings([finding.expected for finding in findings]),
            pa.array([finding.score for finding in findings], pa.float64()),
            pa.array([finding.threshold for finding in findings], pa.float64()),
        ],
        fields=list(FINDING),
    )
