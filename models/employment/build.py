"""Build the employment models, seeded: `python -m models.employment.build` from the project root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from guards.employment import by_age, gate
from models.building import ROOT, answers, by_slice, export, see, split, write_card
from wardline.features import Kind

DATA = Path(__file__).parent / "data"
SEED = 2015
TARGET = "employed"


def people() -> pa.Table:
    """Read the contract's columns as whole numbers, the label, and the ready model's prediction."""
    table = pq.read_table(DATA / "reference_2015.parquet")
    columns = {
        name: np.asarray(table[name].to_pylist()).astype(np.int8)
        for name in (*gate.contract.fields, TARGET, "prediction")
    }
    return pa.table(columns)


def boosted() -> GradientBoostingClassifier:
    """The primary."""
    return GradientBoostingClassifier(
        n_estimators=300,
        max_depth=5,
        learning_rate=0.04,
        subsample=0.5,
        min_samples_leaf=30,
        random_state=SEED,
    )


def linear() -> Any:
    """The fallback: one weight for each code, and one for each amount."""
    columns = gate.features.schema.columns
    codes = [place for place, each in enumerate(columns) if each.kind is Kind.CATEGORICAL]
    amounts = [place for place in range(len(columns)) if place not in codes]
    terms = ColumnTransformer(
        [
            ("amounts", StandardScaler(), amounts),
            ("codes", OneHotEncoder(handle_unknown="ignore"), codes),
        ]
    )
    return make_pipeline(terms, LogisticRegression(max_iter=2000))


def measure(probability: Any, y: Any) -> str:
    """Return the figures of one rung as the cells of a Markdown row."""
    sure = np.clip(np.where(y == 1, probability, 1 - probability), 1e-7, 1)
    accuracy = ((probability >= 0.5) == y).mean()
    return f"{accuracy:.4f} | {-np.log(sure).mean():.4f} | {((probability - y) ** 2).mean():.4f}"


def main() -> None:
    parts = {name: see(gate, part, TARGET) for name, part in split(people(), DATA / "split", SEED).items()}
    fit, held = parts["fit"], parts["held_back"]
    primary = export(boosted().fit(fit.X, fit.y), fit, gate, "employment")
    fallback = export(linear().fit(fit.X, fit.y), fit, gate, "employment-linear")
    probability = answers(primary, held.X)[:, 1]
    right = ((probability >= 0.5) == held.y).astype(float)
    rows = [gate.contract.row.model_construct(**row) for row in held.table.to_pylist()]
    ruled = np.mean([(by_age(row) == "employed") == y for row, y in zip(rows, held.y, strict=True)])
    stored = (held.table["prediction"].to_numpy() == held.y).mean()
    sliced = held.table.append_column(
        "age_band", pa.array(held.X[:, gate.features.schema.names.index("age_band")].astype(int))
    )
    facts = {
        "features": len(gate.features.schema.names),
        "parts": ", ".join(f"{name.replace('_', ' ')} {len(part.y):,}" for name, part in parts.items()),
        "primary": measure(probability, held.y),
        "fallback": measure(answers(fallback, held.X)[:, 1], held.y),
        "rule": f"{ruled:.4f} | |",
        "stored": f"{stored:.4f} | |",
        "slices": "\n".join(by_slice(sliced, gate.slices, right)),
        "seed": SEED,
    }
    write_card("employment", (Path(__file__).parent / "card.template.md").read_text(), facts)
    for file in (primary, fallback):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
