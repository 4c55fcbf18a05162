"""Gates whose parts break as a row says."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.examples import declared_pair
from wardline import Chain, Finding, Gate, Inference, Python, Rule, Stage, judge

RAISES, NAN, SHAPE, HANGS, INFINITE = 11.0, 12.0, 13.0, 14.0, 15.0
STUCK, SLOW = 21.0, 22.0
NEVER = threading.Event()


def faulty(matrix: Any) -> Any:
    """A model that breaks as `a` says, and else answers twice the total."""
    answers = matrix[:, 1] * 2
    if (matrix[:, 0] == RAISES).any():
        raise RuntimeError("a fault of the model")
    if (matrix[:, 0] == SHAPE).any():
        return np.zeros((len(matrix), 3))
    if (matrix[:, 0] == HANGS).any():
        NEVER.wait(300)
    if (matrix[:, 0] == SLOW).any():
        NEVER.wait(0.05)
    answers = np.where(matrix[:, 0] == INFINITE, np.inf, answers)
    return np.where(matrix[:, 0] == NAN, np.nan, answers)


@dataclass(frozen=True)
class Backtracking:
    """A guard that is stuck inside the regular expression engine, where no Python runs."""

    name: str = "backtracking"
    stage: Stage = Stage.INPUT

    def check(self, inference: Inference) -> Finding:
        if inference.feature("a") == STUCK:
            re.match(r"(a+)+$", "a" * 60 + "b")
        return judge(self, 0.0, warn=1.0, block=2.0, reason="backtracking.never")


def model(deadline_ms: float | None = 50.0) -> Python:
    """The rung that breaks."""
    return Python(lambda: faulty, name="model", deadline_ms=deadline_ms)


gate: Gate = declared_pair(Chain(model(), Rule(lambda row: -1.0), failures=1000), [Backtracking()])
