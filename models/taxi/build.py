"""Build the taxi models, seeded: `python -m models.taxi.build` from the project root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from guards.taxi import BAND_MILES, by_distance, gate
from models.building import ROOT, Part, answers, by_slice, export, see, split, write_card

DATA = Path(__file__).parent / "data"
SEED = 2018
TARGET = "minutes"
REFERENCE_MONTHS = ("01", "02", "03", "04", "05", "06")
SHORTEST, LONGEST = 1.0, 180.0
"""Minutes a believable trip takes. Outside are meters switched on and off (0.9 % under a minute) or left
running (0.2 % over three hours, most of them just under 24): errors of the target, not hard trips."""

AMOUNTS = [
    "distance", "log_distance", "hour_sin", "hour_cos", "weekend", "from_airport", "to_airport", "same_zone",
]  # fmt: skip
CODES = ["rate_code", "weekday"]


def trips(month: str) -> pa.Table:
    """Read one month of 2018: the contract's raw columns, and the minutes the trip took."""
    table = csv.read_csv(DATA / f"yellow_2018-{month}.csv.gz")
    seconds = pc.seconds_between(table["pickup_datetime"], table["dropoff_datetime"])
    minutes = pc.divide(pc.cast(seconds, pa.float64()), 60.0)
    table = table.select(gate.contract.fields).append_column(TARGET, minutes)
    believable = pc.and_(pc.greater_equal(minutes, SHORTEST), pc.less_equal(minutes, LONGEST))
    return table.filter(believable)


def boosted() -> GradientBoostingRegressor:
    """The primary. Huber loss: a long tail of slow trips should not pull the typical one."""
    return GradientBoostingRegressor(
        loss="huber", n_estimators=200, max_depth=5, learning_rate=0.1, subsample=0.5,
        min_samples_leaf=30, random_state=SEED,
    )  # fmt: skip


def linear() -> Any:
    """The fallback: few terms, each of which can be read. Zones are left out, they are names."""
    places = {name: place for place, name in enumerate(gate.features.schema.names)}
    terms = ColumnTransformer(
        [
            ("amounts", StandardScaler(), [places[name] for name in AMOUNTS]),
            ("codes", OneHotEncoder(handle_unknown="ignore"), [places[name] for name in CODES]),
        ]
    )
    return make_pipeline(terms, Ridge(alpha=1.0))


def band_medians(part: Part) -> list[float]:
    """Return the rule's table: median minutes in each band of distance."""
    band = np.searchsorted(BAND_MILES, part.table["trip_distance"].to_numpy())
    return [round(float(np.median(part.y[band == each])), 1) for each in range(len(BAND_MILES) + 1)]


def measure(predicted: Any, y: Any) -> str:
    """Return the figures of one rung as the cells of a Markdown row."""
    error = predicted - y
    r2 = 1 - (error**2).sum() / ((y - y.mean()) ** 2).sum()
    return f"{np.abs(error).mean():.3f} | {np.sqrt((error**2).mean()):.3f} | {error.mean():+.3f} | {r2:.3f}"


def main() -> None:
    table = pa.concat_tables(trips(month) for month in REFERENCE_MONTHS)
    parts = {name: see(gate, part, TARGET) for name, part in split(table, DATA / "split", SEED).items()}
    fit, held = parts["fit"], parts["held_back"]
    primary = export(boosted().fit(fit.X, fit.y), fit, gate, "taxi")
    fallback = export(linear().fit(fit.X, fit.y), fit, gate, "taxi-linear")
    predicted = answers(primary, held.X)
    rows = [gate.contract.row.model_construct(**row) for row in held.table.to_pylist()]
    facts = {
        "features": len(gate.features.schema.names),
        "parts": ", ".join(f"{name.replace('_', ' ')} {len(part.y):,}" for name, part in parts.items()),
        "primary": measure(predicted, held.y),
        "fallback": measure(answers(fallback, held.X), held.y),
        "rule": measure(np.array([by_distance(row) for row in rows]), held.y),
        "slices": "\n".join(by_slice(held.table, gate.slices, np.abs(predicted - held.y))),
        "shortest": SHORTEST,
        "longest": LONGEST,
        "seed": SEED,
    }
    write_card("taxi", (Path(__file__).parent / "card.template.md").read_text(), facts)
    print("the rule's table (BAND_MINUTES in guards/taxi.py):", band_medians(fit))
    for file in (primary, fallback):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
