"""Any callable may be a rung, and one that hangs is given up at its deadline."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from tests.examples import Pair, pair_features
from tests.waiting import until
from wardline import Batch, Python
from wardline.errors import DeadlineError, PredictorError
from wardline.predictor import Site

SITE = Site(pair_features.schema, ())
ROWS = [Pair(a=1.0, b=2.0)]
BATCH = Batch(ROWS, pair_features.of_rows(ROWS))


def test_a_call_past_its_deadline_is_given_up_and_the_next_one_answers() -> None:
    release, calls = threading.Event(), []

    def model(matrix: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            release.wait(300)
        return matrix[:, 0]

    opened = Python(lambda: model, name="m", deadline_ms=20).open(SITE)
    with pytest.raises(DeadlineError):
        opened.predict(BATCH, time.monotonic() + 0.02)
    until(lambda: calls)  # the first is the one that hangs, however late it began
    assert opened.predict(BATCH, time.monotonic() + 120).values.tolist() == [1.0]
    release.set()
    opened.close()


def test_hanging_calls_are_bounded() -> None:
    release = threading.Event()
    opened = Python(lambda: lambda _: release.wait(300), name="m", deadline_ms=5, abandoned=2).open(SITE)
    for _ in range(2):
        with pytest.raises(DeadlineError):
            opened.predict(BATCH, time.monotonic() + 0.005)
    with pytest.raises(PredictorError, match="still hang"):
        opened.predict(BATCH, time.monotonic() + 0.005)
    release.set()
    opened.close()


def test_what_the_function_raises_reaches_the_chain() -> None:
    def model(matrix: Any) -> Any:
        raise KeyError("weights")

    for deadline_ms in (None, 120_000):
        opened = Python(lambda: model, name="m", deadline_ms=deadline_ms).open(SITE)
        with pytest.raises(KeyError):
            opened.predict(BATCH, None if deadline_ms is None else time.monotonic() + 120)
        opened.close()


def test_probabilities_name_the_likeliest_class() -> None:
    site = Site(pair_features.schema, ("no", "yes"))
    opened = Python(lambda: lambda matrix: np.array([[0.2, 0.8]]), name="m").open(site)
    outputs = opened.predict(BATCH, None)
    assert outputs.values.tolist() == [1.0]
    assert outputs.probabilities is not None
