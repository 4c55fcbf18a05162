"""Stand-ins for a model, the time and the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

import numpy as np

from wardline.errors import DeadlineError, ModelError
from wardline.features import source_hash
from wardline.inference import Batch, Outputs
from wardline.predictor import Site
from wardline.record import Records


@dataclass(frozen=True)
class FakePredictor:
    """A rung that answers as told.

    `answers` is one number, one distribution over the classes, or a function of the batch. With `raises`
    every call raises that; with `hangs` every call waits for the event, and runs out of time where the
    chain's deadline comes first. The first `after` calls are sound all the same: a gate that opens asks
    each rung twice, to warm it. `calls` counts the rows of each call.

    >>> from wardline.testing import example_batch
    >>> site = Site(example_batch({"x": [0.0]}).block.schema, ("no", "yes"))
    >>> fake = FakePredictor(answers=(0.2, 0.8))
    >>> fake.open(site).predict(example_batch({"x": [1.0, 2.0]}), None).values, fake.calls
    (array([1., 1.]), [2])
    """

    name: str = "fake"
    answers: float | Sequence[float] | Callable[[Batch], Outputs] = 0.0
    raises: Exception | None = None
    hangs: Event | None = None
    after: int = 0
    answers_blocked: bool = False
    deadline_ms: float | None = None
    instant: bool = False
    calls: list[int] = field(default_factory=list, repr=False, compare=False)

    def open(self, site: Site) -> OpenFake:
        """Check that a distribution fits the gate's classes."""
        if isinstance(self.answers, Sequence) and len(self.answers) != len(site.classes):
            raise ModelError(
                f"{self.name} answers {len(self.answers)} probabilities, the gate has {len(site.classes)} "
                "classes: give one for each"
            )
        return OpenFake(f"{self.name}/fake", source_hash(self.name), self)


@dataclass(frozen=True)
class OpenFake:
    """A fake rung, ready to answer."""

    version: str
    sha256: str
    fake: FakePredictor

    def predict(self, batch: Batch, deadline: float | None) -> Outputs:
        """Do what the fake was told to."""
        fake = self.fake
        fake.calls.append(len(batch))
        faulty = len(fake.calls) > fake.after
        if faulty and fake.hangs is not None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not fake.hangs.wait(left):
                raise DeadlineError(f"{fake.name} was told to hang")
        if faulty and fake.raises is not None:
            raise fake.raises
        if callable(fake.answers):
            return fake.answers(batch)
        if isinstance(fake.answers, Sequence):
            P = np.tile(np.array(fake.answers, dtype=np.float64), (len(batch), 1))
            return Outputs(P.argmax(axis=1).astype(np.float64), P)
        return Outputs(np.full(len(batch), float(fake.answers)))

    def close(self) -> None:
        """Nothing to let go of."""


class FakeClock:
    """A clock that goes on only when told to.

    >>> clock = FakeClock(100.0)
    >>> clock.advance(2.5)
    >>> clock()
    102.5
    """

    def __init__(self, start: float = 0.0) -> None:
        self.now = start

    def __call__(self) -> float:
        """Return the time it is here."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let this much time pass."""
        self.now += seconds


class MemorySink:
    """A log in memory, for at most `limit` rows: past it, it drops and counts, as the real one does."""

    def __init__(self, limit: int = 100_000) -> None:
        self.limit = limit
        self.records: list[Records] = []
        self.rows = 0
        self.dropped = 0

    def append(self, records: Records) -> bool:
        """Take the records of one request; False where they were dropped."""
        if self.rows + len(records) > self.limit:
            self.dropped += len(records)
            return False
        self.records.append(records)
        self.rows += len(records)
        return True
