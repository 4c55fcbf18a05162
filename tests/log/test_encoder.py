"""Records become Arrow columns that say exactly what the verdicts said."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log.samples import CLASSIFICATION, FEATURES, REGRESSION, expected, ids, plain, request
from tests.log.strategies import requests
from wardline.errors import DeclarationError
from wardline.features import Feature, FeatureBlock, FeatureSchema, Kind
from wardline.log.encoder import Encoder
from wardline.log.schema import arrow_schema
from wardline.record import Records, RecordSchema
from wardline.verdict import Finding, Severity, Stage

SCHEMAS = {"regression": REGRESSION, "classification": CLASSIFICATION}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_row_is_encoded_as_its_verdict_reads(schema: RecordSchema, data: st.DataObject) -> None:
    some = data.draw(st.lists(requests(schema), min_size=1, max_size=4))
    wanted = [row for records in some for row in expected(schema, records)]
    batch = Encoder(schema)(some)
    batch.validate(full=True)
    assert repr(plain(batch)) == repr(wanted)


def test_features_keep_their_types_and_infinity_but_nan_is_null() -> None:
    batch = Encoder(REGRESSION)(
        [_with([[math.nan, 3.0, 1.0, -math.inf], [2.5, math.nan, math.nan, math.inf]])]
    )
    assert [batch.schema.field(f"feature.{name}").type for name in FEATURES.names] == [
        pa.float64(), pa.string(), pa.int64(), pa.bool_(), pa.float64(),
    ]  # fmt: skip
    assert batch["feature.income"].to_pylist() == [None, 2.5]
    assert batch["feature.children"].to_pylist() == [3, None]
    assert batch["feature.owner"].to_pylist() == [True, None]
    assert batch["feature.debt"].to_pylist() == [-math.inf, math.inf]


def test_a_number_that_is_not_of_its_declared_type_is_null_rather_than_another_number() -> None:
    batch = Encoder(REGRESSION)(
        [_with([[0.0, 2.5, 0.5, 0.0], [0.0, math.inf, 2.0, 0.0], [0.0, 2.0**70, 1.0, 0.0]])]
    )
    assert batch["feature.children"].to_pylist() == [None, None, None]
    assert batch["feature.owner"].to_pylist() == [None, None, True]


def test_text_that_utf_8_cannot_hold_is_kept_escaped() -> None:
    records = request(1)
    records.findings = {0: (Finding("g", Stage.INPUT, Severity.WARN, "r", "s", "\ud800x"),)}
    assert Encoder(REGRESSION)([records])["findings"][0][0]["observed"].as_py() == "\\ud800x"


def test_slices_of_any_type_are_text_and_missing_ones_null() -> None:
    records = request(1, rows=4)
    records.slices = {"channel": np.array([1.5, np.nan, 2.0, np.inf])}
    assert Encoder(REGRESSION)([records])["slice.channel"].to_pylist() == ["1.5", None, "2.0", "inf"]


def test_ids_of_large_batches_are_those_the_caller_got() -> None:
    large = request(7, rows=5000)
    assert Encoder(REGRESSION)([large])["request_id"].to_pylist() == ids([large])
    assert set(Encoder(REGRESSION)([large])["libraries"].to_pylist()) == {"cd34"}


def test_two_columns_of_one_name_are_refused() -> None:
    twice = FeatureSchema((Feature("a", Kind.CONTINUOUS, "float64"), Feature("a", Kind.TEXT, "string")))
    with pytest.raises(DeclarationError, match=r"called 'feature\.a': rename"):
        arrow_schema(RecordSchema("g", twice, (), (), ("m",), (), ("m",), {}))
    with pytest.raises(DeclarationError, match="'action'"):
        arrow_schema(RecordSchema("g", FEATURES, (), (), ("m",), (), ("m",), {"action": "x"}))


def test_no_feature_name_collides_with_a_column_of_ours() -> None:
    features = FeatureSchema(
        tuple(Feature(name, Kind.CONTINUOUS, "float64") for name in ("time", "action", "us.a"))
    )
    schema = arrow_schema(RecordSchema("g", features, ("action",), (), ("m",), ("a",), ("m",), {}))
    assert len(set(schema.names)) == len(schema.names)


def _with(matrix: list[list[float]]) -> Records:
    records = request(1, rows=len(matrix))
    records.block = FeatureBlock(FEATURES, np.array(matrix), {"region": ["x"] * len(matrix)})
    return records
