"""The one way to write a predictor: a declaration that opens into something that answers a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from wardline.features import FeatureSchema
from wardline.inference import Batch, Outputs


class Site(msgspec.Struct, frozen=True):
    """What a predictor is told when its gate opens: the features it will get, the classes it must name."""

    features: FeatureSchema
    classes: tuple[str, ...]
    root: Path = Path()
    """The project's directory: relative paths of models start here."""
    pictures: bool = False
    """Whether the contract's rows are frames: they have `fitted(height, width)`."""
    pinned: str | None = None
    """The sha256 of the model file as the reference recorded it; `None` where there is no reference yet."""


class Opened(Protocol):
    """A predictor that is ready to answer."""

    @property
    def version(self) -> str:
        """What the verdict's `model` says when this rung answered."""

    @property
    def sha256(self) -> str:
        """Hash of what answers: the model file, or the source of the function."""

    def predict(self, batch: Batch, deadline: float | None) -> Outputs:
        """Answer every row, or raise PredictorError (DeadlineError past `deadline`, a monotonic time)."""

    def close(self) -> None:
        """Let go of the model."""


class Predictor(Protocol):
    """A rung of the chain, as declared. Building one opens nothing."""

    @property
    def name(self) -> str:
        """The rung's name, unique in its chain."""

    @property
    def deadline_ms(self) -> float | None:
        """How long one call may take; `None`: as long as it likes."""

    @property
    def instant(self) -> bool:
        """Whether a call takes no time worth a deadline: a rule does, a model does not."""

    @property
    def answers_blocked(self) -> bool:
        """Whether this rung may answer a row that an input guard blocked."""

    def open(self, site: Site) -> Opened:
        """Load what is needed and check that it fits. Raise ModelError with what to do."""
