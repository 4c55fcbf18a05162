"""A rule: an answer that needs no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wardline.errors import PredictorError
from wardline.features import source_hash
from wardline.inference import Batch, Outputs
from wardline.predictor import Site


@dataclass(frozen=True)
class Rule:
    """A function of the validated row: the last rung before abstaining.

    It returns a number, or the name of a class. It sees the row and not the features, so it may answer
    where the features are out of their range: `Rule(by_distance, answers_blocked=True)`.
    """

    function: Callable[[Any], float | str]
    name: str = "rule"
    answers_blocked: bool = False
    deadline_ms: None = None
    instant: bool = True

    def open(self, site: Site) -> OpenRule:
        """Bind the class names."""
        codes = {name: code for code, name in enumerate(site.classes)}
        return OpenRule(self.name, source_hash(self.function), self.function, codes)


@dataclass(frozen=True)
class OpenRule:
    """A rule, ready to answer."""

    version: str
    sha256: str
    function: Callable[[Any], float | str]
    codes: dict[str, int]

    def predict(self, batch: Batch, deadline: float | None) -> Outputs:
        """Ask the rule row by row."""
        return Outputs(np.array([self._code(self.function(row)) for row in batch.rows], dtype=np.float64))

    def _code(self, answer: float | str) -> float:
        if not isinstance(answer, str):
            return float(answer)
        if answer not in self.codes:
            raise PredictorError(f"the rule named {answer!r}, the gate's classes are {list(self.codes)}")
        return float(self.codes[answer])

    def close(self) -> None:
        """Nothing to let go of."""
