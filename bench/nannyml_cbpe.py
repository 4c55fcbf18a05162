"""Run in `.venv-peers`: NannyML's own estimate of accuracy for the rows of a file, printed as JSON."""

import json
import sys

import nannyml
import pandas as pd

reference, analysis = (pd.read_csv(path) for path in sys.argv[1:3])
estimator = nannyml.CBPE(
    problem_type="classification_binary", y_true="y", y_pred="y_pred", y_pred_proba="y_pred_proba",
    metrics=["accuracy"], chunk_number=1,
)  # fmt: skip
found = estimator.fit(reference).estimate(analysis).filter(period="analysis").to_df()
sys.stdout.write(json.dumps(float(found[("accuracy", "value")].iloc[0])) + "\n")
