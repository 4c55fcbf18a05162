"""Training-side feature functions, as a notebook would have them."""

from typing import Any


def agrees(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Some of the features, row by row."""
    return [
        {"passengers": row["passenger_count"], "distance": row["trip_distance"], "vendor": row["vendor_id"]}
        for row in rows
    ]


def by_columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Columns, and one of them is never true."""
    return {"passengers": [row["passenger_count"] for row in rows], "same_zone": [False for _ in rows]}


def under_other_names(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Nothing that serving knows by that name."""
    return [{"miles": row["trip_distance"]} for row in rows]


def in_words(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A number, as a person would say it."""
    return [{"passengers": "one"} for _ in rows]
