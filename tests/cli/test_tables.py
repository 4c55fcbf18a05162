"""Files as tables: what a column is, is said by all of the file."""

# ruff: noqa: S608 - the SQL here makes the rows of a test

import click
import duckdb
import pytest

from wardline.cli.tables import Table


def _rows(*files, text=(), select=None, where=None):
    table = Table(files, text=text)
    select = select or {name: f'"{name}"' for name in table.columns}
    return [row for rows in table.chunks(select, where) for row in rows]


def test_a_column_that_is_whole_for_long_may_still_end_in_a_half(tmp_path):
    file = tmp_path / "long.csv"
    numbers = "\n".join(f"{i},{i},{i}" for i in range(120_000))
    file.write_text(f"a,b,c\n{numbers}\n0.5,N/A,7\n")
    table = Table([file])
    assert table.columns == {"a": "DOUBLE", "b": "VARCHAR", "c": "BIGINT"}
    *_, last = (row for rows in table.chunks({"a": "a", "b": "b"}) for row in rows)
    assert last == {"a": 0.5, "b": "N/A"}


def test_text_that_looks_like_numbers_stays_text_where_it_is_text(tmp_path):
    file = tmp_path / "codes.csv"
    file.write_text("code,flag\n01,true\n02,false\n")
    first, second = _rows(file, text=["code", "elsewhere"])
    assert (first, second) == ({"code": "01", "flag": True}, {"code": "02", "flag": False})


def test_columns_that_one_file_lacks_are_null_there(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    duckdb.sql(f"COPY (SELECT 3 AS y) TO '{tmp_path / 'b.parquet'}'")
    (tmp_path / "c.tsv").write_text("y\tx\n5\t6\n")
    rows = _rows(tmp_path / "a.csv", tmp_path / "b.parquet", tmp_path / "c.tsv")
    assert rows == [{"x": 1, "y": 2}, {"x": None, "y": 3}, {"x": 6, "y": 5}]


def test_odd_names_and_odd_types_are_read(tmp_path):
    file = tmp_path / "it's.parquet"
    sql = (
        """SELECT 1.25::DECIMAL(9, 2) AS "a ""b", 3::HUGEINT AS h, DATE '2018-01-02' AS d,"""
        """ TIMESTAMP_NS '2018-01-02 03:04:05.123456789' AS ns,"""
        """ TIMESTAMPTZ '2018-01-02 03:04:05+02' AS tz"""
    )
    duckdb.sql(f"COPY ({sql}) TO '{str(file).replace(chr(39), chr(39) * 2)}'")
    (row,) = _rows(file, select={'a "b"': '"a ""b"', "h": "h", "d": "d", "ns": "ns", "tz": "tz"})
    assert (row['a "b"'], row["h"]) == (1.25, 3.0)
    assert row["d"].isoformat() == "2018-01-02T00:00:00"
    assert row["ns"].isoformat() == "2018-01-02T03:04:05.123457"
    assert row["tz"] == "2018-01-02T01:04:05.000000+00:00"


def test_rows_keep_their_order_over_many_chunks(tmp_path):
    file = tmp_path / "many.parquet"
    duckdb.sql(f"COPY (SELECT i FROM range(100000) rows(i)) TO '{file}'")
    assert [row["i"] for row in _rows(file, where="i % 2 = 0 -- every other")] == list(range(0, 100_000, 2))


def test_a_file_with_nothing_to_read_is_no_traceback(tmp_path):
    file = tmp_path / "empty.csv"
    file.write_text("a,b\n")
    assert _rows(file) == []
    file = tmp_path / "torn.parquet"
    file.write_bytes(b"PAR1")
    with pytest.raises(click.UsageError, match=r"torn\.parquet"):
        Table([file])
