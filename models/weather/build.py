"""Build the weather models, seeded: `python -m models.weather.build` from the project root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from guards.weather import STATION, by_spread, gate
from models.building import ROOT, Part, answers, export, see, split, write_card

DATA = Path(__file__).parent / "data"
SEED = 1949
TARGET = "rain"
FIELDS = (
    "temperature", "dew_point", "pressure", "visibility", "wind", "strongest_wind", "highest", "lowest",
)  # fmt: skip
BLANKED = {"visibility": 0.03, "wind": 0.02}  # shares of days on which an instrument does not report


def days() -> pa.Table:
    """Read the days under the contract's names; a few readings are blanked, so that blanks are learned."""
    table = csv.read_csv(DATA / "weather.csv.gz").rename_columns([*FIELDS, TARGET])
    rng = np.random.default_rng(SEED)
    for name, share in BLANKED.items():
        blank = pa.array(rng.random(table.num_rows) < share)
        kept = pa.array(table[name].to_numpy(), mask=blank.to_numpy(zero_copy_only=False))
        table = table.set_column(table.column_names.index(name), name, kept)
    return table.add_column(0, "station", pa.array(np.full(table.num_rows, STATION)))


def boosted() -> GradientBoostingClassifier:
    """The primary."""
    return GradientBoostingClassifier(
        n_estimators=120, max_depth=4, learning_rate=0.08, subsample=0.5, min_samples_leaf=30,
        random_state=SEED,
    )  # fmt: skip


def linear() -> Any:
    """The fallback: one weight a feature."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def constants(part: Part) -> dict[str, float]:
    """Return what the feature function fills blanks with, and scales pressure by, of training days."""
    table = part.table
    pressure = table["pressure"].to_numpy()
    medians = {name: float(np.nanmedian(table[name].to_numpy().astype(float))) for name in BLANKED}
    return {
        **{f"median {name}": round(value, 1) for name, value in medians.items()},
        "pressure mean": round(float(pressure.mean()), 1),
        "pressure scale": round(float(pressure.std()), 1),
    }


def measure(probability: Any, y: Any) -> str:
    """Return the figures of one rung as the cells of a Markdown row."""
    sure = np.clip(np.where(y == 1, probability, 1 - probability), 1e-7, 1)
    return f"{((probability >= 0.5) == y).mean():.4f} | {-np.log(sure).mean():.4f}"


def main() -> None:
    parts = {name: see(gate, part, TARGET) for name, part in split(days(), DATA / "split", SEED).items()}
    fit, held = parts["fit"], parts["held_back"]
    primary = export(boosted().fit(fit.X, fit.y), fit, gate, "weather")
    fallback = export(linear().fit(fit.X, fit.y), fit, gate, "weather-linear")
    rows = [gate.contract.row.model_construct(**row) for row in held.table.to_pylist()]
    ruled = np.mean([(by_spread(row) == "rain") == y for row, y in zip(rows, held.y, strict=True)])
    facts = {
        "features": len(gate.features.schema.names),
        "parts": ", ".join(f"{name.replace('_', ' ')} {len(part.y):,}" for name, part in parts.items()),
        "primary": measure(answers(primary, held.X)[:, 1], held.y),
        "fallback": measure(answers(fallback, held.X)[:, 1], held.y),
        "rule": f"{ruled:.4f} | |",
        "seed": SEED,
    }
    write_card("weather", (Path(__file__).parent / "card.template.md").read_text(), facts)
    print("constants of guards/weather.py:", constants(fit))
    for file in (primary, fallback):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
