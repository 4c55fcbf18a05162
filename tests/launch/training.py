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
