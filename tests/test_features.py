"""Features declare names, order and types, and know when they changed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from tests.examples import Pair, pair_features
from wardline import Category, Features, features
from wardline.errors import DeclarationError
from wardline.features import Kind


class Mixed(NamedTuple):
    size: float
    zone: Category
    late: bool
    name: str
    gap: float | None


def mixed(row: Pair) -> Mixed:
    return Mixed(row.a, 3, True, "x", None)


MIXED: Features = features(version="7")(mixed)


def test_columns_have_the_names_order_and_kinds_of_the_tuple() -> None:
    assert MIXED.schema.names == ("size", "zone", "late", "name", "gap")
    assert [column.kind for column in MIXED.schema.columns] == [
        Kind.CONTINUOUS, Kind.CATEGORICAL, Kind.CATEGORICAL, Kind.TEXT, Kind.CONTINUOUS,
    ]  # fmt: skip
    assert MIXED.version == "7"


def test_strings_stand_beside_the_matrix_and_none_is_nan() -> None:
    block = MIXED.of_rows([Pair(a=1.5, b=0.0)])
    np.testing.assert_array_equal(block.matrix, [[1.5, 3.0, 1.0, np.nan]])
    assert block.text == {"name": ["x"]}


def test_rows_and_columns_give_the_same_block() -> None:
    rows = [Pair(a=float(i), b=2.0 * i) for i in range(5)]
    columns = Pair.model_construct(a=np.arange(5.0), b=2 * np.arange(5.0))
    np.testing.assert_array_equal(
        pair_features.of_rows(rows).matrix, pair_features.of_columns(columns, 5).matrix
    )


def test_the_source_hash_moves_with_the_source_and_not_with_the_place() -> None:
    def one(row: Pair) -> Mixed:
        return Mixed(row.a, 3, True, "x", None)

    def two(row: Pair) -> Mixed:
        return Mixed(row.b, 3, True, "x", None)

    assert features(version="1")(one).source_hash != features(version="1")(two).source_hash
    assert features(version="1")(one).source_hash == features(version="2")(one).source_hash


def test_a_function_without_a_named_tuple_is_refused() -> None:
    def bare(row: Pair) -> tuple[float, float]:
        return row.a, row.b

    with pytest.raises(DeclarationError, match="NamedTuple"):
        features(version="1")(bare)


def test_strings_cannot_be_columnar() -> None:
    with pytest.raises(DeclarationError, match="columnar"):
        features(version="1", columnar=True)(mixed)


def test_rows_that_raise_become_missing_alone() -> None:
    def picky(row: Pair) -> Mixed:
        return Mixed(1 / row.a, 1, False, "y", 0.0)

    block, failed = features(version="1")(picky).of_rows_apart([Pair(a=1.0, b=0.0), Pair(a=0.0, b=0.0)])
    assert failed == {1: "ZeroDivisionError"}
    assert block.matrix[0, 0] == 1.0
    assert np.isnan(block.matrix[1]).all()
    assert block.text["name"] == ["y", None]
