"""Run in `.venv-peers`: NannyML's own estimates of accuracy for the rows of files, printed as JSON."""

import json
import sys

import nannyml
import pandas as pd

reference, *analyses = (pd.read_csv(path) for path in sys.argv[1:])
estimator = nannyml.CBPE(
    problem_type="classification_binary", y_true="y", y_pred="y_pred", y_pred_proba="y_pred_proba",
    metrics=["accuracy"], chunk_number=1,
).fit(reference)  # fmt: skip
found = [estimator.estimate(each).filter(period="analysis").to_df() for each in analyses]
sys.stdout.write(json.dumps([float(each[("accuracy", "value")].iloc[0]) for each in found]) + "\n")
