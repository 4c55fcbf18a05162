"""Micro-batching: the calls of requests that come at the same time become one call of a model."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from wardline.errors import (
    DeadlineError,
    DeclarationError,
    OverloadedError,
    PredictorError,
    UnavailableError,
)
from wardline.features import FeatureBlock
from wardline.inference import Batch, Outputs
from wardline.predictor import Opened, Predictor, Site


@dataclass(frozen=True)
class Batched:
    """A rung that asks `predictor` for several requests at once: `Batched(Python(load, name="forest"))`.

    Choose it where a call costs much and a row more costs little: a scikit-learn forest, a server far away.
    A small ONNX model loses by it. The first request waits at most `window_ms` for
    others, or until `rows` are together; a request is never split. A batch that fails is halved until the
    requests that make it fail are alone. Each request keeps its own deadline: past it the request is gone and
    what it asked for is not computed if it had not begun. More than `waiting` rows in line are refused, which
    is no fault of the model: the next rung is asked, and where there is none the answer is 429.
    """

    predictor: Predictor
    window_ms: float = 2.0
    rows: int = 64
    waiting: int = 256
    instant: ClassVar[bool] = False
    waits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.window_ms < 0 or not 1 <= self.rows <= self.waiting:
            raise DeclarationError("a micro-batch has a window of 0 ms or more, and 1 <= rows <= waiting")

    @property
    def name(self) -> str:
        """The rung's name: its predictor's."""
        return self.predictor.name

    @property
    def deadline_ms(self) -> float | None:
        """How long one request may take, waiting included."""
        return self.predictor.deadline_ms

    @property
    def answers_blocked(self) -> bool:
        """Whether the predictor may answer a row that an input guard blocked."""
        return self.predictor.answers_blocked

    def open(self, site: Site) -> OpenBatched:
        """Open the predictor, and start the thread that asks it."""
        opened = OpenBatched(self, self.predictor.open(site))
        opened.start()
        return opened


@dataclass(eq=False)
class _Call:
    """What one request asked, and what became of it."""

    batch: Batch
    deadline: float | None
    arrived: float
    done: threading.Event = field(default_factory=threading.Event)
    outputs: Outputs | None = None
    error: BaseException | None = None

    def settle(self, outputs: Outputs | None, error: BaseException | None = None) -> None:
        self.outputs, self.error = outputs, error
        self.done.set()


class OpenBatched:
    """A batching rung, ready to answer: requests stand in line, one thread asks for them."""

    def __init__(self, declared: Batched, inner: Opened, clock: Callable[[], float] = time.monotonic) -> None:
        self._declared = declared
        self._inner = inner
        self._clock = clock
        self._line: deque[_Call] = deque()
        self._rows = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"batch-{declared.name}", daemon=True)

    @property
    def version(self) -> str:
        """What the verdict's `model` says."""
        return self._inner.version

    @property
    def sha256(self) -> str:
        """Hash of what answers."""
        return self._inner.sha256

    @property
    def in_line(self) -> int:
        """How many rows wait for the next batch."""
        return self._rows

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def predict(self, batch: Batch, deadline: float | None) -> Outputs:
        """Stand in line, and return this request's part of what the model answered."""
        call = _Call(batch, deadline, self._clock())
        with self._changed:
            if self._closed:
                raise UnavailableError(f"{self._declared.name} is closed")
            if self._rows and self._rows + len(batch) > self._declared.waiting:
                raise OverloadedError(f"{self._rows} rows are in line")
            self._line.append(call)
            self._rows += len(batch)
            self._changed.notify_all()
        left = None if deadline is None else max(0.0, deadline - self._clock())
        if not call.done.wait(left):
            raise DeadlineError(
                f"{self._declared.name} did not answer by the deadline, in line or in a batch"
            )
        if call.outputs is None:
            raise (
                PredictorError(f"{self._declared.name} answered nothing")
                if call.error is None
                else call.error
            )
        return call.outputs

    def close(self) -> None:
        """Answer who is in line, then end the thread and close the predictor."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        self._inner.close()

    def _work(self) -> None:
        while calls := self._gathered():
            now = self._clock()
            late = [call for call in calls if call.deadline is not None and call.deadline <= now]
            for call in late:
                call.settle(None, DeadlineError(f"{self._declared.name} had no time left to start"))
            self._ask([call for call in calls if call not in late])

    def _gathered(self) -> list[_Call]:
        """Wait for a request, then for others until the window closes; none once the rung is closed."""
        with self._changed:
            while not self._line and not self._closed:
                self._changed.wait()
            while self._line and self._rows < self._declared.rows and not self._closed:
                left = self._until() - self._clock()
                if left <= 0:
                    break
                self._changed.wait(left)
            calls: list[_Call] = []
            taken = 0
            while self._line and (not calls or taken + len(self._line[0].batch) <= self._declared.rows):
                calls.append(self._line.popleft())
                taken += len(calls[-1].batch)
            self._rows -= taken
            return calls

    def _until(self) -> float:
        """Return when the window closes: it never takes more than half of what a request in line has left."""
        first = self._line[0].arrived
        halves = [
            call.arrived + (call.deadline - call.arrived) / 2
            for call in self._line
            if call.deadline is not None
        ]
        return min([first + self._declared.window_ms / 1000, *halves])

    def _ask(self, calls: Sequence[_Call]) -> None:
        """Ask for all of them at once; where that fails, find the requests that make it fail."""
        todo = [list(calls)] if calls else []
        while todo:
            group = todo.pop()
            batch = _joined([call.batch for call in group])
            deadlines = [call.deadline for call in group]
            latest = max((each for each in deadlines if each is not None), default=None)
            try:
                outputs = self._inner.predict(batch, None if None in deadlines else latest)
                self._hand_out(group, outputs)
            except BaseException as error:  # whatever it raises, it must not end the thread that all wait for
                if len(group) == 1 or isinstance(error, DeadlineError | UnavailableError):
                    for call in group:
                        call.settle(None, error)
                else:
                    half = len(group) // 2
                    todo += [group[half:], group[:half]]

    def _hand_out(self, group: Sequence[_Call], outputs: Outputs) -> None:
        """Give each request its own rows, if there is one answer for each row."""
        sizes = [len(call.batch) for call in group]
        columns = [outputs.values, outputs.probabilities, *outputs.scores.values()]
        if any(column is not None and column.shape[:1] != (sum(sizes),) for column in columns):
            raise PredictorError(f"{self._declared.name} answered {len(outputs)} of {sum(sizes)} rows")
        if len(group) == 1:
            group[0].settle(outputs)
            return
        for call, end in zip(group, itertools.accumulate(sizes), strict=True):
            call.settle(outputs.take(np.arange(end - len(call.batch), end)))


def _joined(batches: Sequence[Batch]) -> Batch:
    """Put batches one after the other."""
    first = batches[0]
    if len(batches) == 1:
        return first
    matrix = np.concatenate([batch.block.matrix for batch in batches])
    text = {
        name: list(itertools.chain.from_iterable(batch.block.text[name] for batch in batches))
        for name in first.block.text
    }
    rows = list(itertools.chain.from_iterable(batch.rows for batch in batches))
    return Batch(rows, FeatureBlock(first.block.schema, matrix, text), first.now)
